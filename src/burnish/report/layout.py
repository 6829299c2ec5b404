"""Where the nodes, groups and edges of a picture go, through Graphviz's ``dot``, which pygraphviz brings along.

Every size is given to it, so the result does not depend on the fonts of a machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import hypot
from pathlib import Path
from typing import Any

from burnish.core.errors import HostError
from burnish.report.drawing import DEPENDENCES, Edge, Node, Picture, turned
from burnish.report.tables import printable

NODE_FONT = 11.0
LABEL_FONT = 10.0
TITLE_FONT = 11.0
LINE = 15.0
"""From one line of text to the next, in pixels."""
PADDING = 8.0
SAMPLE = 40.0
"""Room for a piece of a dependence's line in a box, before its label."""
_CHILD = Path(__file__).with_name("layout_child.py")
_TIMEOUT_S = 60.0
_FAR = 200.0
"""Farther from its edge than this, in pixels, a label is lost."""
_ADVANCE = 0.64
"""Width of a character of a monospaced font, of its size: that of the usual ones, 0.6, rounded up to whole pixels as
some renderers do."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, y downwards: left, top, width and height."""

    left: float
    top: float
    width: float
    height: float

    def towards(self, other: Box) -> Point:
        """Where the line between the centres leaves this box."""
        x, y = self.left + self.width / 2, self.top + self.height / 2
        away = (other.left + other.width / 2 - x, other.top + other.height / 2 - y)
        reach = min(
            (
                half / abs(part)
                for half, part in zip((self.width / 2, self.height / 2), away, strict=True)
                if part
            ),
            default=0.0,
        )
        return x + reach * away[0], y + reach * away[1]

    def meets(self, other: Box) -> bool:
        """Whether both have a point in common that is on no side."""
        return (
            abs(2 * self.left + self.width - 2 * other.left - other.width) < self.width + other.width
            and abs(2 * self.top + self.height - 2 * other.top - other.height) < self.height + other.height
        )


@dataclass(frozen=True, slots=True)
class Route:
    """A way of an edge: ``points`` are a first point and three for each cubic Bézier curve, from its source on, and
    ``tip`` is where its head ends. ``label`` is the box for its text."""

    points: tuple[Point, ...]
    tip: Point
    label: Box | None


@dataclass(frozen=True, slots=True)
class Layout:
    """Positions in pixels. ``nodes`` and ``groups`` by number; ``routes`` by index of the picture's edges, and
    ``rows``, for dependences of a node on itself: a line in its box, below its text."""

    width: float
    height: float
    nodes: Mapping[int, Box]
    groups: Mapping[int, Box]
    routes: Mapping[int, Route]
    rows: Mapping[int, Box]


def text_width(text: str, size: float) -> float:
    """Pixels of a line of monospaced text."""
    from rich.cells import cell_len

    return cell_len(text) * size * _ADVANCE


def lay_out(picture: Picture) -> Layout:
    """Positions for all of ``picture``. The same picture gives the same ones. Raises ``HostError`` where ``dot``
    fails."""
    if not picture.nodes:
        return Layout(0.0, 0.0, {}, {}, {}, {})
    found = _run("\n".join(_source(picture)))
    _, _, width, height = _numbers(found["bb"])
    nodes: dict[int, Box] = {}
    groups: dict[int, Box] = {}
    for item in found["objects"]:
        name: str = item["name"]
        if name.startswith("cluster_"):
            left, bottom, right, top = _numbers(item["bb"])
            groups[int(name.removeprefix("cluster_"))] = Box(left, height - top, right - left, top - bottom)
        else:
            x, y = _numbers(item["pos"])
            size = 72 * float(item["width"]), 72 * float(item["height"])
            nodes[int(name[1:])] = Box(x - size[0] / 2, height - y - size[1] / 2, *size)
    routes: dict[int, Route] = {}
    for item in found.get("edges", ()):
        index = int(item["id"])
        routes[index] = _route(item, picture.edges[index], height, nodes)
    return Layout(width, height, nodes, groups, routes, _rows(picture, nodes))


def _source(picture: Picture) -> Iterator[str]:
    """The graph for ``dot``: boxes of fixed sizes, without any text."""
    direction = "rankdir=LR nodesep=0.2 ranksep=0.6" if picture.sideways else "nodesep=0.35 ranksep=0.42"
    yield f"digraph {{ graph [newrank=true {direction} margin=0 pad=0];"
    yield 'node [shape=box fixedsize=true label=""];'
    yield from _inside(picture, None)
    back = turned(picture)
    for index, edge in enumerate(picture.edges):
        if is_row(edge):
            continue
        ends = (edge.target, edge.source) if index in back else (edge.source, edge.target)
        made = "dir=back" if index in back else "dir=forward"
        if edge.label:
            made += f" label={_space(*_label_size(edge))}"
        if edge.kind in DEPENDENCES:
            made += " constraint=false arrowsize=0.8"
        yield f'n{ends[0]} -> n{ends[1]} [id="{index}" {made}];'
    yield "}"


def _inside(picture: Picture, parent: int | None) -> Iterator[str]:
    rows: dict[int, list[Edge]] = {}
    for edge in picture.edges:
        if is_row(edge):
            rows.setdefault(edge.source, []).append(edge)
    for node in picture.nodes:
        if node.group == parent:
            width, height = _size(node, rows.get(node.number, ()))
            yield f"n{node.number} [width={width / 72:.4f} height={height / 72:.4f}];"
    for group in picture.groups:
        if group.parent == parent:
            size = text_width(printable(group.title), TITLE_FONT) + 6, TITLE_FONT + 6
            yield f"subgraph cluster_{group.number} {{ graph [margin=10 labeljust=l label={_space(*size)}];"
            yield from _inside(picture, group.number)
            yield "}"


def is_row(edge: Edge) -> bool:
    """Whether an edge is a line in the box of its node: several loops around one node are hard to tell apart."""
    return edge.kind in DEPENDENCES and edge.source == edge.target


def _size(node: Node, rows: Sequence[Edge]) -> tuple[float, float]:
    """Width and height of a node's box."""
    texts = [text_width(printable(line), NODE_FONT) for line in node.lines]
    texts += [SAMPLE + text_width(printable(edge.label), NODE_FONT) for edge in rows]
    return max(texts, default=0.0) + 2 * PADDING, max(len(texts), 1) * LINE + PADDING


def _rows(picture: Picture, nodes: Mapping[int, Box]) -> dict[int, Box]:
    below = {node.number: len(node.lines) for node in picture.nodes}
    found: dict[int, Box] = {}
    for index, edge in enumerate(picture.edges):
        if is_row(edge):
            box, line = nodes[edge.source], below[edge.source]
            width = SAMPLE + text_width(printable(edge.label), NODE_FONT)
            left = box.left + (box.width - width) / 2
            found[index] = Box(left, box.top + PADDING / 2 + line * LINE, width, LINE)
            below[edge.source] += 1
    return found


def _space(width: float, height: float) -> str:
    """A label that takes exactly so much room, whatever the font."""
    size = f'width="{width:.0f}" height="{height:.0f}"'
    return (
        f'<<table border="0" cellborder="0" cellpadding="0" cellspacing="0" fixedsize="true" {size}>'
        "<tr><td></td></tr></table>>"
    )


def _run(source: str) -> Mapping[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_CHILD)],
            input=source.encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HostError(f"Graphviz did not lay the picture out within {_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise HostError(f"Graphviz cannot be started: {error.strerror}") from error
    if done.returncode or not done.stdout:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise HostError(f"Graphviz cannot lay the picture out: {last[-1]}")
    return json.loads(done.stdout)


def _route(item: Mapping[str, Any], edge: Edge, height: float, nodes: Mapping[int, Box]) -> Route:
    points, tip = (
        _curve(item["pos"], height) if "pos" in item else _straight(nodes[edge.source], nodes[edge.target])
    )
    label = None
    if edge.label:
        wide, high = _label_size(edge)
        x, y = _numbers(item.get("lp", "0,0"))
        y = height - y
        is_lost = min(hypot(x - at[0], y - at[1]) for at in points) > wide + _FAR
        if is_lost:  # dot has no place for it: then it is half-way, or left out where that is on a node
            x, y = _middle(points)
        label = Box(x - wide / 2, y - high / 2, wide, high)
        if is_lost and any(label.meets(box) for box in nodes.values()):
            label = None
    return Route(points, tip, label)


def _curve(text: str, height: float) -> tuple[tuple[Point, ...], Point]:
    """Points and tip from a ``splineType`` of the manual: ``s,x,y e,x,y p p p p …``, with ends only where there are
    heads."""
    ends: dict[str, Point] = {}
    points: list[Point] = []
    for word in text.split(";")[0].split():
        x, y = _numbers(word.lstrip("es,"))
        if word[0] in "es":
            ends[word[0]] = (x, height - y)
        else:
            points.append((x, height - y))
    if "s" in ends:
        points.reverse()
    return tuple(points), ends.get("s") or ends.get("e") or points[-1]


def _straight(source: Box, target: Box) -> tuple[tuple[Point, ...], Point]:
    """A line between two boxes, for an edge that dot gave up."""
    begin, end = source.towards(target), target.towards(source)
    base = (end[0] + (begin[0] - end[0]) / 8, end[1] + (begin[1] - end[1]) / 8)
    return (begin, begin, base, base), end


def _middle(points: Sequence[Point]) -> Point:
    """Half-way along, by curves: of the one in the middle the point in the middle."""
    first = 3 * ((len(points) - 1) // 3 // 2)
    a, b, c, d = points[first : first + 4]
    return (a[0] + 3 * b[0] + 3 * c[0] + d[0]) / 8, (a[1] + 3 * b[1] + 3 * c[1] + d[1]) / 8


def _label_size(edge: Edge) -> tuple[float, float]:
    return text_width(printable(edge.label), LABEL_FONT) + 10, LABEL_FONT + 4


def _numbers(text: str) -> Sequence[float]:
    return [float(word) for word in text.split(",")]
