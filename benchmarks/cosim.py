"""Co-simulation: instruction forms, states to run them on, and what the processor makes of them.

``forms`` finds the forms of an image (``cosim_forms``), ``states`` makes states for an example (``cosim_states``),
``expected`` runs the example on the processor in isolation, and ``disagreements`` compares that with any other meaning
of the instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from burnish.core.state import Faulted, Finished, MachineState, MemoryRegion, Outcome, SystemCall, TimedOut
from burnish.domains.concrete import FLAG_BITS
from burnish.machine.flags import undefined_flags
from burnish.runtime.isolation import BatchResult, Executor, Placement, StateBatch
from cosim_forms import (
    CODE,
    DATA,
    STACK,
    WINDOW,
    Example,
    Form,
    forms,
    forms_of,
    sweep,
    sweep_immediates,
    sweep_vex,
    testable,
)
from cosim_states import states


def expected(executor: Executor, example: Example, batch: StateBatch) -> BatchResult:
    """What the processor makes of the states."""
    return executor.run_batch(example.code, batch, Placement(address=CODE))


def state_of(batch: StateBatch, index: int) -> MachineState:
    """One state of a batch."""
    xmm = tuple(int(low) | int(high) << 64 for low, high in batch.xmm[index])
    memory = tuple(MemoryRegion(w.address, w.contents[index].tobytes()) for w in batch.windows)
    gpr = tuple(int(value) for value in batch.gpr[index])
    return MachineState(gpr, xmm, int(batch.flags[index]), memory=memory, fs_base=batch.fs_base)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A state on which a meaning and the processor differ."""

    example: Example
    index: int
    text: str

    def __str__(self) -> str:
        return f"{self.example.text} ({self.example.raw.hex(' ')}), state {self.index}: {self.text}"


Meaning = Callable[[Example, MachineState], Outcome]


def disagreements(
    example: Example, batch: StateBatch, result: BatchResult, meaning: Meaning, *, nan_payloads: bool = True
) -> list[Disagreement]:
    """Where ``meaning`` and the processor differ in a register, a defined flag, memory, or how execution ended.
    Without ``nan_payloads`` any two NaNs in a lane of a vector register are alike."""
    found: list[Disagreement] = []
    for index in range(len(batch)):
        state = state_of(batch, index)
        text = _difference(example, state, result, index, meaning(example, state), nan_payloads)
        if text:
            found.append(Disagreement(example, index, text))
    return found


def _difference(
    example: Example, before: MachineState, result: BatchResult, index: int, got: Outcome, nan_payloads: bool
) -> str:
    stop = result.stop(index)
    match got:
        case Finished(after):
            if stop is not None:
                return f"the processor stopped: {stop}"
            return states_differ(example, before, after, result, index, nan_payloads)
        case Faulted():
            same = isinstance(stop, Faulted) and (stop.signal, stop.address) == (got.signal, got.address)
            return "" if same else f"{got}, the processor: {stop or 'finished'}"
        case TimedOut() | SystemCall():
            return f"{got}, the processor: {stop or 'finished'}"


def states_differ(
    example: Example,
    before: MachineState,
    after: MachineState,
    result: BatchResult,
    index: int,
    nan_payloads: bool,
) -> str:
    wrong: list[str] = []
    for number in range(16):
        want = int(result.gpr[index, number])
        if (want ^ after.gpr[number]) & _defined_bits(example, after, number):
            wrong.append(f"gpr {number}: {after.gpr[number]:#x}, processor {want:#x}")
    for number in range(16):
        low, high = (int(half) for half in result.xmm[index, number])
        want = low | high << 64
        if want != after.xmm[number] and (nan_payloads or not _alike(want, after.xmm[number])):
            wrong.append(f"xmm{number}: {after.xmm[number]:#034x}, processor {want:#034x}")
    undefined = undefined_flags(example.raw, before.gpr[1] & 0xFF)
    for name, bit in FLAG_BITS.items():
        if name not in undefined and (after.flags ^ int(result.flags[index])) & bit:
            wrong.append(f"{name}: {int(after.flags & bit != 0)}")
    for region, now in zip(after.memory, result.windows, strict=True):
        if region.data != now[index].tobytes():
            at = next(k for k in range(WINDOW) if region.data[k] != now[index][k])
            wrong.append(f"memory at {region.address + at:#x}")
    return "; ".join(wrong)


def _defined_bits(example: Example, after: MachineState, number: int) -> int:
    """All, but the upper half of what a 32-bit BSF or BSR of zero leaves alone: processors differ there."""
    encoding = example.encoding
    scan = encoding.map == 1 and encoding.opcode in (0xBC, 0xBD) and encoding.mandatory != 0xF3
    if scan and encoding.operand_size == 4 and number == encoding.reg and after.flags & FLAG_BITS["zf"]:
        return 0xFFFF_FFFF
    return 0xFFFF_FFFF_FFFF_FFFF


def _alike(a: int, b: int) -> bool:
    """True where two vectors differ only in the payloads and signs of NaNs, as doubles or as floats."""
    for lane, exponent in ((8, 0x7FF0000000000000), (4, 0x7F800000)):
        bits = 8 * lane
        pairs = [
            (a >> bits * k & (1 << bits) - 1, b >> bits * k & (1 << bits) - 1) for k in range(16 // lane)
        ]
        magnitude = (1 << bits - 1) - 1
        if all(x == y or (x & magnitude > exponent and y & magnitude > exponent) for x, y in pairs):
            return True
    return False


__all__ = [
    "CODE", "DATA", "STACK", "WINDOW", "Disagreement", "Example", "Form", "disagreements", "expected", "forms",
    "forms_of", "state_of", "states", "states_differ", "sweep", "sweep_immediates", "sweep_vex",
    "testable",
]  # fmt: skip
