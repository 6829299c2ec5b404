"""Pictures of executions: what they consist of, and as DOT and SVG."""

from __future__ import annotations

from burnish.report.dot import to_dot
from burnish.report.drawing import Edge, EdgeKind, Group, GroupKind, Histogram, Node, Picture, Span, Spans
from burnish.report.svg import to_svg

__all__ = [
    "Edge",
    "EdgeKind",
    "Group",
    "GroupKind",
    "Histogram",
    "Node",
    "Picture",
    "Span",
    "Spans",
    "to_dot",
    "to_svg",
]
