"""Runs of one function in the concrete domain, sampled where they pass a cut."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from burnish.core.code import Function, Label
from burnish.core.state import Finished, MachineState, Outcome
from burnish.domains.concrete import Call, ConcreteDomain, Memory, run
from burnish.domains.walker import Walker
from burnish.machine.registers import CELLS, GPR_NAMES, VECTOR_COUNT
from burnish.verify.loops.values import Visit

_SAMPLED = (*GPR_NAMES, *(f"xmm{k}" for k in range(VECTOR_COUNT)), "df")
_MASK = (1 << 64) - 1
MAX_VISITS = 400
"""A run with more visits than this is cut off, and tells nothing."""
_ENOUGH_VISITS, _FEWEST_RUNS = 320, 16


@dataclass(frozen=True, slots=True)
class Trace:
    """One finished run: its entry, every cut that it passed, its exit. ``slots`` are the parts of the frame that it
    accessed, as ``(offset from the entry stack pointer, size)``."""

    visits: tuple[Visit, ...]
    slots: frozenset[tuple[int, int]]


class _Watched(Memory):
    """Memory that notes what is touched of the frame, and how the rest differs from what it was."""

    def __init__(self, state: MachineState) -> None:
        super().__init__(state.memory)
        self._top = state.gpr[GPR_NAMES.index("rsp")]
        self._low = max(
            (region.address for region in state.memory if region.address <= self._top <= region.end),
            default=self._top,
        )
        self.slots: set[tuple[int, int]] = set()
        self.touched: set[int] = set()
        self._before: dict[int, int] = {}
        self._changed: dict[int, int] = {}

    def _note(self, address: int, size: int) -> bool:
        """True for an access to the frame: below the entry stack pointer, or the return address."""
        offset = address - self._top
        inside = self._low <= address < self._top + 8
        if inside:
            self.slots.add((offset, size))
            self.touched.update(range(offset, offset + size))
        return inside

    def load(self, address: int, size: int) -> int:
        value = super().load(address, size)
        self._note(address, size)
        return value

    def store(self, address: int, value: int, size: int) -> None:
        outside = not self._note(address, size)
        if outside:
            for k in range(size):
                where = address + k & _MASK
                self._before.setdefault(where, super().load(where, 1))
        super().store(address, value, size)
        if outside:
            for k in range(size):
                where, byte = address + k & _MASK, value >> 8 * k & 0xFF
                if byte == self._before[where]:
                    self._changed.pop(where, None)
                else:
                    self._changed[where] = byte

    def frame(self) -> dict[int, int]:
        """The bytes of the frame that were touched so far, by offset from the entry stack pointer."""
        return {offset: super(_Watched, self).load(self._top + offset, 1) for offset in self.touched}

    def outer(self) -> int:
        """A hash of how the rest of memory differs from what it was at entry; 0 where it does not."""
        return hash(frozenset(self._changed.items())) if self._changed else 0


class _Overlong(Exception):  # noqa: N818 - it carries no fault, only ends the run
    pass


def trace(
    function: Function,
    cuts: frozenset[Label],
    state: MachineState,
    *,
    max_steps: int = 20_000,
    call: Call | None = None,
) -> Trace | Outcome | None:
    """The run from ``state``; how it ended where that was not by a return; None where it passed too many cuts."""
    memory = _Watched(state)
    domain = ConcreteDomain(state)
    domain.memory = memory
    visits: list[Visit] = []
    path: list[Label] = []

    def note(where: Label | None, cells: Callable[[str], int]) -> None:
        values = {name: cells(name) for name in _SAMPLED}
        visits.append(Visit(where, values, memory.frame(), memory.outer(), tuple(path)))
        path.clear()
        if len(visits) > MAX_VISITS:
            raise _Overlong

    def on_block(label: Label, domain: ConcreteDomain, walker: Walker[int]) -> None:
        del domain

        def cell(name: str) -> int:
            return walker.read_cell(CELLS[name], 0, CELLS[name].size)

        if not visits:
            note(None, cell)
        if label in cuts:
            note(label, cell)
        path.append(label)

    try:
        outcome = run(function, state, max_steps, call=call, domain=domain, on_block=on_block)
    except _Overlong:
        return None
    if not isinstance(outcome, Finished):
        return outcome
    end = outcome.state
    values = dict(zip(GPR_NAMES, end.gpr, strict=True)) | {f"xmm{k}": end.xmm[k] for k in range(VECTOR_COUNT)}
    values["df"] = int(end.flags & 0x400 != 0)
    note(None, values.__getitem__)
    return Trace(tuple(visits), frozenset(memory.slots))


def both_traces(
    functions: tuple[Function, Function],
    cuts: tuple[frozenset[Label], frozenset[Label]],
    states: Sequence[MachineState],
    deadline: float,
) -> list[tuple[Trace, Trace]]:
    """Runs of two functions from the same states, of those from which both return; as many as are worth their time, and
    none that begins after ``deadline`` (on ``time.monotonic``)."""
    found: list[tuple[Trace, Trace]] = []
    visits = 0
    for state in states:
        if time.monotonic() > deadline or (visits > _ENOUGH_VISITS and len(found) >= _FEWEST_RUNS):
            break
        original = trace(functions[0], cuts[0], state)
        rewrite = trace(functions[1], cuts[1], state) if isinstance(original, Trace) else None
        if isinstance(original, Trace) and isinstance(rewrite, Trace):
            found.append((original, rewrite))
            visits += len(original.visits) + len(rewrite.visits)
    return found
