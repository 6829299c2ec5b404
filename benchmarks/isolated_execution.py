"""Claim: isolated execution runs at least 10^6 short executions a second on one core.

An execution is: all registers and memory set from the input, the code run, all registers and memory read back.
Elapsed time of whole calls from Python, so that copying and waking the child count. The median of several.

    python benchmarks/isolated_execution.py [--states N] [--repeat N]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np

from burnish.core.state import FLAGS_MASK, MachineState
from burnish.runtime.isolation import RETURNING, Executor, Placement, StateBatch, Status, Window

STACK = 0x7FFD_0000_0000
AVERAGE = bytes.fromhex("4889f94821f14831f748d1ef488d040fc3")
"""mov rcx, rdi; and rcx, rsi; xor rdi, rsi; shr rdi; lea rax, [rdi + rcx]; ret."""


def states(count: int, windows: tuple[Window, ...]) -> StateBatch:
    source = np.random.default_rng(1)
    gpr = source.integers(0, 1 << 64, (count, 16), np.uint64)
    gpr[:, 4] = STACK + 32
    xmm = source.integers(0, 1 << 64, (count, 16, 2), np.uint64)
    flags = source.integers(0, 1 << 12, count, np.uint64) & np.uint64(FLAGS_MASK)
    return StateBatch(gpr, xmm, flags, windows)


def rate(
    executor: Executor, code: bytes, batch: StateBatch, placement: Placement, repeat: int
) -> list[float]:
    """Executions a second, sample by sample, after one run to warm up."""
    rates: list[float] = []
    for _ in range(repeat + 1):
        start = time.perf_counter()
        result = executor.run_batch(code, batch, placement)
        rates.append(len(batch) / (time.perf_counter() - start))
        assert (result.status == Status.FINISHED).all()
        if placement.return_address is not None:
            total = batch.gpr[:, 7] & batch.gpr[:, 6]
            assert np.array_equal(
                result.gpr[:, 0], total + ((batch.gpr[:, 7] ^ batch.gpr[:, 6]) >> np.uint64(1))
            )
    return rates[1:]


def single_rate(executor: Executor, count: int) -> float:
    state = MachineState()
    start = time.perf_counter()
    for _ in range(count):
        executor.run(b"", state)
    return count / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--states", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=9)
    options = parser.parse_args()
    count: int = options.states
    stack = Window(STACK, np.zeros((count, 64), np.uint8))
    page = Window(STACK, np.zeros((count, 4096), np.uint8))
    cases = [
        ("registers only, no code", b"", (), Placement()),
        ("average(a, b) with 64 bytes of stack", AVERAGE, (stack,), RETURNING),
        ("average(a, b) with a page of stack", AVERAGE, (page,), RETURNING),
    ]
    print(f"{count} states, {options.repeat} samples, {os.cpu_count()} cores seen")
    print(f"{'case':40} {'median/s':>12} {'lowest/s':>12} {'highest/s':>12}")
    with Executor() as executor:
        for name, code, windows, placement in cases:
            rates = rate(executor, code, states(count, windows), placement, options.repeat)
            print(f"{name:40} {statistics.median(rates):12,.0f} {min(rates):12,.0f} {max(rates):12,.0f}")
        singles = [single_rate(executor, 500) for _ in range(options.repeat)]
        print(
            f"{'one state a call (not batched)':40} {statistics.median(singles):12,.0f} "
            f"{min(singles):12,.0f} {max(singles):12,.0f}"
        )


if __name__ == "__main__":
    main()
