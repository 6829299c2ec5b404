"""A picture as one SVG file that needs nothing else: no scripts, no fonts of its own (SVG 1.1, second edition)."""

from __future__ import annotations

from collections.abc import Iterable
from math import hypot
from xml.etree.ElementTree import Element, SubElement, tostring

from burnish.report.charts import CHART_WIDTH, chart_height, draw_chart
from burnish.report.drawing import (
    DEPENDENCES,
    HEAT,
    HEAT_STEPS,
    STROKES,
    Edge,
    EdgeKind,
    Group,
    GroupKind,
    Node,
    Picture,
    Stroke,
    fill,
    widths,
)
from burnish.report.layout import (
    LABEL_FONT,
    LINE,
    NODE_FONT,
    PADDING,
    SAMPLE,
    TITLE_FONT,
    Box,
    Layout,
    Point,
    Route,
    lay_out,
    text_width,
)
from burnish.report.tables import printable

_MARGIN = 24.0
_GAP = 40.0
_ROW = 22.0
_SIDE = CHART_WIDTH
_NOTE = 18.0
_STYLE = f"""
text {{ font-family: monospace; font-size: {NODE_FONT:g}px; fill: #000000 }}
.plain {{ font-family: sans-serif; font-size: 12px }}
.head {{ font-family: sans-serif; font-size: 18px; font-weight: bold }}
.small {{ font-family: sans-serif; font-size: 11px; fill: #444444 }}
.first {{ font-weight: bold }}
.label {{ font-size: {LABEL_FONT:g}px }}
.title {{ font-size: {TITLE_FONT:g}px; fill: #333333 }}
.node rect {{ stroke: #444444; stroke-width: 1 }}
.loop {{ fill: #5a6a7a; fill-opacity: 0.06; stroke: #8a96a3; stroke-width: 1 }}
.superblock {{ fill: none; stroke: #00664a; stroke-width: 2.5 }}
.behind {{ fill: #ffffff; fill-opacity: 0.75 }}
.edge path {{ fill: none }}
.edge .near {{ stroke: #000000; stroke-opacity: 0; stroke-width: 9 }}
.axis {{ stroke: #444444; stroke-width: 1; fill: none }}
.grid {{ stroke: #dddddd; stroke-width: 1; fill: none }}
.bar {{ fill: #4a7fb0; stroke: #1f3b57; stroke-width: 0.5 }}
"""


def to_svg(picture: Picture) -> str:
    """The picture, its legend and its charts. What a node or edge is in the source is shown on hover.

    The same picture gives the same text. Raises ``HostError`` where the layout fails.
    """
    layout = lay_out(picture)
    top = _MARGIN + 30 + _NOTE * len(picture.notes)
    side = _side_height(picture)
    empty = not picture.nodes
    wide = max(layout.width, 260.0 if empty else 0.0)
    width = max(2 * _MARGIN + wide + _GAP + _SIDE, *(_room(line) for line in (picture.title, *picture.notes)))
    height = top + max(layout.height, side) + _MARGIN
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "role": "img",
            "width": number(width),
            "height": number(height),
            "viewBox": f"0 0 {number(width)} {number(height)}",
        },
    )
    SubElement(root, "desc").text = printable(picture.title)
    SubElement(root, "style").text = _STYLE
    SubElement(root, "rect", {"width": number(width), "height": number(height), "fill": "#ffffff"})
    _text(root, _MARGIN, _MARGIN + 10, picture.title, "head")
    for row, note in enumerate(picture.notes):
        _text(root, _MARGIN, _MARGIN + 30 + _NOTE * row, note, "small")
    graph = SubElement(root, "g", {"transform": f"translate({number(_MARGIN)} {number(top)})"})
    if empty:
        _text(graph, 0, 20, "Nothing of it ran.", "plain")
    _draw_graph(graph, picture, layout)
    place = f"translate({number(_MARGIN + wide + _GAP)} {number(top)})"
    _draw_side(SubElement(root, "g", {"transform": place}), picture)
    return tostring(root, encoding="unicode") + "\n"


def number(value: float) -> str:
    """A length with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _room(line: str) -> float:
    """A width in which a line of the head fits with certainty."""
    return 2 * _MARGIN + 11.0 * len(line)


def _draw_graph(parent: Element, picture: Picture, layout: Layout) -> None:
    for group in sorted(picture.groups, key=lambda group: _depth(picture, group)):
        if group.number in layout.groups:
            made = _titled(parent, "group", group.tooltip)
            box = _rectangle(layout.groups[group.number])
            SubElement(made, "rect", {**box, "rx": "7", "class": group.kind.name.lower()})
    edges = list(enumerate(zip(picture.edges, widths(picture), strict=True)))
    for index, (edge, width) in edges:
        if index in layout.routes:
            _draw_edge(parent, edge, layout.routes[index], width)
    for node in picture.nodes:
        _draw_node(parent, node, layout.nodes[node.number])
    for index, (edge, width) in edges:
        if index in layout.rows:
            _draw_row(parent, edge, layout.rows[index], width)
        elif (label := layout.routes[index].label) is not None:
            _draw_label(parent, edge, label)
    for group in picture.groups:  # above the edges that cross them
        if group.number in layout.groups:
            _draw_title(parent, group, layout.groups[group.number])


def _depth(picture: Picture, group: Group) -> int:
    parents = {each.number: each.parent for each in picture.groups}
    depth, at = 0, group.parent
    while at is not None:
        depth, at = depth + 1, parents[at]
    return depth


def _draw_node(parent: Element, node: Node, box: Box) -> None:
    made = _titled(parent, "node", node.tooltip)
    SubElement(made, "rect", {**_rectangle(box), "rx": "4", "fill": fill(node.share)})
    middle = box.left + box.width / 2
    first = box.top + PADDING / 2 + LINE * 0.74
    for row, line in enumerate(node.lines):
        text = _text(made, middle, first + LINE * row, line, "first" if row == 0 else "")
        text.set("text-anchor", "middle")


def _draw_title(parent: Element, group: Group, box: Box) -> None:
    made = _titled(parent, "group", group.tooltip)
    back = Box(box.left + 7, box.top + 4, text_width(printable(group.title), TITLE_FONT) + 4, TITLE_FONT + 3)
    SubElement(made, "rect", {**_rectangle(back), "class": "behind"})
    _text(made, box.left + 9, box.top + 4 + TITLE_FONT, group.title, "title")


def _draw_edge(parent: Element, edge: Edge, route: Route, width: float) -> None:
    made = _titled(parent, "edge", edge.tooltip or edge.kind.value)
    path = _path(route.points)
    SubElement(made, "path", {"d": path, "class": "near"})
    _draw_line(made, path, STROKES[edge.kind], width)
    _draw_head(made, route.points[-1], route.tip, STROKES[edge.kind], width)


def _draw_row(parent: Element, edge: Edge, box: Box, width: float) -> None:
    """A dependence of a node on itself, in its box: a piece of line, and its label."""
    made = _titled(parent, "edge", edge.tooltip or edge.kind.value)
    y = box.top + LINE / 2
    _draw_line(
        made, f"M{number(box.left)},{number(y)}H{number(box.left + SAMPLE - 15)}", STROKES[edge.kind], width
    )
    _draw_head(made, (box.left + SAMPLE - 15, y), (box.left + SAMPLE - 7, y), STROKES[edge.kind], 1)
    _text(made, box.left + SAMPLE, box.top + LINE * 0.74, edge.label)


def _draw_line(parent: Element, path: str, stroke: Stroke, width: float) -> None:
    drawn = {"d": path, "stroke": stroke.colour, "stroke-width": number(width)}
    if stroke.dashes:
        drawn["stroke-dasharray"] = " ".join(map(str, stroke.dashes))
    SubElement(parent, "path", drawn)


def _draw_head(parent: Element, base: Point, tip: Point, stroke: Stroke, width: float) -> None:
    """A triangle, or a hollow one, from where the line ends to ``tip``."""
    away = (tip[0] - base[0], tip[1] - base[1])
    length = hypot(*away) or 1.0
    half = 3.2 + 0.6 * width
    across = (-away[1] / length * half, away[0] / length * half)
    corners = (
        (base[0] + across[0], base[1] + across[1]),
        tip,
        (base[0] - across[0], base[1] - across[1]),
    )
    SubElement(
        parent,
        "polygon",
        {
            "points": " ".join(f"{number(x)},{number(y)}" for x, y in corners),
            "fill": stroke.colour if stroke.filled else "#ffffff",
            "stroke": stroke.colour,
        },
    )


def _draw_label(parent: Element, edge: Edge, box: Box) -> None:
    made = _titled(parent, "label", edge.tooltip)
    # The line runs along a side of the box.
    inside = Box(box.left + 3, box.top, box.width - 6, box.height)
    SubElement(made, "rect", {**_rectangle(inside), "class": "behind"})
    text = _text(made, box.left + box.width / 2, box.top + LABEL_FONT, edge.label, "label")
    text.set("text-anchor", "middle")


def _path(points: Iterable[Point]) -> str:
    first, *rest = (f"{number(x)},{number(y)}" for x, y in points)
    return f"M{first}C{' '.join(rest)}"


def _titled(parent: Element, kind: str, tooltip: str) -> Element:
    made = SubElement(parent, "g", {"class": kind})
    if tooltip:
        SubElement(made, "title").text = "\n".join(printable(line) for line in tooltip.split("\n"))
    return made


def _rectangle(box: Box) -> dict[str, str]:
    return {
        "x": number(box.left),
        "y": number(box.top),
        "width": number(box.width),
        "height": number(box.height),
    }


def _text(parent: Element, x: float, y: float, text: str, kind: str = "") -> Element:
    made = SubElement(parent, "text", {"x": number(x), "y": number(y)})
    if kind:
        made.set("class", kind)
    made.text = printable(text)
    return made


def _legend(picture: Picture) -> tuple[list[EdgeKind], list[GroupKind], bool]:
    """What there is to explain: kinds of edges and groups, and whether nodes have colours."""
    edges, groups = {edge.kind for edge in picture.edges}, {group.kind for group in picture.groups}
    return [k for k in EdgeKind if k in edges], [k for k in GroupKind if k in groups], bool(picture.nodes)


def _side_height(picture: Picture) -> float:
    edges, groups, heat = _legend(picture)
    rows = len(edges) + len(groups) + 2 * heat + bool(edges) + any(kind in DEPENDENCES for kind in edges)
    return rows * _ROW + 10 + sum(chart_height(chart) + _ROW for chart in picture.charts)


def _draw_side(parent: Element, picture: Picture) -> None:
    """The legend, and the charts below it."""
    edges, groups, heat = _legend(picture)
    row = 0.0
    for kind in edges:
        stroke = STROKES[kind]
        _draw_line(
            parent,
            f"M0,{number(row + 8)}C10,{number(row + 8)} 30,{number(row + 8)} 38,{number(row + 8)}",
            stroke,
            2,
        )
        _draw_head(parent, (38, row + 8), (47, row + 8), stroke, 2)
        _text(parent, 58, row + 12, kind.value, "plain")
        row += _ROW
    if edges:
        _text(parent, 58, row + 12, "the thicker, the more often (logarithm)", "small")
        row += _ROW
    if any(kind in DEPENDENCES for kind in edges):
        _text(parent, 58, row + 12, "d: how many rounds apart", "small")
        row += _ROW
    for kind in groups:
        SubElement(
            parent,
            "rect",
            {**_rectangle(Box(2, row + 1, 44, 14)), "rx": "4", "class": kind.name.lower()},
        )
        _text(parent, 58, row + 12, kind.value, "plain")
        row += _ROW
    if heat:
        _draw_heat(parent, picture, row)
        row += 2 * _ROW
    for chart in picture.charts:
        row += _ROW
        place = {"transform": f"translate(0 {number(row - 10)})"}
        draw_chart(SubElement(parent, "g", place), chart)
        row += chart_height(chart)


def _draw_heat(parent: Element, picture: Picture, top: float) -> None:
    size = 56.0
    for step, colour in enumerate(HEAT):
        box = Box(2 + step * size, top + 1, size, 14)
        SubElement(parent, "rect", {**_rectangle(box), "fill": colour, "stroke": "#444444"})
        least = f"≥ {100 * HEAT_STEPS[step - 1]:g} %" if step else "less"
        text = _text(parent, box.left + size / 2, top + 12, least, "small")
        text.set("text-anchor", "middle")
    _text(parent, 2, top + _ROW + 8, picture.subject, "small")
