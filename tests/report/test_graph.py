"""Pictures: DOT as Graphviz reads it, SVG by geometry of what it contains, and colours by computed lightness."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from functools import cache
from itertools import combinations, pairwise
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pygraphviz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.report.charts import bars_of
from burnish.report.drawing import HEAT, STROKES, turned, widths
from burnish.report.graph import (
    Edge,
    EdgeKind,
    Group,
    GroupKind,
    Histogram,
    Node,
    Picture,
    Span,
    Spans,
    to_dot,
    to_svg,
)
from burnish.report.layout import Box, is_row
from burnish.report.layout import lay_out as laid_out_anew

lay_out = cache(laid_out_anew)
SVG = "{http://www.w3.org/2000/svg}"
ODD = (
    "std::map<std::string, int>::operator[](\"a\" & 'b')",
    "back\\slash \\N \\l &amp; &lt;",
    "line\x00\x1b[31m\udc80 end",
    "表計算 naïve ∑",
    "",
)


def function(blocks: int, seed: int) -> Picture:
    """The flow graph of a structured function of about so many blocks, with loops in loops, and dependences."""
    draw = random.Random(seed)
    edges: list[tuple[int, int]] = []
    loops: list[tuple[int, int, int | None]] = []  # first block, end, parent
    made = 0

    def block(before: int | None) -> int:
        nonlocal made
        made += 1
        if before is not None:
            edges.append((before, made - 1))
        return made - 1

    def body(at: int, end: int, loop: int | None) -> int:
        while made < end:
            shape = draw.random()
            if shape < 0.3:
                header = block(at)
                number = len(loops)
                loops.append((header, header, loop))
                last = body(header, min(end, made + draw.randint(1, 9)), number)
                edges.append((last, header))
                loops[number] = (header, made, loop)
                at = block(draw.choice((header, last)))
            elif shape < 0.7:
                one, other = block(at), block(at)
                at = block(one)
                edges.append((other, at))
            else:
                at = block(at)
        return at

    body(block(None), blocks, None)
    innermost: dict[int, int] = {}
    for number, (first, end, _) in enumerate(loops):
        innermost |= dict.fromkeys(range(first, end), number)
    nodes = tuple(
        Node(n, (f"b{n}  {0x1000 + 16 * n:#x}", f"{7**draw.randint(0, 7):,} times"), f"t.c:{n}\nret", innermost.get(n),
             draw.random() ** 8)
        for n in range(made)
    )  # fmt: skip
    flow = tuple(
        Edge(
            a,
            b,
            EdgeKind.EXIT if draw.random() < 0.1 else EdgeKind.FLOW,
            10 ** draw.randint(0, 7),
            "1,234,567",
        )
        for a, b in sorted(set(edges))
    )
    hazards = (EdgeKind.RAW, EdgeKind.WAR, EdgeKind.WAW)
    dependences = tuple(
        Edge(
            a,
            min(max(a + draw.randint(-4, 4), 0), made - 1),
            draw.choice(hazards),
            draw.randint(1, 999),
            "d=1–64",
        )
        for a in (draw.randrange(made) for _ in range(12))
    )
    groups = tuple(
        Group(n, draw.choice(list(GroupKind)), f"loop b{first}: 8,000 rounds in 400 visits", parent=parent)
        for n, (first, _, parent) in enumerate(loops)
    )
    charts = (Histogram("Rounds", "rounds", "visits", ((1, 5), (900, 70_000))),)
    return Picture("A function", nodes, flow + dependences, groups, charts, ("Not shown: much.",))


@pytest.fixture(autouse=True)
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each picture is laid out once for all tests."""
    monkeypatch.setattr("burnish.report.svg.lay_out", lay_out)


def switch(cases: int, seed: int) -> Picture:
    """A loop around a switch, as interpreters have, whose cases run into each other now and then."""
    draw = random.Random(seed)
    nodes = tuple(Node(n, (f"b{n}  0x1234", "1,234 times"), group=0 if n else None) for n in range(cases + 2))
    flow = [Edge(0, 1, EdgeKind.FLOW, 1, "1")]
    for case in range(2, cases + 2):
        flow += [Edge(1, case, EdgeKind.FLOW, 9, "9"), Edge(case, 1, EdgeKind.FLOW, 8)]
        flow.append(Edge(case, draw.randrange(2, cases + 2), EdgeKind.FLOW, 1, "1"))
    reads = [Edge(*draw.choices(range(cases), k=2), EdgeKind.RAW, 5, "d=1") for _ in range(9)]
    return Picture("switch", nodes, tuple(flow + reads), (Group(0, GroupKind.LOOP, "loop"),))


SIXTY = function(60, 7)
PICTURES = [
    function(60, 1),
    SIXTY,
    function(1, 0),
    switch(30, 3),
    Picture("nothing", (), ()),
    Picture("one", (Node(3, ("b3",)),), (Edge(3, 3, EdgeKind.FLOW, 9, "9"), Edge(3, 3, EdgeKind.RAW, 4, "d=1"))),
    Picture(
        "\n".join(ODD),
        tuple(Node(n, (text, text), text, 0 if n else None) for n, text in enumerate(ODD)),
        tuple(Edge(n, (n + 1) % 5, kind, n, ODD[n % 3], ODD[0]) for n, kind in enumerate(list(EdgeKind)[:5])),
        (Group(0, GroupKind.SUPERBLOCK, ODD[0], ODD[1]),),
        (
            Histogram(ODD[0], ODD[1], ODD[2], ()),
            Histogram(ODD[2], ODD[2], ODD[2], ((1, 1), (2, 3))),
            Spans(ODD[0], ODD[1], (Span(ODD[0], EdgeKind.WAR, 1, 900, ODD[2]),)),
        ),
        ODD,
    ),
    Picture("across", tuple(Node(n, (f"f{n}",)) for n in range(9)),
            tuple(Edge(n // 2, n, EdgeKind.CALL, n, str(n)) for n in range(1, 9)), sideways=True),
]  # fmt: skip


class Rectangle:
    """Of an SVG element: edges in pixels."""

    def __init__(self, element: Element) -> None:
        self.left, self.top = float(element.get("x", 0)), float(element.get("y", 0))
        self.right = self.left + float(element.get("width", 0))
        self.bottom = self.top + float(element.get("height", 0))

    def meets(self, other: Rectangle) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def holds(self, other: Rectangle, slack: float = 0.2) -> bool:
        return (
            self.left <= other.left + slack
            and other.right <= self.right + slack
            and self.top <= other.top + slack
            and other.bottom <= self.bottom + slack
        )


def of_class(root: Element, kind: str) -> list[Element]:
    return [each for each in root.iter() if each.get("class") == kind]


def text_box(element: Element, size: float) -> Rectangle:
    """The room of a centred text: a monospaced character is 0.6 of its size wide, and wide ones are twice that."""
    text = element.text or ""
    cells = sum(2 if "\u2e80" <= c <= "\uffdc" else 1 for c in text)
    middle, base = float(element.get("x", 0)), float(element.get("y", 0))
    assert element.get("text-anchor") in ("middle", None)
    left = middle - 0.3 * size * cells if element.get("text-anchor") else middle
    made = Element("rect", {"x": str(left), "y": str(base - 0.76 * size)})
    made.set("width", str(0.6 * size * cells))
    made.set("height", str(0.96 * size))
    return Rectangle(made)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.title[:10])
def test_boxes_do_not_overlap_and_hold_their_text(picture: Picture) -> None:
    root = fromstring(to_svg(picture))
    boxes: list[Rectangle] = []
    for node in of_class(root, "node"):
        box = Rectangle(next(iter(node.iter(f"{SVG}rect"))))
        assert all(box.holds(text_box(text, 11)) for text in node.iter(f"{SVG}text"))
        boxes.append(box)
    assert len(boxes) == len(picture.nodes)
    assert not [pair for pair in combinations(boxes, 2) if pair[0].meets(pair[1])]
    page = Rectangle(root)
    assert page.right > 0
    assert page.bottom > 0


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.title[:10])
def test_lines_of_dependences_in_boxes_and_labels_have_room(picture: Picture) -> None:
    layout = lay_out(picture)
    for index, edge in enumerate(picture.edges):
        if is_row(edge):
            box, row = layout.nodes[edge.source], layout.rows[index]
            assert box.left <= row.left
            assert row.left + row.width <= box.left + box.width
            assert row.top + row.height <= box.top + box.height
        elif edge.label and edge.kind in (EdgeKind.FLOW, EdgeKind.EXIT, EdgeKind.CALL):
            label = layout.routes[index].label
            assert label is not None
            for box in layout.nodes.values():
                apart = (
                    label.left + 4 >= box.left + box.width
                    or box.left + 4 >= label.left + label.width
                    or label.top + 2 >= box.top + box.height
                    or box.top + 2 >= label.top + label.height
                )
                assert apart, (edge, box)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.title[:10])
def test_edges_begin_and_end_at_their_nodes(picture: Picture) -> None:
    layout = lay_out(picture)
    for index, route in layout.routes.items():
        edge = picture.edges[index]
        for point, number in ((route.points[0], edge.source), (route.tip, edge.target)):
            box = layout.nodes[number]
            outside = max(
                box.left - point[0],
                point[0] - box.left - box.width,
                box.top - point[1],
                point[1] - box.top - box.height,
            )
            assert -1.5 <= outside <= 3, (edge, point, box)


@pytest.mark.parametrize("picture", [SIXTY, function(60, 3)], ids=("7", "3"))
def test_groups_hold_what_is_in_them_and_nothing_else(picture: Picture) -> None:
    layout = lay_out(picture)
    parents = {group.number: group.parent for group in picture.groups}

    def around(group: int | None) -> list[int]:
        return [] if group is None else [group, *around(parents[group])]

    for node in picture.nodes:
        box = layout.nodes[node.number]
        for number, group in layout.groups.items():
            inside = group.left <= box.left and box.left + box.width <= group.left + group.width
            inside &= group.top <= box.top and box.top + box.height <= group.top + group.height
            assert inside == (number in around(node.group))
    for number, group in layout.groups.items():
        for outer in (layout.groups[n] for n in around(parents[number])):
            assert outer.left < group.left
            assert group.left + group.width < outer.left + outer.width
            assert outer.top < group.top
            assert group.top + group.height < outer.top + outer.height


def test_edges_that_dot_gives_up_are_straight() -> None:
    left, below = Box(0, 0, 10, 4), Box(30, 40, 10, 4)
    assert left.towards(below) == pytest.approx((6.5, 4))
    assert below.towards(left) == pytest.approx((33.5, 40))
    assert left.towards(left) == (5, 2)
    assert left.meets(Box(9, 3, 5, 5))
    assert not left.meets(Box(10, 0, 5, 5))


def test_all_goes_down_but_for_the_ways_back() -> None:
    layout, back = lay_out(SIXTY), turned(SIXTY)
    assert back
    for index, edge in enumerate(SIXTY.edges):
        if edge.kind in (EdgeKind.FLOW, EdgeKind.EXIT) and edge.source != edge.target:
            down = layout.nodes[edge.source].top < layout.nodes[edge.target].top
            assert down != (index in back)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.title[:10])
def test_graphviz_reads_the_dot(picture: Picture) -> None:
    read: Any = pygraphviz.AGraph(to_dot(picture))
    assert sorted(read.nodes()) == sorted(f"n{node.number}" for node in picture.nodes)
    back = turned(picture)
    expected = [
        (f"n{edge.target}", f"n{edge.source}") if index in back else (f"n{edge.source}", f"n{edge.target}")
        for index, edge in enumerate(picture.edges)
    ]
    assert sorted(read.edges()) == sorted(expected)


@pytest.mark.skipif(shutil.which("dot") is None, reason="no dot")
@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.title[:10])
def test_dot_reads_the_dot(picture: Picture) -> None:
    done = subprocess.run(["dot", "-Tsvg"], input=to_dot(picture).encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"syntax error" not in done.stderr


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_odd_names_come_out_of_graphviz_as_they_are() -> None:
    picture = Picture("t", tuple(Node(n, (text,)) for n, text in enumerate(ODD[:2])), ())
    drawn: Any = pygraphviz.AGraph(to_dot(picture)).draw(None, format="svg", prog="dot")
    shown = [element.text for element in fromstring(drawn).iter(f"{SVG}text")]
    assert [text.replace("\xa0", " ") for text in shown if text and text != "t"] == list(ODD[:2])


def test_svg_needs_nothing_else_and_says_what_is_hovered() -> None:
    text = to_svg(SIXTY)
    root = fromstring(text)
    assert not re.search(r"<script|href|@import|url\(|http://(?!www\.w3\.org/2000/svg)", text)
    titles = [node.findtext(f"{SVG}title") for node in of_class(root, "node")]
    assert titles == [f"t.c:{node.number}\nret" for node in SIXTY.nodes]
    families = set(re.findall(r"font-family: ([^;}]*)", text))
    assert families == {"monospace", "sans-serif"}
    shown = {element.text for element in root.iter(f"{SVG}text")}
    assert {edge.kind.value for edge in SIXTY.edges} <= shown
    assert {group.kind.value for group in SIXTY.groups} <= shown


def test_names_in_svg_are_text_and_control_characters_escapes() -> None:
    root = fromstring(to_svg(next(p for p in PICTURES if ODD[0] in p.title)))
    lines = [text.text for node in of_class(root, "node") for text in node.iter(f"{SVG}text")]
    assert lines[:4] == [ODD[0], ODD[0], ODD[1], ODD[1]]
    assert lines[4] == "line\\x00\\x1b[31m\\udc80 end"


def test_same_picture_same_bytes() -> None:
    assert laid_out_anew(SIXTY) == lay_out(SIXTY)
    assert to_svg(SIXTY) == to_svg(function(60, 7))
    assert to_dot(SIXTY) == to_dot(function(60, 7))


def test_frequent_edges_are_thicker_and_biased_ones_dashed() -> None:
    counts = (0, 1, 10, 1_000, 10**9)
    nodes = tuple(Node(n, (f"b{n}",)) for n in range(6))
    edges = tuple(Edge(n, n + 1, EdgeKind.FLOW, count) for n, count in enumerate(counts))
    edges += (Edge(0, 5, EdgeKind.EXIT, 1), Edge(2, 0, EdgeKind.RAW, 10**12))
    picture = Picture("t", nodes, edges)
    thick = list(widths(picture))[: len(counts)]
    assert thick == sorted(set(thick))
    assert thick[-1] <= 6
    root = fromstring(to_svg(picture))
    lines = [list(edge.iter(f"{SVG}path"))[-1] for edge in of_class(root, "edge")]
    dashed = [line.get("stroke-dasharray") is not None for line in lines]
    assert dashed == [False] * len(counts) + [True, True]
    assert [float(line.get("stroke-width", 0)) for line in lines][: len(counts)] == thick


def lightness(colour: str) -> float:
    """L* of CIE 1976 of an sRGB colour (IEC 61966-2-1), 0 to 100."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


def test_colours_survive_greyscale() -> None:
    of_lines = sorted(
        lightness(stroke.colour) for kind, stroke in STROKES.items() if kind is not EdgeKind.EXIT
    )
    assert all(lighter - darker >= 8 for darker, lighter in pairwise(of_lines))
    assert of_lines[-1] <= 80  # on white
    assert len({(stroke.colour, stroke.dashes) for stroke in STROKES.values()}) == len(EdgeKind)
    assert lightness(STROKES[EdgeKind.RAW].colour) < lightness(STROKES[EdgeKind.WAW].colour)
    heat = [lightness(colour) for colour in HEAT]
    assert all(colder - hotter >= 4 for colder, hotter in pairwise(heat))
    assert heat[-1] >= 65  # black text on it: contrast 4.5 needs 49


@settings(max_examples=50)
@given(st.dictionaries(st.integers(0, 1 << 40), st.integers(1, 1 << 30), max_size=80))
def test_bars_count_everything_once(counts: dict[int, int]) -> None:
    bars = bars_of(tuple(counts.items()))
    assert sum(bar.count for bar in bars) == sum(counts.values())
    for value in counts:
        assert sum(bar.least <= value <= bar.most for bar in bars) == 1
    assert len(bars) <= 42
    assert all(one.most < other.least for one, other in pairwise(bars))


def test_charts_say_their_numbers_on_hover() -> None:
    histogram = Histogram("h", "rounds", "visits", tuple((2**n, n + 1) for n in range(14)))
    one = Histogram("o", "rounds", "visits", ((1000, 1),))
    spans = Spans("s", "rounds", (Span("b1 → b2", EdgeKind.RAW, 1, 900, "1 to 900"),))
    root = fromstring(to_svg(Picture("t", (), (), charts=(histogram, one, spans))))
    titles = [element.text for element in root.iter(f"{SVG}title")]
    assert "64–127 rounds: 7 visits" in titles
    assert "1 to 900" in titles
    assert "always 1,000 rounds (1 visit)" in [element.text for element in root.iter(f"{SVG}text")]
    page = Rectangle(root)
    assert max(len(bars_of(histogram.counts)), 1) == len(of_class(root, "bar"))
    assert page.bottom >= 3 * 60
