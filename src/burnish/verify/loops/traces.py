"""Runs of one function in the concrete domain, sampled where they pass a cut."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf

from burnish.core.code import Function, Label
from burnish.core.pcode import OpCode, Operation
from burnish.core.state import Finished
from burnish.domains.concrete import ConcreteDomain, run
from burnish.domains.integers import compute
from burnish.domains.walker import Walker
from burnish.machine.registers import CELLS, GPR_NAMES, VECTOR_COUNT
from burnish.verify.engine.addresses import OBJECT
from burnish.verify.engine.execute import RED_ZONE
from burnish.verify.loops.called import Calls, StoppedError
from burnish.verify.loops.placed import Placed
from burnish.verify.loops.surroundings import FilledMemory, Start, Surroundings, addresses_of, telling
from burnish.verify.loops.values import Visit
from burnish.verify.pair import Pair, Shared, Side

_SAMPLED = (*GPR_NAMES, *(f"xmm{k}" for k in range(VECTOR_COUNT)), "df")
_MASK = (1 << 64) - 1
MAX_VISITS = 400
"""A run with more visits than this is cut off, and tells nothing."""
_ENOUGH_VISITS, _FEWEST_RUNS, _FEWEST_PASSING, _FEWEST_AGAIN = 320, 16, 8, 3
"""Visits in all, runs, and runs that pass each cut, and do so several times, after which no more is learnt."""
_FEW_RUNS = 3


@dataclass(frozen=True, slots=True)
class Trace:
    """One finished run: its entry, every cut that it passed, its exit. ``slots`` are the parts of the frame that it
    accessed, as ``(offset from the entry stack pointer, size)``."""

    visits: tuple[Visit, ...]
    slots: frozenset[tuple[int, int]]


class _Watched(FilledMemory):
    """Memory that notes what is touched of the frame, and how the rest differs from what it was."""

    def __init__(self, surroundings: Surroundings, side: Side, number: int) -> None:
        super().__init__(surroundings, side, number)
        self.slots: set[tuple[int, int]] = set()
        self._frame: dict[int, int] = {}
        self._before: dict[int, int] = {}
        self._changed: dict[int, int] = {}

    def load(self, address: int, size: int) -> int:
        value = super().load(address, size)
        self._note(address, value, size)
        return value

    def store(self, address: int, value: int, size: int) -> None:
        outside = not self._note(address, value, size)
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

    def _note(self, address: int, value: int, size: int) -> bool:
        """True for an access to the frame: below the entry stack pointer, or the return address."""
        offset = address - self.top
        inside = self.in_frame(address) or 0 <= offset < 8
        if inside:
            self.slots.add((offset, size))
            self._frame.update((offset + k, value >> 8 * k & 0xFF) for k in range(size))
        return inside

    def frame(self, pointer: int) -> dict[int, int]:
        """The bytes of the frame that were touched so far, by offset from the entry stack pointer; none that are dead
        where the stack pointer is ``pointer``."""
        low = pointer - self.top - RED_ZONE
        return {offset: byte for offset, byte in self._frame.items() if offset >= low}

    def outer(self) -> int:
        """A hash of how the rest of memory differs from what it was at entry; 0 where it does not."""
        return hash(frozenset(self._changed.items())) if self._changed else 0


class _Learner(ConcreteDomain):
    """The concrete domain where the image's addresses stand for what ``surroundings`` says."""

    def __init__(self, side: Side, surroundings: Surroundings, memory: _Watched) -> None:
        super().__init__(replace(surroundings.start.state, memory=()))
        self.memory = memory
        self._addresses, self._words = addresses_of(side, surroundings)

    def apply(self, operation: Operation, arguments: Sequence[int]) -> int:
        if operation.opcode is OpCode.ADDRESS:
            return self._addresses.get(arguments[0], arguments[0])
        return compute(operation, arguments)

    def load(self, address: int, size: int) -> int:
        if size == 8 and address in self._words:
            return self._words[address]
        return self.memory.load(self._addresses.get(address, address), size)

    def store(self, address: int, value: int, size: int) -> None:
        self.memory.store(self._addresses.get(address, address), value, size)


def trace(
    side: Side,
    function: Function,
    cuts: frozenset[Label],
    surroundings: Surroundings,
    number: int,
    *,
    names: Iterable[str] = (),
    shared: Shared = (),
    max_steps: int = 20_000,
    deadline: float = inf,
) -> Trace | None:
    """The run of one side, as ``function``; None where it does not end soon, or before ``deadline`` (on
    ``time.monotonic``). ``number`` is 0 for the original, 1 for the rewrite; ``names`` are those of objects whose
    addresses are noted, ``shared`` the locals that both sides have in common."""
    memory = _Watched(surroundings, side, number)
    calls = Calls(side, surroundings, memory, number, locals_ := Placed(shared, surroundings, number))
    visits: list[Visit] = []
    path: list[Label] = []
    placed = {OBJECT + name: surroundings.address_of(name) for name in names} | locals_.names

    def note(where: Label | None, walker: Walker[int]) -> None:
        if len(visits) > MAX_VISITS:
            raise StoppedError(overlong=True)
        values = {name: walker.read_cell(CELLS[name], 0, CELLS[name].size) for name in _SAMPLED}
        if not visits:
            values |= placed
        outer = hash((memory.outer(), calls.ledger))
        frame = locals_.frame(memory.frame(values["rsp"]))
        visits.append(Visit(where, locals_.registers(values), frame, outer, tuple(path)))
        path.clear()

    last: list[Walker[int]] = []

    def on_block(label: Label, domain: ConcreteDomain, walker: Walker[int]) -> None:
        del domain
        if time.monotonic() > deadline:
            raise StoppedError(overlong=True)
        if not visits:
            last.append(walker)
            note(None, walker)
        if label in cuts:
            note(label, walker)
        path.append(label)

    domain = _Learner(side, surroundings, memory)
    state = surroundings.start.state
    try:
        outcome = run(function, state, max_steps, call=calls, domain=domain, on_block=on_block)
        if not isinstance(outcome, Finished):
            return None
    except StoppedError as stopped:
        if stopped.overlong:
            return None
    except (KeyError, ValueError):  # a jump to nowhere, or an operation without a meaning
        return None
    if len(visits) > MAX_VISITS:
        return None
    note(None, last[0])
    return Trace(tuple(visits), frozenset(memory.slots))


def object_names(pair: Pair) -> tuple[str, ...]:
    """The objects that either side refers to."""
    tables = (table for side in (pair.original, pair.rewrite) for table in (side.places, side.slots))
    return tuple(dict.fromkeys(place.data.name for table in tables for place in table.values()))


def both_traces(
    pair: Pair,
    functions: tuple[Function, Function],
    cuts: tuple[frozenset[Label], frozenset[Label]],
    starts: Iterable[Start],
    objects: Mapping[str, int],
    deadline: float,
    hopeless: float,
) -> list[tuple[Trace, Trace]]:
    """Runs of both sides, as ``functions``, from the same starts, of those from which both end; as many as are worth
    their time. None begins after ``deadline`` but where there are hardly any, and all end by ``hopeless`` (both on
    ``time.monotonic``). ``objects`` is as for ``Surroundings``."""
    found: list[tuple[Trace, Trace]] = []
    visits: Counter[Label | None] = Counter()
    names = object_names(pair)
    sides = pair.original, pair.rewrite
    numbers = telling(sides)
    heads = [*cuts[0], *cuts[1]]
    runs: Counter[Label | None] = Counter()
    again: Counter[Label | None] = Counter()
    for start in starts:
        now = time.monotonic()
        if now > hopeless or (now > deadline and len(found) >= _FEW_RUNS):
            break
        covered = all(runs[head] >= _FEWEST_PASSING and again[head] >= _FEWEST_AGAIN for head in heads)
        if covered and visits.total() > _ENOUGH_VISITS and len(found) >= _FEWEST_RUNS:
            break
        surroundings = Surroundings(start, objects, numbers)
        first, second = (
            partial(trace, side, function, cut, surroundings, number)
            for number, (side, function, cut) in enumerate(zip(sides, functions, cuts, strict=True))
        )
        original = first(names=names, shared=pair.shared, deadline=hopeless)
        if original is None:
            continue
        rewrite = second(names=names, shared=pair.shared, deadline=hopeless)
        if rewrite is not None:
            found.append((original, rewrite))
            passed = [visit.where for side in (original, rewrite) for visit in side.visits]
            visits.update(passed)
            runs.update(set(passed))
            again.update(where for where, times in Counter(passed).items() if times > 2)
    return found
