"""Runs one rewrite on the inputs of an original."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from signal import SIGILL, SIGSEGV

import numpy as np

from burnish.core.image import Access
from burnish.core.specification import Specification
from burnish.core.verdict import Counterexample
from burnish.runtime.batch import BatchResult, Placement, StateBatch, Status, Window
from burnish.runtime.isolation import RETURNING
from burnish.verify.pair import BY_ADDRESS, Side
from burnish.verify.trials.arena import Arena, objects_of
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.calls import Calls, stubbed
from burnish.verify.trials.draw import select
from burnish.verify.trials.drawn import take
from burnish.verify.trials.garbage import depends_on_garbage
from burnish.verify.trials.given import GivenInput
from burnish.verify.trials.moved import depends_on_place, moved_code
from burnish.verify.trials.native import CannotRunError, bodies_by_name, transplant
from burnish.verify.trials.outcome import View, calls_alike, differing, first_difference
from burnish.verify.trials.stubs import (
    LITTER,
    LITTER_SIZE,
    MORE_STUBS,
    REAL_NAMES,
    STUBS_BEGIN,
    STUBS_END,
    mark,
)

DEEPEST_STACK = 1 << 20
_MOST_UNSETTLED = 16
"""States on which a difference tells nothing, after which no more are looked at."""
_LARGE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What all rewrites of one original are run in. ``rsp`` is the stack pointer at entry and ``below`` the size of the
    window below it, the first of the states. ``constants`` are windows that are the same for all inputs."""

    side: Side
    specification: Specification
    arena: Arena
    calls: Calls
    rsp: int
    below: int
    constants: tuple[Window, ...] = field(repr=False)
    seed: int
    floats: bool
    placement: Placement = RETURNING
    source: str = "a drawn input"

    def more_calls(self, rewrite: Side) -> Calls:
        """Stubs for what a rewrite calls and the original does not: for what is done for real. Where the rest would lie
        nothing is mapped. Raises ``CannotRunError`` where only one side has the code of a callee."""
        theirs = stubbed(rewrite)
        one_sided = (bodies_by_name(self.side).keys() & {callee.name for callee in theirs}) | (
            bodies_by_name(rewrite).keys() & self.calls.addresses.keys()
        )
        if one_sided:
            raise CannotRunError(f"calls {min(one_sided)}, of which only one side has the code")
        more = [callee for callee in theirs if callee.name not in self.calls.addresses]
        dropped = [c.name for c in more if c.name not in REAL_NAMES and (c.pure or c.reads_only)]
        if dropped:
            raise CannotRunError(f"calls {dropped[0]}, which the original does not")
        named = [c.name for c in more if c.name not in REAL_NAMES and c is not BY_ADDRESS]
        if named and BY_ADDRESS.name in self.calls.addresses:
            # What the original calls by an address, which a test makes up, may be just that.
            raise CannotRunError(f"calls {named[0]}, which the original may call by its address")
        unread = [callee.name for callee in more if callee.name in _defined(rewrite)]
        if unread:
            raise CannotRunError(f"calls {unread[0]}, whose code cannot be read")
        real = [callee for callee in more if callee.name in REAL_NAMES]
        made = Calls.of(real, self.rsp, self.specification.stack_bytes, base=MORE_STUBS)
        nowhere = {callee.name: MORE_STUBS - 16 for callee in more if callee.name not in REAL_NAMES}
        return replace(made, addresses={**made.addresses, **nowhere})


def _defined(side: Side) -> set[str]:
    """The names of the callees whose code is in the file."""
    image = side.image
    return {
        callee.name
        for address, callee in side.callees.items()
        if address not in image.plt and address not in image.got and image.bounds_at(address) is not None
    }


def deepened(dead: Window, size: int) -> Window:
    """The window below the stack pointer with more bytes below. If it is large, all states share one content."""
    held = dead.contents
    if size > _LARGE and held.ndim == 2:
        held = held[0]
    more = np.full((*held.shape[:-1], size - dead.size), 0x5A, np.uint8)
    return Window(dead.end - size, np.concatenate((more, held), axis=-1), observed=False)


def deeper(result: BatchResult, rsp: int, below: int) -> int:
    """How much stack below ``rsp`` executions want that had ``below`` bytes of it and wanted more; 0 if none did, or if
    it is too much."""
    low = rsp - below
    if not (result.status == Status.FAULTED).any():
        return 0
    faults = result.address[(result.status == Status.FAULTED) & (result.number == SIGSEGV)]
    near = faults[(faults < low) & (faults >= max(low - DEEPEST_STACK, 0))]
    if not len(near) or below >= DEEPEST_STACK:
        return 0
    return min(DEEPEST_STACK, -(-2 * int(rsp - near.min()) // 64) * 64)


class Tester:
    """Runs one rewrite."""

    def __init__(self, setting: Setting, rewrite: Side, bench: Bench) -> None:
        """Raises ``CannotRunError``."""
        self._setting = setting
        self._bench = bench
        self._below = setting.below
        self._original: bytes | None = None
        self.unsettled = 0
        """States on which the rewrite does something else, as may be: the original does what garbage makes it do."""
        unread = _defined(setting.side) - REAL_NAMES
        self._unread = frozenset(mark(one) for one in setting.calls.callees if one.name in unread)
        """Callees that are stood for though the original's file has them: the rewrite may have them in line."""
        self._arena = setting.arena.with_objects(objects_of(rewrite))
        more = setting.more_calls(rewrite)
        self.native = transplant(
            rewrite,
            self._arena,
            {**more.addresses, **setting.calls.addresses},
            setting.placement.address,
        )
        """The code of the rewrite."""
        added = self._arena.writable[len(setting.arena.writable) :]
        self._added = [
            Window(self._arena.addresses[thing.name], np.arange(1, max(thing.size, 1) + 1).astype(np.uint8))
            for thing in added
        ]
        self._constants = [
            *setting.constants,
            *self._arena.constant_windows(setting.arena),
            *more.windows(()),
        ]
        if more.code and not setting.calls.callees:
            self._constants.append(Window(LITTER, np.full(LITTER_SIZE, 0x5A, np.uint8), Access.READ))

    def run(self, states: StateBatch, expected: BatchResult) -> Counterexample | None:
        """What differs on one of the states, or None."""
        while True:
            batch = self.whole(states)
            result = self._bench.run(self.native.data, batch, self._setting.placement)
            wanted = deeper(result, self._setting.rsp, self._below)
            if not wanted:
                break
            self._below = wanted
        view = View.of(
            self._setting.specification,
            batch,
            self._setting.rsp,
            self._below,
            floats=self._setting.floats,
        )
        suspects = differing(view, expected, result)
        known = len(expected.windows)
        if self._setting.specification.memory:
            for window, after in zip(self._added, result.windows[known:], strict=True):
                suspects |= (after != window.contents).any(axis=1)
        rows = np.flatnonzero(suspects).tolist()
        for number, row in enumerate(rows):
            if self.unsettled >= _MOST_UNSETTLED:
                self.unsettled += len(rows) - number
                break
            sentence = self._judge(view, batch, expected, result, row)
            if not sentence:
                continue
            alike = not self._unread or calls_alike(view, expected, result, row, self._unread)
            alike = alike and not self._runs_object(result, row) and not _copies_overlap(result, row)
            if alike and self._settles(states, expected, row):
                given = GivenInput.of_row(batch, row, self._arena.addresses, self._setting.source)
                side = self._setting.side
                return given.counterexample(side.name, side.function.address, (sentence,), self._setting.seed)
            self.unsettled += 1
        return None

    def _runs_object(self, result: BatchResult, row: int) -> bool:
        """True where the rewrite calls what lies at the address of an object that may be a function: no code is
        there."""
        rip = int(result.rip[row])
        if result.status[row] != Status.FAULTED or int(result.address[row]) != rip:
            return False
        return any(
            self._arena.addresses[thing.name] == rip
            and (thing.name.startswith("function ") or thing.size <= 1)
            for thing in (*self._arena.writable, *self._arena.constant)
        )

    def _settles(self, states: StateBatch, expected: BatchResult, row: int) -> bool:
        """False where what the original does on a state depends on what was left in registers and on the stack, or on
        where its code lies."""
        setting, chosen = self._setting, np.array([row])
        side, arena, stubs = setting.side, setting.arena, setting.calls.addresses
        if self._original is None:
            self._original = transplant(side, arena, stubs, setting.placement.address).data
        one = select(states, chosen)
        others = (
            setting.constants,
            setting.placement,
            take(expected, chosen),
            setting.specification,
            setting.rsp,
            self._bench,
        )
        if depends_on_garbage(self._original, one, *others):
            return False
        windows = (*one.windows, *setting.constants)
        moved = moved_code(side, arena, stubs, windows, setting.placement, len(self._original))
        return moved is None or not depends_on_place(moved, one, *others)

    def whole(self, states: StateBatch) -> StateBatch:
        """The states with all that the rewrite needs to run."""
        windows = (*states.windows, *self._added, *self._constants)
        if self._below != self._setting.below:
            windows = (deepened(states.windows[0], self._below), *windows[1:])
        return replace(states, windows=windows)

    def _judge(
        self, view: View, batch: StateBatch, expected: BatchResult, result: BatchResult, row: int
    ) -> str:
        """A sentence on what differs in a row; empty where nothing does that counts."""
        if result.status[row] == Status.TIMED_OUT:
            chosen = np.array([row])
            again = self._bench.run(
                self.native.data, select(batch, chosen), self._setting.placement, patiently=True
            )
            return first_difference(view, take(expected, chosen), again, 0)
        sentence = first_difference(view, expected, result, row)
        if sentence or result.status[row] != Status.FINISHED or not self._setting.specification.memory:
            return sentence
        known = len(expected.windows)
        for window, after in zip(self._added, result.windows[known:], strict=True):
            if (after[row] != window.contents).any():
                return f"The rewrite writes to memory at {window.address:#x} that the original does not refer to."
        return ""


def _copies_overlap(result: BatchResult, row: int) -> bool:
    """True where the rewrite gives ``memcpy`` objects that overlap, at which the stub stops: the library's own may do
    what is expected."""
    stopped = result.status[row] == Status.FAULTED and result.number[row] == SIGILL
    return bool(stopped) and STUBS_BEGIN <= int(result.rip[row]) < STUBS_END
