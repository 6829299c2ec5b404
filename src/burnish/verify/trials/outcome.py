"""Compares what two executions of one input left behind, under a specification, for many inputs at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.core.specification import Specification
from burnish.core.state import Faulted, SystemCall, TimedOut
from burnish.machine.registers import CALLEE_SAVED, GPR_NAMES
from burnish.runtime.batch import BatchResult, StateBatch, Status
from burnish.verify.pair import Side
from burnish.verify.trials.shape import DIRECTION
from burnish.verify.trials.stubs import LEDGER

_MXCSR_CONTROL = 0xFFC0
_WORD = (1 << 64) - 1
_KEPT = tuple(GPR_NAMES.index(name) for name in (*CALLEE_SAVED, "rsp"))

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Dead:
    """Addresses ``low`` … ``high`` of the stack that are nobody's after the return: frames, return address,
    arguments."""

    low: int
    high: int

    def holds(self, address: int) -> bool:
        """True for an address in it."""
        return self.low <= address < self.high


@dataclass(frozen=True, slots=True)
class View:
    """What is compared: the specification, the dead stack, and the addresses of the windows of a result. ``floats``
    where the original computes with floating-point numbers: then any NaN is as good as another, since which of two
    operands' payloads is kept depends on their order."""

    specification: Specification
    dead: Dead
    addresses: tuple[int, ...]
    floats: bool = False

    @classmethod
    def of(
        cls, specification: Specification, states: StateBatch, rsp: int, depth: int, *, floats: bool
    ) -> View:
        """For results of ``states`` that begin with the stack pointer ``rsp`` and use ``depth`` bytes below it."""
        dead = Dead(rsp - depth, rsp + 8 + specification.stack_bytes)
        return cls(specification, dead, tuple(w.address for w in states.windows if w.is_result), floats)

    def is_nan_pair(self, left: int, right: int, size: int) -> bool:
        """True if two different values differ only in NaNs that need not be told apart."""
        return self.floats and all(
            a == b
            or (_is_nan(a, 11, 52) and _is_nan(b, 11, 52))
            or all(
                x == y or (_is_nan(x, 8, 23) and _is_nan(y, 8, 23))
                for x, y in ((a & 0xFFFFFFFF, b & 0xFFFFFFFF), (a >> 32, b >> 32))
            )
            for a, b in ((left >> at & _WORD, right >> at & _WORD) for at in range(0, 8 * size, 64))
        )


def computes_with_floats(side: Side) -> bool:
    """True where a function has floating-point operations."""
    return any(
        operation.opcode.name.startswith("FLOAT_")
        for block in side.function.blocks
        for operation in block.operations
    )


def _is_nan(value: int, exponent: int, fraction: int) -> bool:
    ones = (1 << exponent) - 1
    return value >> fraction & ones == ones and value & (1 << fraction) - 1 != 0


def differing(view: View, one: BatchResult, other: BatchResult, *, results_only: bool = False) -> Flags:
    """True for each row in which ``other`` may differ from ``one``, which has finished: exact, but for what
    ``first_difference`` excuses. With ``results_only`` registers that a function keeps are not compared."""
    compared = _compared(view.specification, results_only)
    found: Flags = np.bitwise_or.reduce((one.gpr ^ other.gpr) & compared, axis=1) != 0
    for part in view.specification.live_outs:
        if part.register.startswith("xmm"):
            found |= _vector_differs(int(part.register[3:]), part.size, one, other)
    found |= ((one.flags ^ other.flags) & np.uint64(DIRECTION)) != 0
    found |= ((one.mxcsr ^ other.mxcsr) & np.uint32(_MXCSR_CONTROL)) != 0
    if LEDGER in view.addresses:
        # After a call that does not return there are no results. (That both ended so is told by the ledger.)
        found &= _ledger(view, one)[:, 2] == 0
    found |= other.status != Status.FINISHED
    for address, mine, its in zip(view.addresses, one.windows, other.windows, strict=False):
        if view.specification.memory or address == LEDGER:
            first = _live_from(view, address, mine.shape[1])
            found |= _rows_differ(mine, its, first)
    return found


def _compared(specification: Specification, results_only: bool) -> NDArray[np.uint64]:
    """The bits of each general register that count."""
    masks = np.zeros(16, np.uint64)
    for part in specification.live_outs:
        if not part.register.startswith("xmm"):
            masks[GPR_NAMES.index(part.register)] |= _mask(part.size)
    if not results_only:
        masks[list(_KEPT)] = _WORD
    return masks


def calls_alike(view: View, one: BatchResult, other: BatchResult, row: int, marks: frozenset[int]) -> bool:
    """False where row ``row`` of ``one`` made one of the calls with these ``marks`` (``stubs.mark``), and ``other`` did
    not make the same calls in the same order: it may have that callee in line. As far as calls were noted."""
    if LEDGER not in view.addresses:
        return True
    mine, its = (_ledger(view, result)[row] for result in (one, other))
    count, noted = int(mine[0]), (len(mine) - 4) // 2
    first, second = (held[4 : 4 + 2 * count : 2] for held in (mine, its))
    if count <= noted and marks.isdisjoint(first.tolist()):
        return True
    return count == int(its[0]) <= noted and bool((first == second).all())


def _ledger(view: View, result: BatchResult) -> NDArray[np.uint64]:
    """What the stubs noted, a row for each state."""
    return result.windows[view.addresses.index(LEDGER)].view(np.uint64)


def _live_from(view: View, address: int, size: int) -> int:
    """Index of the first byte of a window that is not dead."""
    return min(max(view.dead.high - address, 0), size) if view.dead.holds(address) else 0


def _rows_differ(mine: NDArray[np.uint8], its: NDArray[np.uint8], first: int) -> Flags:
    """True where rows differ from byte ``first`` on."""
    size = mine.shape[1]
    if size % 8 == 0 and first % 8 == 0 and mine.flags.c_contiguous and its.flags.c_contiguous:
        words = (held.view(np.uint64)[:, first // 8 :] for held in (mine, its))
        return np.bitwise_or.reduce(np.bitwise_xor(*words), axis=1) != 0
    return (mine[:, first:] != its[:, first:]).any(axis=1)


def _vector_differs(number: int, size: int, one: BatchResult, other: BatchResult) -> Flags:
    changed = one.xmm[:, number] ^ other.xmm[:, number]
    low = (changed[:, 0] & _mask(min(size, 8))) != 0
    return low | ((changed[:, 1] & _mask(size - 8)) != 0) if size > 8 else low


def _mask(size: int) -> np.uint64:
    return np.uint64((1 << 8 * size) - 1)


def first_difference(view: View, one: BatchResult, other: BatchResult, row: int) -> str:
    """A sentence on the first thing in which row ``row`` of ``other`` differs from that of ``one``; empty where a
    caller may not rely on what differs: the payload of a NaN, or a pointer into the dead frame."""
    stop = other.stop(row)
    if stop is not None:
        return _stopped(stop)
    if LEDGER in view.addresses:
        mine, its = (_ledger(view, result)[row] for result in (one, other))
        if (mine != its).any():
            return _calls_difference(mine, its)
        if mine[2]:
            return _memory_difference(view, one, other, row)
    return _register_difference(view, one, other, row) or _memory_difference(view, one, other, row)


def _calls_difference(mine: NDArray[np.uint64], its: NDArray[np.uint64]) -> str:
    first, second = (held[4:].reshape(-1, 2) for held in (mine, its))
    count = min(int(mine[0]), int(its[0]), len(first))
    for number in range(count):
        if first[number, 0] != second[number, 0]:
            return f"Call number {number + 1} is of another function in the rewrite."
        if first[number, 1] != second[number, 1]:
            return f"Call number {number + 1} has other arguments, or finds other memory, in the rewrite."
    if mine[0] != its[0]:
        return f"The original makes {mine[0]} calls and the rewrite {its[0]}."
    return "A call has other arguments, or finds other memory, in the rewrite."


def _stopped(stop: Faulted | TimedOut | SystemCall) -> str:
    match stop:
        case Faulted(number, address, rip):
            where = f" of {address:#x}" if address and number in (7, 11) else ""
            at = f" at {rip:#x}" if rip else ""
            kind = {4: "an invalid instruction", 5: "a trap", 7: "a misaligned access", 8: "a division error"}
            return f"The rewrite stops by {kind.get(number, 'an invalid access')}{where}{at}, the original returns."
        case TimedOut():
            return "The rewrite does not return within the time limit, the original does."
        case SystemCall(number):
            return f"The rewrite makes system call {number}, the original returns."


def _register_difference(view: View, one: BatchResult, other: BatchResult, row: int) -> str:
    for part in view.specification.live_outs:
        mask = (1 << 8 * part.size) - 1
        mine, its = (_register(result, part.register, row) & mask for result in (one, other))
        vector = part.register.startswith("xmm")
        if mine != its and not (vector and view.is_nan_pair(mine, its, max(part.size, 8))):
            return _sentence(part.register, mine, its)
    for number in _KEPT:
        mine, its = int(one.gpr[row, number]), int(other.gpr[row, number])
        if mine != its:
            return _sentence(GPR_NAMES[number], mine, its)
    if (int(one.flags[row]) ^ int(other.flags[row])) & DIRECTION:
        return "The direction flag differs."
    mine, its = (int(result.mxcsr[row]) & _MXCSR_CONTROL for result in (one, other))
    return _sentence("MXCSR control", mine, its) if mine != its else ""


def _register(result: BatchResult, name: str, row: int) -> int:
    if name.startswith("xmm"):
        low, high = result.xmm[row, int(name[3:])].tolist()
        return low | high << 64
    return int(result.gpr[row, GPR_NAMES.index(name)])


def _sentence(what: str, mine: int, its: int) -> str:
    return f"{what} is {mine:#x} in the original and {its:#x} in the rewrite."


def _memory_difference(view: View, one: BatchResult, other: BatchResult, row: int) -> str:
    if not view.specification.memory:
        return ""
    for address, mine, its in _window_pairs(view.addresses, one, other, row):
        if address == LEDGER:
            continue
        first = _live_from(view, address, len(mine))
        for at in np.flatnonzero(mine[first:] != its[first:]).tolist():
            place = address + first + at
            word = (place & -8) - address
            size = min(8, len(mine) - word)
            left, right = (
                int.from_bytes(held[max(word, 0) : word + size].tobytes(), "little") for held in (mine, its)
            )
            if _in_frames(view.dead, mine, its, first + at):
                continue
            if word >= 0 and size == 8 and view.is_nan_pair(left, right, 8):
                continue
            return (
                f"The byte at {place:#x} is {int(mine[first + at]):#x} in the original and "
                f"{int(its[first + at]):#x} in the rewrite."
            )
    return ""


def _in_frames(dead: Dead, mine: NDArray[np.uint8], its: NDArray[np.uint8], at: int) -> bool:
    """True if the byte belongs to a word, aligned or not, that holds an address in the dead frame in both."""
    for start in range(max(at - 7, 0), min(at, len(mine) - 8) + 1):
        left, right = (int.from_bytes(held[start : start + 8].tobytes(), "little") for held in (mine, its))
        if dead.holds(left) and dead.holds(right):
            return True
    return False


def _window_pairs(
    addresses: Sequence[int], one: BatchResult, other: BatchResult, row: int
) -> list[tuple[int, NDArray[np.uint8], NDArray[np.uint8]]]:
    return [
        (address, mine[row], its[row])
        for address, mine, its in zip(addresses, one.windows, other.windows, strict=False)
    ]
