"""A picture as DOT, the language of Graphviz (its manual: "The DOT Language")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from burnish.report.drawing import DEPENDENCES, STROKES, Group, GroupKind, Node, Picture, fill, turned, widths
from burnish.report.tables import printable


def to_dot(picture: Picture) -> str:
    """The graph of a picture for ``dot``; charts are left out. The same picture gives the same text."""
    return "\n".join(_lines(picture)) + "\n"


def _lines(picture: Picture) -> Iterator[str]:
    yield "digraph {"
    title = "\n".join((picture.title, *picture.notes))
    direction = "rankdir=LR " if picture.sideways else ""
    yield f"  graph [{direction}newrank=true labelloc=t fontname=Helvetica nodesep=0.3 ranksep=0.4];"
    yield f"  graph [label={_quoted(title)}];"
    yield '  node [shape=box style="filled,rounded" fontname=Courier fontsize=11];'
    yield "  edge [fontname=Courier fontsize=10];"
    yield from _inside(picture, None, "  ")
    back = turned(picture)
    for index, (edge, width) in enumerate(zip(picture.edges, widths(picture), strict=True)):
        stroke = STROKES[edge.kind]
        ends = (edge.target, edge.source) if index in back else (edge.source, edge.target)
        made = [
            f'color="{stroke.colour}" penwidth={width} label={_quoted(edge.label)}',
            f"edgetooltip={_quoted(edge.tooltip or edge.kind)} labeltooltip={_quoted(edge.tooltip or edge.kind)}",
        ]
        if stroke.dashes:
            made.append("style=dotted" if stroke.dashes[0] < stroke.dashes[-1] else "style=dashed")
        head = "" if stroke.filled else "vee"
        if index in back:
            made.append(f"dir=back arrowtail={head or 'normal'}")
        elif head:
            made.append(f"arrowhead={head}")
        if edge.kind in DEPENDENCES:
            made.append(f'constraint=false fontcolor="{stroke.colour}"')
        yield f"  n{ends[0]} -> n{ends[1]} [{' '.join(made)}];"
    yield "}"


def _inside(picture: Picture, parent: int | None, indent: str) -> Iterator[str]:
    """The nodes and groups directly in a group, or in none."""
    for node in picture.nodes:
        if node.group == parent:
            yield indent + _node(node)
    for group in picture.groups:
        if group.parent == parent:
            yield f"{indent}subgraph cluster_{group.number} {{"
            yield f"{indent}  {_group(group)}"
            yield from _inside(picture, group.number, indent + "  ")
            yield indent + "}"


def _node(node: Node) -> str:
    return (
        f"n{node.number} [label={_quoted(node.lines)} tooltip={_quoted(node.tooltip)}"
        f' fillcolor="{fill(node.share)}"];'
    )


def _group(group: Group) -> str:
    look = "rounded" if group.kind is GroupKind.LOOP else "bold"
    title, tooltip = _quoted(group.title), _quoted(group.tooltip or group.title)
    return f"graph [label={title} tooltip={tooltip} labeljust=l fontsize=11 style={look}];"


def _quoted(text: str | Sequence[str]) -> str:
    """A string that Graphviz shows as it is: it reads escapes and HTML entities in labels."""
    lines = text.split("\n") if isinstance(text, str) else text
    escaped = (
        printable(line).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in lines
    )
    return '"' + "\\n".join(escaped) + '"'
