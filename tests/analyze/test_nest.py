"""The native walk against the definition of dependences, and loops against brute force. ``benchmarks/dependences.py``
does the same with many more programs."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish._native import Nest
from burnish.analyze.loop_forest import innermost, loop_forest
from burnish.analyze.nest import structure, walk
from burnish.analyze.program import Program, program_of
from burnish.core.structure import Between, Dependence, Hazard, Structure
from dependence_reference import nested_loops
from dependence_traces import MadeRecording, Rows, made_recording
from dependences import compared, nest_program, nest_records, recorded

MARK = 0xFFFF << 48
GAP = 0xFFFFFFFF
AT = 1 << 40


def graph(source: random.Random) -> dict[int, list[int]]:
    size = source.randint(1, 9)
    return {block: [source.randrange(size) for _ in range(source.randint(0, 3))] for block in range(size)}


def reachable(following: dict[int, list[int]], without: int | None = None) -> set[int]:
    seen: set[int] = set()
    work = [0]
    while work:
        block = work.pop()
        if block not in seen and block != without:
            seen.add(block)
            work += following[block]
    return seen


def natural_loops(following: dict[int, list[int]]) -> dict[int, set[int]] | None:
    """The loops of back edges to dominators, by header; None where there are other cycles. One block dominates another
    that cannot be reached without it."""
    blocks = reachable(following)
    dominated = {block: blocks - reachable(following, without=block) for block in blocks}
    loops: dict[int, set[int]] = {}
    forward: dict[int, list[int]] = {}
    for block in blocks:
        forward[block] = [target for target in following[block] if block not in dominated[target]]
        for header in set(following[block]) - set(forward[block]):
            body, work = loops.setdefault(header, {header}), [block]
            while work:
                member = work.pop()
                if member not in body:
                    body.add(member)
                    work += [b for b in blocks if member in following[b]]
    while ends := [b for b in forward if not any(target in forward for target in forward[b])]:
        for block in ends:
            del forward[block]
    return None if forward else loops


def test_loops_are_those_of_dominators_or_strongly_connected_parts() -> None:
    source = random.Random(1)
    reducible = 0
    for _ in range(600):
        following = graph(source)
        found = loop_forest(0, following)
        by_header = {loop.header: loop.blocks for loop in found}
        assert len(by_header) == len(found)
        assert by_header == nested_loops(0, following), following
        natural = natural_loops(following)
        if natural is not None:
            assert by_header == natural, following
            reducible += 1
        for index, loop in enumerate(found):
            around = [i for i, other in enumerate(found) if i != index and loop.blocks < other.blocks]
            assert loop.parent == (min(around, key=lambda i: len(found[i].blocks)) if around else None)
        inner = innermost(found)
        for block in reachable(following):
            own = [i for i, loop in enumerate(found) if block in loop.blocks]
            assert inner.get(block) == (min(own, key=lambda i: len(found[i].blocks)) if own else None)
    assert 100 < reducible < 590


def test_compiled_programs_have_the_dependences_of_the_definition(tmp_path: Path) -> None:
    found = compared(recorded(range(41, 47), tmp_path, ("O2",)), 6)
    assert not found.different
    assert min(found.dependences.values()) > 50


@pytest.mark.parametrize("part", range(4))
def test_random_traces_have_the_dependences_of_the_definition(part: int) -> None:
    for seed in range(7000 + 8 * part, 7008 + 8 * part):
        found = compared(made_recording(seed, threads=1 + seed % 2), 1)  # pyright: ignore[reportArgumentType]
        assert not found.different, seed


def test_a_trace_may_end_anywhere() -> None:
    for seed in range(7100, 7112):
        recording = made_recording(seed)
        words = recording.words[0]
        recording.words = [words[: len(words) * (seed % 7 + 1) // 8]]
        assert not compared(recording, 1).different, seed  # pyright: ignore[reportArgumentType]


def test_nothing_depends_on_what_was_before_a_gap() -> None:
    """Two traces with a gap between them are as two threads."""
    for seed in range(7200, 7208):
        recording = made_recording(seed, threads=2)
        apart, both = walked(recording), walked(joined(recording, [MARK | GAP]))
        assert both.gaps == 1
        assert both.dependences == apart.dependences, seed
        assert [replace(r, other_rounds=0) for r in both.regions] == [
            replace(r, other_rounds=0) for r in apart.regions
        ]


def joined(recording: MadeRecording, between: Sequence[int]) -> MadeRecording:
    first, second = recording.words
    words = [np.concatenate([first, np.array(between, np.uint64), second])]
    return MadeRecording(recording.functions, recording.blocks, recording.edges, recording.sites, words)


def walked(recording: MadeRecording, gibibytes: float = 1.0) -> Structure:
    stands_in: Any = recording
    program = program_of(stands_in)
    return structure(stands_in, program, walk(stands_in, program, gibibytes=gibibytes))


def test_a_gap_within_calls_leaves_what_follows_right() -> None:
    recording = made_recording(7300)
    words = recording.words[0]
    whole = {(d.hazard, d.between, d.source, d.sink, d.region) for d in walked(recording).dependences}
    for cut in range(1, len(words), 23):
        recording.words = [np.concatenate([words[:cut], np.array([MARK | GAP], np.uint64), words[cut:]])]
        found = walked(recording)
        assert found.gaps == 1 and found.blocks == np.count_nonzero(words >> np.uint64(48) == 0xFFFF)
        # What was open before the gap is not known behind it: regions further in may be named.
        pairs = {(d.hazard, d.source, d.sink) for d in found.dependences}
        assert pairs <= {(hazard, source, sink) for hazard, _, source, sink, _ in whole}


def one_function(items: str, following: dict[int, tuple[int, ...]] | None = None) -> Program:
    """A function of one block (or more, without accesses), with loads and stores of eight bytes: ``"lss"`` are sites
    1, 2 and 3; ``t``, ``f`` and ``n`` those of a string instruction."""
    kinds = {"l": "load", "s": "store", "t": "string target", "f": "string source", "n": "string bytes"}
    following = following or {0: ()}
    rows = {
        n: {
            "block": n,
            "function": 0,
            "address": n,
            "instructions": 1,
            "ending": "branch" if after else "return",
        }
        for n, after in following.items()
    }
    sites = {
        number: {
            "site": number,
            "block": 0,
            "address": 0,
            "access": kinds[item],
            "size": 8 if item in "ls" else 0,
        }
        for number, item in enumerate(items, 1)
    }
    return Program(rows, {0: {"function": 0}}, sites, {0: 0}, following, {}, {}, (), {}, {})


def nest_of(program: Program, *threads: Sequence[int], pages: int = 1 << 16) -> Nest:
    nest = Nest(program.native(), [], 64, 64, 64, pages)
    for words in threads:
        nest.begin_thread()
        nest.records(np.array(words, np.uint64))
    nest.finish()
    return nest


def pairs(nest: Nest) -> list[tuple[int, int, int]]:
    columns = nest.dependences()
    return sorted(zip(*(columns[name].tolist() for name in ("kind", "source", "sink")), strict=True))


def test_string_instructions_read_and_write_all_their_bytes() -> None:
    program = one_function("stfnl")
    words = [MARK, 1 << 48 | AT + 60, 2 << 48 | AT + 100, 3 << 48 | AT, 4 << 48 | 64, 5 << 48 | AT + 160]
    # The store reaches into the last four bytes read; the load lies behind the 64 written in its last four.
    assert pairs(nest_of(program, words)) == [(Hazard.RAW, 1, 3), (Hazard.RAW, 2, 5)]
    words[4] = 4 << 48 | 60
    assert pairs(nest_of(program, words)) == []
    words[4] = 4 << 48  # no byte at all
    assert pairs(nest_of(program, words)) == []


def test_threads_are_apart() -> None:
    program = one_function("sl")
    words = [MARK, 1 << 48 | AT, 2 << 48 | AT]
    assert pairs(nest_of(program, words[:2], words[::2])) == []
    assert pairs(nest_of(program, words, words)) == [(Hazard.RAW, 1, 2)]


def test_accesses_beyond_the_memory_that_is_allowed_are_counted() -> None:
    program = one_function("sl")
    words = [MARK, *(1 << 48 | AT + 4096 * page for page in range(5))]
    nest = nest_of(program, words, pages=3)
    assert nest.left_out == 2
    recording = made_recording(7000)
    assert walked(recording, gibibytes=0).left_out == 0  # one page is always kept


def test_trip_counts_rounds_and_paths_of_a_regular_nest() -> None:
    program, rounds = nest_program(), 100
    nest = Nest(program.native(), [], 64, 64, 200_000, 1 << 16)
    nest.begin_thread()
    nest.records(nest_records(30_600))
    nest.finish()
    found = structure(_without_tables(), program, nest)
    outer, middle, inner, function = found.regions
    assert outer.trips.counts == ((3, 1),)
    assert middle.trips.counts == ((rounds, 3),)
    assert inner.trips.counts == ((rounds, 3 * rounds),)
    assert [(path.items, path.count) for path in inner.paths] == [((3,), 3 * rounds * rounds)]
    assert [(path.items, path.count) for path in middle.paths] == [((2, ~2, 4), 3 * rounds)]
    assert [(path.items, path.count) for path in function.paths] == [((0, ~0, 6), 1)]
    assert (inner.loads, inner.stores) == (6 * rounds * rounds, 0)
    assert (middle.loads, middle.stores) == (6 * rounds * rounds, 3 * rounds)
    assert (function.loads, function.stores) == (outer.loads, outer.stores) == (60_003, 300)
    assert found.dependences == () and outer.conflicts == 0


def _without_tables() -> Any:
    return MadeRecording(Rows([]), Rows([]), Rows([]), Rows([]), [])


def test_overlapping_accesses_meet_byte_by_byte() -> None:
    recording = made_recording(7400)
    assert recording.words
    program = one_function("sls")
    program.sites[2]["size"] = 4  # pyright: ignore[reportIndexIssue]
    first, last = 1 << 48 | AT, 3 << 48 | AT + 12
    for offset in range(-4, 20):
        words = [MARK, first, last, MARK, 2 << 48 | AT + offset]
        wanted = {1} if -4 < offset < 8 else set[int]()
        wanted |= {3} if 8 < offset < 20 else set[int]()
        assert {source for kind, source, _ in pairs(nest_of(program, words)) if kind == Hazard.RAW} == wanted


def test_deep_recursion_takes_time_in_proportion() -> None:
    """Each call reads one place, calls itself, and reads it again; the outermost one writes it in the end."""
    depth = 40_000
    program = one_function("lls")
    program = replace(program, calls={0: 1})
    words = [word for _ in range(depth) for word in (MARK, 1 << 48 | AT)]
    words += [2 << 48 | AT] * depth + [3 << 48 | AT]
    began = time.process_time()
    nest = nest_of(program, words)
    assert time.process_time() - began < 5
    own = Dependence(Hazard.WAR, Between.CALL_TO_OWN, 1, 3, 0, 0, 0, 1, 1)
    found = {d for d in structure(_without_tables(), program, nest).dependences if d.region is not None}
    assert own in found
    assert all((d.least, d.most, d.count) == (0, 0, 1) for d in found)
