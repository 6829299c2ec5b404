"""Pictures of executions as plain data, which ``dot.to_dot`` and ``svg.to_svg`` draw, and how each kind of thing
looks in both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import log1p


class EdgeKind(StrEnum):
    """What an edge says. The value is what the legend calls it."""

    FLOW = "control flow"
    EXIT = "biased exit: seldom taken"
    CALL = "call"
    RAW = "read after write: needs the value"
    WAR = "write after read"
    WAW = "write after write"


DEPENDENCES = (EdgeKind.RAW, EdgeKind.WAR, EdgeKind.WAW)


class GroupKind(StrEnum):
    """What a box around nodes is. The value is what the legend calls it."""

    LOOP = "loop"
    SUPERBLOCK = "superblock"


@dataclass(frozen=True, slots=True)
class Node:
    """A block or region. ``lines`` are the text in its box, ``tooltip`` is shown on hover and may have several lines.
    ``group`` is the number of the innermost group around it, ``share`` its part of the run, 0 to 1."""

    number: int
    lines: tuple[str, ...]
    tooltip: str = ""
    group: int | None = None
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow between two nodes, by number. ``count`` is how often, ``label`` is drawn beside it, if any."""

    source: int
    target: int
    kind: EdgeKind
    count: int
    label: str = ""
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A box around nodes and other groups; ``parent`` is the number of the group that it lies in."""

    number: int
    kind: GroupKind
    title: str
    tooltip: str = ""
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often each value came up: ``counts`` has ``(value, count)``, values at least 0, by value. ``values`` and
    ``unit`` name what is on the axes."""

    title: str
    values: str
    unit: str
    counts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A line of a chart of spans: its name, which kind of dependence, the least and most."""

    text: str
    kind: EdgeKind
    least: int
    most: int
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class Spans:
    """From where to where values go, a row for each of several things, in ``unit``."""

    title: str
    unit: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A graph with its charts. The first node is the entry. ``notes`` are sentences on what is not shown, and
    ``subject`` says what the share of a node is, in the legend. ``sideways``: edges go to the right, not down."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    groups: tuple[Group, ...] = ()
    charts: tuple[Histogram | Spans, ...] = ()
    notes: tuple[str, ...] = ()
    subject: str = "share of the instructions of the run"
    sideways: bool = False


@dataclass(frozen=True, slots=True)
class Stroke:
    """How a line is drawn: colour, lengths of dashes and gaps in pixels (empty: solid), and whether its head is
    filled."""

    colour: str
    dashes: tuple[int, ...]
    filled: bool


STROKES: Mapping[EdgeKind, Stroke] = {
    EdgeKind.FLOW: Stroke("#1a1a1a", (), True),
    EdgeKind.EXIT: Stroke("#1a1a1a", (7, 5), True),
    EdgeKind.CALL: Stroke("#004b87", (), True),
    EdgeKind.RAW: Stroke("#d04a00", (9, 3), False),
    EdgeKind.WAW: Stroke("#d582b4", (2, 3), False),
    EdgeKind.WAR: Stroke("#68bdec", (9, 3, 2, 3), False),
}
"""Hues after Okabe and Ito, "Color Universal Design" (2008), which the colour-blind tell apart; lightness differs
too, so that grey prints do, and dashes say it once more."""

HEAT = ("#ffffff", "#fff0b8", "#fed976", "#feb24c", "#fd8d3c")
"""Fills of nodes, cold to hot: ever darker, and light enough for black text."""
HEAT_STEPS = (0.001, 0.01, 0.05, 0.2)
"""The least share of each fill but the first."""


def fill(share: float) -> str:
    """The colour of a node with that part of the run."""
    return HEAT[sum(share >= step for step in HEAT_STEPS)]


def widths(picture: Picture) -> Iterator[float]:
    """The width of each edge in pixels: linear in the logarithm of its count, among edges of its sort (control flow
    or dependences), which are counted in different units."""
    most = {True: 1, False: 1}
    for edge in picture.edges:
        most[_depends(edge)] = max(most[_depends(edge)], edge.count)
    for edge in picture.edges:
        thinnest, widest = (1.5, 3.0) if _depends(edge) else (1.0, 5.0)
        part = log1p(max(edge.count, 0)) / log1p(most[_depends(edge)])
        yield round(thinnest + (widest - thinnest) * part, 1)


def _depends(edge: Edge) -> bool:
    return edge.kind in DEPENDENCES


def turned(picture: Picture) -> frozenset[int]:
    """Indices of edges that lead back to a node on the way to it from the entry: layouts turn them round, so that all
    others go down. Self-edges are none."""
    following: dict[int, list[tuple[int, int]]] = {node.number: [] for node in picture.nodes}
    for index, edge in enumerate(picture.edges):
        if not _depends(edge) and edge.source != edge.target:
            following[edge.source].append((index, edge.target))
    back: set[int] = set()
    on_way: set[int] = set()
    seen: set[int] = set()
    for node in picture.nodes:
        work = [] if node.number in seen else [(node.number, iter(following[node.number]))]
        while work:
            at, rest = work[-1]
            seen.add(at)
            on_way.add(at)
            for index, target in rest:
                if target in on_way:
                    back.add(index)
                elif target not in seen:
                    work.append((target, iter(following[target])))
                    break
            else:
                on_way.discard(at)
                work.pop()
    return frozenset(back)
