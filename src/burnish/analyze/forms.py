"""The order in which a region's blocks ran, as nested repetitions: control flow that depends on data becomes a set of
paths, and a number of rounds that differs a range, so that what is around them still folds."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from burnish.analyze.factorise import exact_form, stream_form
from burnish.core.structure import Region, Structure

_PATHS = 3
"""Of a region that are written out."""
_DEPTH = 8
_EXACT = 512
_ITEMS = 4096


def forms(structure: Structure) -> dict[int, str]:
    """The form of each region: ``b7`` is a block, ``(b2 b3)100`` a loop that always has 100 rounds, ``(b2 b3)1..9``
    one that has one to nine; paths of one round stand between bars, the most frequent first, ``...`` for others. A
    call of a function that is recorded is its number, as ``f3``."""
    regions = {region.number: region for region in structure.regions}
    found: dict[int, str] = {}
    for number in sorted(regions, reverse=True):
        _form(number, regions, found, 0)
    return found


def _form(number: int, regions: Mapping[int, Region], found: dict[int, str], depth: int) -> str:
    if number in found:
        return found[number]
    region = regions[number]
    shown = [_path(path.items, regions, found, depth) for path in region.paths[:_PATHS]]
    body = "|".join(dict.fromkeys(shown))
    if len(region.paths) > _PATHS or (region.other_rounds and not shown):
        body += "|..."
    if region.header is None:
        text = body
    else:
        counts = region.trips.counts
        least, most = (counts[0][0], counts[-1][0]) if counts else (0, 0)
        text = f"({body}){least}" if least == most else f"({body}){least}..{most}"
    if depth == 0:
        found[number] = text
    return text


def _path(items: tuple[int, ...], regions: Mapping[int, Region], found: dict[int, str], depth: int) -> str:
    """One round: its items factorised, and loops in it written out."""
    if not items:
        return ""
    kept = items[:_ITEMS]
    names = list(dict.fromkeys(kept))
    symbols = np.array([names.index(item) for item in kept], np.uint32)
    form = exact_form(symbols, len(names)) if len(kept) <= _EXACT else stream_form([symbols], len(names))
    text = form.text([f"b{item}" if item >= 0 else f"r{~item}" for item in names], " ")
    if len(items) > _ITEMS:
        text += " ..."

    def written(match: re.Match[str]) -> str:
        number = int(match.group(1))
        inner = regions.get(number)
        if inner is None or inner.header is None or depth >= _DEPTH:
            return f"f{inner.function}" if inner is not None and inner.header is None else match.group()
        return _form(number, regions, found, depth + 1)

    return re.sub(r"\br(\d+)\b", written, text)
