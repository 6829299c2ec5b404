"""What the sites of each region touched, and whether they can meet: affine access functions.

The native walk fits a line to the addresses of each site while they go by (``native/affine.h``), after Ketterlin and
Clauss (2008), in the loops that the code has. What is recognised: an address that is a start plus constant strides
times the rounds of up to eight loops that are open around the site, in all functions that are open, where the start may
differ from one visit of a loop to the next, but the strides do not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import gcd
from typing import Any

import numpy.typing as npt

from burnish._native import Nest
from burnish.analyze.objects import Objects
from burnish.analyze.program import NONE, Program
from burnish.core.recording import Access
from burnish.core.superblocks import Range
from burnish.record.store import Recording

_STORES = (Access.STORE.value, Access.STRING_TARGET.value)
_MOST_TRIED = 64
_MOST_NAMES = 4


@dataclass(frozen=True, slots=True)
class _Fit:
    """What one context adds to the range of a site in a region: columns of the native fit by level. ``loops`` are the
    loops from the site to the region, None where they are not known; ``fitting`` levels of all lie on a line."""

    count: int
    least: int
    end: int
    size: int
    loops: tuple[int, ...] | None
    fitting: int = 0
    strides: tuple[int, ...] = ()
    bases: tuple[int, ...] = ()
    moved: tuple[int, ...] = ()
    most: tuple[int, ...] = ()
    met: tuple[int, ...] = ()


def ranges(recording: Recording, program: Program, nest: Nest) -> dict[int, tuple[Range, ...]]:
    """For each region that was entered and touched memory, one range for each site that ran in it, callees' included,
    by site. ``nest`` has walked through the recording. A site whose accesses came in several ways (other loops in
    between) has strides only where these are the same. Raises ``RecordingError`` for damage."""
    found = _fits(program, nest)
    objects = Objects(recording)
    objects.cluster((fit.least, fit.end) for fits in found.values() for fit in fits)
    names: dict[tuple[int, int], str] = {}
    regions: dict[int, list[Range]] = defaultdict(list)
    for (region, site), fits in sorted(found.items()):
        for fit in fits:
            if (fit.least, fit.end) not in names:
                names[fit.least, fit.end] = objects.name(fit.least, fit.end)
        own = list(dict.fromkeys(names[fit.least, fit.end] for fit in fits))
        name = ", ".join(own[:_MOST_NAMES] + ["…"] * (len(own) > _MOST_NAMES))
        store = program.sites[site]["access"] in _STORES
        regions[region].append(_range(site, store, name, fits))
    return {region: tuple(rows) for region, rows in regions.items()}


def _fits(program: Program, nest: Nest) -> dict[tuple[int, int], list[_Fit]]:
    """By region and site."""
    chains = _chains(program, nest)
    found: dict[tuple[int, int], list[_Fit]] = defaultdict(list)
    columns = nest.fits()
    sites: list[int] = columns["site"].tolist()
    contexts: list[int] = columns["context"].tolist()
    levels: list[int] = columns["levels"].tolist()
    for row, (site, context) in enumerate(zip(sites, contexts, strict=True)):
        fit = _fit(columns, row)
        for region, loops in chains[context]:
            known = loops if loops is None or len(loops) <= levels[row] else None
            found[region, site].append(replace(fit, loops=known))
    for site, region, count, least, end, size in nest.extents():
        found[region, site].append(_Fit(count, least, end, size, None))
    return found


def _fit(columns: Mapping[str, npt.NDArray[Any]], row: int) -> _Fit:
    size = len(columns["site"])

    def one(name: str) -> int:
        return int(columns[name][row])

    def levels(name: str) -> tuple[int, ...]:
        return tuple(columns[name].reshape(size, -1)[row].tolist())

    return _Fit(
        one("count"),
        one("least"),
        one("end"),
        one("size"),
        None,
        one("fitting"),
        levels("stride"),
        levels("base"),
        levels("moved"),
        levels("most"),
        levels("met"),
    )


def _chains(program: Program, nest: Nest) -> list[list[tuple[int, tuple[int, ...] | None]]]:
    """Of each context, all regions that are open in it, each with the loops from the inside to it, its own included;
    None where recursion hides them."""
    columns = nest.contexts()
    parents: list[int] = columns[0].tolist()
    regions: list[int] = columns[1].tolist()
    found: list[list[tuple[int, tuple[int, ...] | None]]] = []
    for context in range(len(parents)):
        chain: list[tuple[int, tuple[int, ...] | None]] = []
        loops: list[int] = []
        known = True
        while context:
            region = regions[context]
            if region == NONE:
                known = False
            else:
                if region < len(program.loops):
                    loops.append(region)
                chain.append((region, tuple(loops) if known else None))
            context = parents[context]
        found.append(chain)
    return found


def _range(site: int, store: bool, name: str, fits: list[_Fit]) -> Range:
    least, end = min(fit.least for fit in fits), max(fit.end for fit in fits)
    count, size = sum(fit.count for fit in fits), max(fit.size for fit in fits)
    first = fits[0]
    levels = len(first.loops or ())
    alike = all(
        fit.loops is not None
        and fit.loops == first.loops
        and fit.fitting >= levels
        and fit.strides[:levels] == first.strides[:levels]
        for fit in fits
    )
    if not alike:
        met = sum(sum(fit.met[: len(fit.loops or ())]) for fit in fits)
        return Range(site, store, size, name, least, end, count, fits=met)
    rounds = tuple(max(fit.most[k] for fit in fits) + 1 for k in range(levels))
    # Of loops further out only one context can tell.
    known = first.fitting if len(fits) == 1 else levels
    base = first.bases[known - 1] if known else least
    if known:
        fixed = all(not fit.moved[known - 1] and fit.bases[known - 1] == base for fit in fits)
    else:
        fixed = end - least == size
    return Range(
        site,
        store,
        size,
        name,
        least,
        end,
        count,
        first.strides[:levels],
        base,
        count,
        rounds,
        first.strides[levels:known],
        fixed,
    )


def never_meet(a: Range, b: Range) -> bool:
    """True if ``a`` and ``b``, of one loop and one recording, cannot touch the same byte in different rounds of one
    visit of the loop, in as many rounds of it and of the loops inside as were seen. False where that is not known.

    The tests are those of Banerjee (bounds) and of the greatest common divisor, for each distance in rounds that the
    bounds leave.
    """
    if a.end <= b.least or b.end <= a.least:
        return True
    if not a.strides or not b.strides:
        return False
    if a.site == b.site:
        apart = 0
    elif a.fixed and b.fixed and a.outer == b.outer:
        apart = a.base - b.base
    else:
        return False
    steps = [
        *zip(a.strides[:-1], a.rounds, strict=False),
        *((-s, n) for s, n in zip(b.strides[:-1], b.rounds, strict=False)),
    ]
    low, high = _bounds(steps)
    inner = gcd(*(stride for stride, _ in steps))
    # They meet where apart + (what the rounds add) lies strictly between -a.size and b.size.
    last = max(a.rounds[-1], b.rounds[-1]) - 1
    if a.strides[-1] == b.strides[-1]:
        return _apart_at_each(a.strides[-1], last, apart, (low, high), inner, (-a.size, b.size))
    own = [(a.strides[-1], a.rounds[-1]), (-b.strides[-1], b.rounds[-1])]
    more, most = _bounds(own)
    return not _meets(apart, (low + more, high + most), gcd(inner, *(s for s, _ in own)), (-a.size, b.size))


def _bounds(steps: list[tuple[int, int]]) -> tuple[int, int]:
    """Least and most of the sum of strides times rounds."""
    ends = [stride * (rounds - 1) for stride, rounds in steps]
    return sum(min(0, end) for end in ends), sum(max(0, end) for end in ends)


def _meets(apart: int, bounds: tuple[int, int], step: int, window: tuple[int, int]) -> bool:
    """Whether ``apart`` plus a multiple of ``step`` within ``bounds`` can lie strictly inside ``window``."""
    low, high = max(bounds[0], window[0] + 1 - apart), min(bounds[1], window[1] - 1 - apart)
    if low > high:
        return False
    return step == 0 or high // step * step >= low


def _apart_at_each(
    stride: int, last: int, apart: int, bounds: tuple[int, int], inner: int, window: tuple[int, int]
) -> bool:
    """Whether nothing meets at any distance of 1 … ``last`` rounds, either way, in a loop with that stride."""
    if last < 1:
        return True
    if not stride:
        return not _meets(apart, bounds, inner, window)
    stride = abs(stride)
    # Only distances d with apart + stride * d + (something within bounds) inside the window.
    first = max(-last, -((apart + bounds[1] - window[0] - 1) // stride))
    final = min(last, (window[1] - 1 - apart - bounds[0]) // stride)
    if final - first > _MOST_TRIED:
        return False
    tried = (d for d in range(first, final + 1) if d)
    return not any(_meets(apart + stride * d, bounds, inner, window) for d in tried)
