"""The callees of a pair that are stood for by stubs, and the memory that the stubs use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from burnish.core.code import Function, TailCall
from burnish.core.image import Access
from burnish.core.pcode import OpCode, Space
from burnish.runtime.batch import DEFAULT_RETURN_ADDRESS, Window
from burnish.verify.pair import ANY_FUNCTION, BY_ADDRESS, Callee, Side
from burnish.verify.trials.native import bodies_by_name
from burnish.verify.trials.stubs import (
    MOST_WATCHED,
    RESULT_WORDS,
    STUBS,
    WATCHED,
    assemble_stubs,
    stub_text,
)

_DEPTH = 1 << 20
_FAR_JUMP = b"\xff\x25\x00\x00\x00\x00"
"""A jump to the address that follows it."""
_MOST_BYTES = 1 << 14
"""Memory beyond that is not watched at calls, only at the end."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Stubs of callees, in order, as ``code`` for the address ``base``; ``addresses`` by name."""

    callees: tuple[Callee, ...] = ()
    code: bytes = field(default=b"", repr=False)
    addresses: dict[str, int] = field(default_factory=dict[str, int])
    base: int = STUBS

    @classmethod
    def of(
        cls,
        callees: Iterable[Callee],
        rsp: int,
        stack_bytes: int,
        back: int = DEFAULT_RETURN_ADDRESS,
        base: int = STUBS,
    ) -> Calls:
        """Stubs for what functions call that are entered with the stack pointer ``rsp``."""
        chosen = tuple(callees)
        if not chosen:
            return cls()
        dead = (rsp - _DEPTH, rsp + 8 + stack_bytes)
        texts = tuple(stub_text(callee, number, dead, back) for number, callee in enumerate(chosen))
        code, offsets = assemble_stubs(texts)
        names = (callee.name for callee in chosen)
        return cls(chosen, code, {name: base + at for name, at in zip(names, offsets, strict=True)}, base)

    @property
    def results_size(self) -> int:
        """Bytes of the words that the stubs return."""
        return 8 * RESULT_WORDS * len(self.callees)

    def windows(self, watched: Iterable[tuple[int, int]]) -> list[Window]:
        """Memory for the stubs that is the same for all inputs; ``watched`` are address and size of what callees
        might look at."""
        if not self.callees:
            return []
        runs = [(address, size // 8) for address, size in watched if 8 <= size <= _MOST_BYTES][:MOST_WATCHED]
        table = np.zeros(1 + 2 * MOST_WATCHED, np.uint64)
        table[0] = len(runs)
        for number, (address, words) in enumerate(runs):
            table[1 + 2 * number : 3 + 2 * number] = address, words
        stubs = Window(self.base, np.frombuffer(self.code, np.uint8), Access.READ | Access.EXECUTE)
        if self.base != STUBS:
            return [stubs]
        found = [stubs, Window(WATCHED, table.view(np.uint8), Access.READ)]
        address = self.addresses.get(BY_ADDRESS.name)
        if address is not None:
            code = np.frombuffer(_FAR_JUMP + address.to_bytes(8, "little"), np.uint8)
            found.append(Window(ANY_FUNCTION, code, Access.READ | Access.EXECUTE))
        return found


def stubbed(side: Side) -> list[Callee]:
    """The callees of a side of which the code is not known, in order of name."""
    bodies = bodies_by_name(side)
    found = {callee.name: callee for callee in side.callees.values() if callee.name not in bodies}
    if any(map(_calls_by_address, (side.function, *side.bodies.values()))):
        found[BY_ADDRESS.name] = BY_ADDRESS
    return [found[name] for name in sorted(found)]


def _calls_by_address(function: Function) -> bool:
    """True where it may call, or jump to, what an address leads to that is not known."""
    return any(
        (isinstance(block.terminator, TailCall) and block.terminator.target.space is not Space.RAM)
        or any(operation.opcode is OpCode.CALLIND for operation in block.operations)
        for block in function.blocks
    )
