"""Histograms as SVG, beside the graph of a picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from typing import assert_never
from xml.etree.ElementTree import Element, SubElement

from burnish.report.drawing import STROKES, Histogram, Spans
from burnish.report.tables import printable

CHART_WIDTH = 360.0
CHART_HEIGHT = 210.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 8.0, 26.0, 44.0
_NAMES = 100.0
_ROW = 18.0
_SINGLE = 10
"""So many different values at most get a bar each, wherever they lie."""
_LINEAR = 24
"""Up to this span each number gets a bar, in scale; beyond it bars are powers of two."""
_WIDE = 50
"""Counts whose ratio is larger are drawn by logarithm."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: the values that it counts, least and most, and how many."""

    least: int
    most: int
    count: int

    @property
    def text(self) -> str:
        """Its values."""
        return f"{self.least:,}" if self.least == self.most else f"{self.least:,}–{self.most:,}"


def bars_of(counts: Sequence[tuple[int, int]]) -> tuple[Bar, ...]:
    """Bars for ``(value, count)``, by value: one for each value where those are few, one for each number where they
    lie close, else one for each power of two, ``2**k`` to ``2**(k+1) - 1``."""
    if not counts:
        return ()
    counts = sorted(counts)
    least, most = counts[0][0], counts[-1][0]
    if len(counts) <= _SINGLE and most - least >= _LINEAR:
        return tuple(Bar(value, value, count) for value, count in counts)
    if most - least < _LINEAR:
        by_value = dict(counts)
        return tuple(Bar(value, value, by_value.get(value, 0)) for value in range(least, most + 1))
    sums: dict[int, int] = {}
    for value, count in counts:
        sums[value.bit_length()] = sums.get(value.bit_length(), 0) + count
    return tuple(
        Bar(1 << bits >> 1, max((1 << bits) - 1, 0), sums.get(bits, 0))
        for bits in range(min(sums), max(sums) + 1)
    )


def chart_height(chart: Histogram | Spans) -> float:
    """Pixels from its title to the space below it."""
    match chart:
        case Histogram():
            return CHART_HEIGHT if len(chart.counts) > 1 else _TOP + _ROW
        case Spans():
            return _TOP + len(chart.spans) * _ROW + _BOTTOM
        case _:
            assert_never(chart)


def draw_chart(parent: Element, chart: Histogram | Spans) -> None:
    """Draw into ``CHART_WIDTH`` × ``chart_height`` pixels from the origin of ``parent``."""
    match chart:
        case Histogram():
            _draw_histogram(parent, chart)
        case Spans():
            _draw_spans(parent, chart)
        case _:
            assert_never(chart)


def _draw_spans(parent: Element, chart: Spans) -> None:
    """A row a span, the axis logarithmic where values differ much."""
    _text(parent, 0, 12, chart.title, "plain")
    left = _NAMES
    bottom, right = chart_height(chart) - _BOTTOM, CHART_WIDTH - _RIGHT - 8
    most = max((span.most for span in chart.spans), default=1)
    logarithmic = most > _LINEAR

    def place(value: int) -> float:
        part = log10(max(value, 1)) / log10(most) if logarithmic else value / max(most, 1)
        return left + part * (right - left)

    for tick in _ticks(most, logarithmic):
        SubElement(parent, "path", {"d": f"M{place(tick):.1f},{_TOP:g}V{bottom:g}", "class": "grid"})
        _text(parent, place(tick), bottom + 14, _short(tick), "small", "middle")
    for row, span in enumerate(chart.spans):
        y = _TOP + (row + 0.5) * _ROW
        made = SubElement(parent, "g")
        SubElement(made, "title").text = printable(span.tooltip or span.text)
        _text(made, left - 8, y + 4, span.text, "", "end")
        stroke = STROKES[span.kind]
        line = {"d": f"M{place(span.least):.1f},{y:.1f}H{place(span.most):.1f}", "stroke": stroke.colour}
        SubElement(made, "path", {**line, "stroke-width": "3", "fill": "none"})
        for value in {span.least: 0, span.most: 0}:
            dot = {"cx": f"{place(value):.1f}", "cy": f"{y:.1f}", "r": "4", "stroke": stroke.colour}
            SubElement(made, "circle", {**dot, "fill": stroke.colour if stroke.filled else "#ffffff"})
    SubElement(parent, "path", {"d": f"M{left:g},{_TOP:g}V{bottom:g}H{right:g}", "class": "axis"})
    unit = chart.unit + (" (log)" if logarithmic else "")
    _text(parent, (left + right) / 2, bottom + 32, unit, "small", "middle")


def _draw_histogram(parent: Element, chart: Histogram) -> None:
    """The axis of counts is logarithmic where they differ much; it then begins at one half."""
    _text(parent, 0, 12, chart.title, "plain")
    if len(chart.counts) <= 1:
        _text(parent, 0, _TOP + 6, _always(chart), "small")
        return
    bars = bars_of(chart.counts)
    bottom, right = CHART_HEIGHT - _BOTTOM, CHART_WIDTH - _RIGHT
    most = max((bar.count for bar in bars), default=1) or 1
    logarithmic = most > _WIDE * min((bar.count for bar in bars if bar.count), default=1)

    def height(count: float) -> float:
        part = (log10(2 * count) / log10(2 * most) if count else 0.0) if logarithmic else count / most
        return part * (bottom - _TOP)

    for tick in _ticks(most, logarithmic):
        y = bottom - height(tick)
        SubElement(parent, "path", {"d": f"M{_LEFT:g},{y:.1f}H{right:g}", "class": "grid"})
        _text(parent, _LEFT - 5, y + 4, _short(tick), "small", "end")
    step = (right - _LEFT) / max(len(bars), 1)
    width = min(step * 0.8, 48.0)
    every = _label_step(bars, step)
    for index, bar in enumerate(bars):
        middle = _LEFT + (index + 0.5) * step
        made = SubElement(parent, "g")
        SubElement(made, "title").text = printable(
            f"{_counted(bar.text, chart.values)}: {_counted(f'{bar.count:,}', chart.unit)}"
        )
        box = {"x": f"{middle - width / 2:.1f}", "y": f"{bottom - height(bar.count):.1f}"}
        size = {"width": f"{width:.1f}", "height": f"{height(bar.count):.1f}"}
        SubElement(made, "rect", {**box, **size, "class": "bar"})
        if index % every == 0:
            _text(parent, middle, bottom + 14, _short(bar.least), "small", "middle")
    SubElement(parent, "path", {"d": f"M{_LEFT:g},{_TOP:g}V{bottom:g}H{right:g}", "class": "axis"})
    powers = any(bar.most > bar.least for bar in bars)
    values = f"{chart.values} (from this power of two to the next)" if powers else chart.values
    _text(parent, (_LEFT + right) / 2, bottom + 32, values, "small", "middle")
    turned = _text(parent, 0, 0, chart.unit + (" (log)" if logarithmic else ""), "small", "middle")
    turned.set("transform", f"translate(10 {(_TOP + bottom) / 2:.1f}) rotate(-90)")


def _always(chart: Histogram) -> str:
    """A chart with one value or none, in words."""
    if not chart.counts:
        return "none"
    value, count = chart.counts[0]
    return f"always {_counted(f'{value:,}', chart.values)} ({_counted(f'{count:,}', chart.unit)})"


def _counted(number: str, unit: str) -> str:
    """``1 round before``, ``2 rounds before``."""
    one = re.sub(r"s\b", "", unit, count=1)
    return f"{number} {one if number == '1' else unit}"


def _ticks(most: int, logarithmic: bool) -> list[int]:
    if logarithmic:
        powers = [10**power for power in range(len(str(most)))]
        return powers[:: 1 + len(powers) // 6]
    size = 10 ** (len(str(most)) - 1)
    step = next((s for s in (size // 5, size // 2, size, 2 * size) if s and most / s <= 5), 2 * size)
    return list(range(0, most + 1, step))


def _label_step(bars: Sequence[Bar], step: float) -> int:
    """Every how many bars there is room for the number below one."""
    widest = max((len(_short(bar.least)) for bar in bars), default=1) * 7.0 + 6
    return max(1, -int(-widest // step))


def _short(number: int) -> str:
    """A number in at most five characters: ``950``, ``4,096``, ``65k``, ``1.2M``."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= 10 * size:
            return f"{number // size:,}{unit}"
        if number >= size and unit != "k":
            return f"{number / size:.1f}{unit}"
    return f"{number:,}"


def _text(parent: Element, x: float, y: float, text: str, kind: str, anchor: str = "start") -> Element:
    made = SubElement(
        parent, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": kind, "text-anchor": anchor}
    )
    made.text = printable(text)
    return made
