"""Mutants of compiled functions that differ somewhere among many inputs differ on the few that are drawn."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median

import numpy as np

from burnish.core.code import Function
from burnish.core.specification import LiveOut, Specification
from burnish.images import control_flow
from burnish.machine.encoding import decode
from burnish.machine.registers import GPR_NAMES, INTEGER_ARGUMENTS
from burnish.runtime.isolation import RETURNING, Executor, Limits, StateBatch, Status, Window
from burnish.verify.pair import Pair, Side
from burnish.verify.trials import Bench, PreparedOriginal
from burnish.verify.trials.native import CannotRunError

EAX = Specification((LiveOut("rax", 4),), source="prototype")
STACK = 0x7000_0000_0000
STATES = 20_000
MUTANTS = 12

SOURCES = (
    "int f(int x, int y) { return (x & y) + ((x ^ y) >> 1); }",
    "int f(int x) { int s = x & -x, r = x + s; return r | (((x ^ r) >> 2) / (s | 1)); }",
    "int f(int x, int y, int z) { return x == y ? z - 1 : x < z ? y * 3 : y ^ z; }",
    "unsigned f(unsigned x) { x -= x >> 1 & 0x55555555; x = (x & 0x33333333) + (x >> 2 & 0x33333333);"
    "x = (x + (x >> 4)) & 0x0f0f0f0f; return (x * 0x01010101) >> 24; }",
    "int f(unsigned n) { int s = 0; for (unsigned i = 1; i < (n & 31); i++) s = s * 3 + (i ^ n); return s; }",
    "int f(int c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }",
)


def mutants(side: Side, source: random.Random) -> Iterator[Side]:
    """The side with one byte of one instruction changed, as often as that can be lifted."""
    while True:
        instruction = source.choice(side.function.instructions)
        at = instruction.address + source.randrange(instruction.size)
        segment = side.image.segment_at(at)
        assert segment is not None
        data = bytearray(segment.data)
        data[at - segment.address] ^= 1 << source.randrange(8)
        changed = bytes(data[instruction.address - segment.address :][: instruction.size])
        encoding = decode(changed)
        if encoding is None or encoding.size != instruction.size:
            continue
        segments = tuple(replace(s, data=bytes(data)) if s is segment else s for s in side.image.segments)
        image = replace(side.image, segments=segments)
        bounds = next(b for b in image.functions if b.address == side.function.address)
        function = control_flow(image, bounds)
        if isinstance(function, Function):
            yield replace(side, image=image, function=function)


def many_states() -> StateBatch:
    """Numbers of all sizes in the argument registers, made without the code under test."""
    source = np.random.default_rng(5)
    gpr = source.integers(0, 1 << 32, (STATES, 16), np.uint64)
    for name in INTEGER_ARGUMENTS:
        number = GPR_NAMES.index(name)
        gpr[:, number] >>= source.integers(0, 32, STATES, np.uint64)
        negative = source.random(STATES) < 0.3
        gpr[negative, number] = (~gpr[negative, number]) & np.uint64(0xFFFFFFFF)
    gpr[:, 4] = STACK + 2040
    return StateBatch(
        gpr,
        np.zeros((STATES, 16, 2), np.uint64),
        np.zeros(STATES, np.uint64),
        (Window(STACK, np.zeros(2048, np.uint8), observed=False),),
    )


def code_of(side: Side) -> bytes:
    data = side.image.read(side.function.address, side.function.size)
    assert data is not None
    return data


def differs(executor: Executor, original: Side, mutant: Side, states: StateBatch) -> bool:
    """True if one of many inputs has another result, or other registers that are to be kept."""
    one, two = (executor.run_batch(code_of(side), states, RETURNING) for side in (original, mutant))
    good = one.status == Status.FINISHED
    low = np.uint64(0xFFFFFFFF)
    kept = [3, 4, 5, 12, 13, 14, 15]
    unequal = ((one.gpr[:, 0] ^ two.gpr[:, 0]) & low != 0) | (one.gpr[:, kept] != two.gpr[:, kept]).any(
        axis=1
    )
    return bool((good & (unequal | (two.status != Status.FINISHED))).any())


def test_mutants_that_differ_are_told_apart(compiled: Callable[..., Pair], bench: Bench) -> None:
    source = random.Random(11)
    states = many_states()
    missed: list[str] = []
    seconds: list[float] = []
    killed = 0
    with Executor(Limits(execution_seconds=0.01, batch_seconds=0.2)) as executor:
        for text in SOURCES:
            pair = compiled(text, EAX, ("-O2", "-O0"))
            original = PreparedOriginal.prepare(pair.original, EAX, bench, count=512)
            assert original.test(pair.rewrite, bench).counterexample is None
            found = mutants(pair.original, source)
            for mutant in (next(found) for _ in range(MUTANTS)):
                if not differs(executor, pair.original, mutant, states):
                    continue
                began = time.perf_counter()
                try:
                    trials = original.test(mutant, bench)
                except CannotRunError:
                    continue
                seconds.append(time.perf_counter() - began)
                if trials.counterexample is None and not trials.reason:
                    missed.append(text)
                killed += trials.counterexample is not None
    assert killed >= 40
    assert len(missed) <= 1, missed
    assert median(seconds) < 0.2
