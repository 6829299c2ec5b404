"""Calls of the C library's memory and string functions as what they do, where that is little.

A compiler puts a copy of a known, small size in place of ``memcpy``, and a comparison of a few bytes in place of
``strcmp`` with a constant; or the other way round. What these functions do is written down (ISO C, 7.24): so a call of
one is executed here as if its code stood in line, over bytes. What is left open stays open: the value of a result of
which only the sign is said is a function of all that may decide it. Of the original it is taken for granted that it
copies no objects that overlap, which the verdict says; the rewrite has to show it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from burnish.domains.smt.build import (
    FALSE,
    add,
    and_,
    apply,
    concat,
    const,
    eq,
    extract,
    ite,
    ne,
    or_,
    sub,
    ult,
)
from burnish.domains.smt.terms import Term
from burnish.verify.engine.addresses import (
    ENTRY_RSP,
    LOCAL_BASES,
    Frame,
    Named,
    Outer,
    Target,
    UndecidedAccessError,
    target,
)
from burnish.verify.engine.cells import join_bytes
from burnish.verify.engine.compare import after_call
from burnish.verify.engine.execute import Interpreter, Log
from burnish.verify.engine.points import AtCall
from burnish.verify.engine.pure import computed, is_computation, is_framed
from burnish.verify.engine.repeat import fixed_count
from burnish.verify.engine.state import State
from burnish.verify.pair import Callee, Side

_MOST = 256
"""Bytes that are copied or set, at most."""
_MOST_COMPARED = 64
_PIECES = (8, 4, 2, 1)


def is_known(callee: Callee) -> bool:
    """True for a function of the C library that may be executed in line."""
    return callee.library and callee.name in _FUNCTIONS


def known_here(side: Side) -> frozenset[str]:
    """The names of those that a side calls."""
    return frozenset(callee.name for callee in side.callees.values() if is_known(callee))


def is_no_event(callee: Callee, names: frozenset[str]) -> bool:
    """True where a call may be no event: of a computation, or of one of ``names`` that is executed in line."""
    return is_computation(callee) or (is_known(callee) and callee.name in names)


def without_event(call: AtCall, interpreter: Interpreter, names: frozenset[str]) -> State | None:
    """The state after such a call; None where it is a call as any other."""
    if is_known(call.callee) and call.callee.name in names:
        return _executed(call, interpreter)
    return computed(call, interpreter.state, interpreter.names, interpreter.view)


def _executed(call: AtCall, interpreter: Interpreter) -> State | None:
    """The state after a call, with its accesses and faults noted; None where a size is not known or large, say. Changes
    the interpreter's state."""
    state = interpreter.state
    if not is_framed(call, state, interpreter.view):
        return None
    before, below = interpreter.condition, interpreter.below
    # Below the stack pointer are its return address and its own frame.
    interpreter.below = 0
    found = _FUNCTIONS[call.callee.name](_Call(interpreter, call.callee))
    interpreter.condition, interpreter.below = before, below
    if found is None:
        return None
    return after_call(call, state, interpreter.names, {"rax": found}, state.memory)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, with what its function may do."""

    interpreter: Interpreter
    callee: Callee

    def argument(self, register: str, size: int = 8) -> Term:
        return self.interpreter.state.register(register, size)

    def count(self, register: str) -> int | None:
        """The number in a register that does not depend on the input."""
        return fixed_count(self.argument(register))

    def load(self, address: Term, size: int) -> list[tuple[int, Term]]:
        """Bytes from an address on, as pieces with their offsets."""
        return [
            (at, self.interpreter.load(add(address, const(at, 64)), piece)) for at, piece in _pieces(size)
        ]

    def octets(self, address: Term, size: int) -> list[Term]:
        """Bytes from an address on, one by one."""
        return [
            extract(value, 8 * k, 8) for _, value in self.load(address, size) for k in range(value.width // 8)
        ]

    def store(self, address: Term, pieces: Sequence[tuple[int, Term]]) -> None:
        for at, value in pieces:
            self.interpreter.store(add(address, const(at, 64)), value, value.width // 8)

    def apart(self, one: Term, other: Term, size: int) -> None:
        """Notes under which condition two objects of a size share bytes, that must not. Compilers copy objects to
        themselves with ``memcpy``, and libraries let them."""
        if not size:
            return
        one, other = (self.interpreter.view.outward(place) for place in (one, other))
        near = or_(ult(sub(one, other), const(size, 64)), ult(sub(other, one), const(size, 64)))
        met = and_(self.interpreter.condition, ne(one, other), near)
        if met is FALSE:
            return
        try:
            first, second = target(one), target(other)
        except UndecidedAccessError:
            first = second = Outer()
        if isinstance(first, Named) and isinstance(second, Named) and first.name != second.name:
            return
        log = self.interpreter.log
        local = first if isinstance(first, Frame) else second
        if isinstance(first, Frame) == isinstance(second, Frame) or self._is_callers(local):
            log.overlaps.append(met)
        elif isinstance(local, Frame) and local.base in LOCAL_BASES:
            log.perhaps.append((LOCAL_BASES.index(local.base), met))

    def _is_callers(self, where: Target) -> bool:
        """True for what lies above the function's own frame."""
        if not isinstance(where, Frame) or where.base is not ENTRY_RSP:
            return False
        return isinstance(where.offset, int) and where.offset >= self.interpreter.above

    def text(self, address: Term) -> bytes | None:
        """The string at an address in constant memory, with its end; None for any other."""
        try:
            where = target(self.interpreter.view.outward(address))
        except UndecidedAccessError:
            return None
        if not isinstance(where, Named) or not isinstance(where.offset, int):
            return None
        data = self.interpreter.side.constants.get(where.name)
        if data is None or not 0 <= where.offset < len(data):
            return None
        end = data.find(b"\0", where.offset)
        return None if end < 0 else data[where.offset : end + 1]


def _copied(call: _Call, *, apart: bool) -> Term | None:
    into, source, size = call.argument("rdi"), call.argument("rsi"), call.count("rdx")
    if size is None or size > _MOST:
        return None
    if apart:
        call.apart(into, source, size)
    call.store(into, call.load(source, size))
    return into


def _set(call: _Call) -> Term | None:
    into, size = call.argument("rdi"), call.count("rdx")
    if size is None or size > _MOST:
        return None
    octet = extract(call.argument("rsi", 4), 0, 8)
    call.store(into, [(at, concat(*[octet] * piece)) for at, piece in _pieces(size)])
    return into


def _compared(call: _Call, *, ordered: bool) -> Term | None:
    """``memcmp``, and ``bcmp``, which says no more than that bytes differ: all are read."""
    one, other, size = call.argument("rdi"), call.argument("rsi"), call.count("rdx")
    if size is None or size > _MOST_COMPARED:
        return None
    if not size:
        return const(0, 32)
    first, second = join_bytes(call.octets(one, size)), join_bytes(call.octets(other, size))
    decisive = one, other, first, second
    if ordered:
        less = ult(concat(*_bytes(first)), concat(*_bytes(second)))
    else:
        less = apply(f"sign of {call.callee.name} of {size}", 1, *decisive)
    return _sign(call, eq(first, second), less, decisive)


def _bytes(value: Term) -> list[Term]:
    """The lowest first, which is then the highest of a concatenation: numbers compare as the bytes do in memory."""
    return [extract(value, 8 * k, 8) for k in range(value.width // 8)]


def _sign(call: _Call, same: Term, less: Term, decisive: Sequence[Term]) -> Term:
    """A result that is 0, below or above it, and of which nothing else is said."""
    what = "-".join(str(term.width) for term in decisive)
    size = apply(f"{call.callee.name} of {what}", 31, *decisive)
    above = concat(const(0, 1), ite(eq(size, const(0, 31)), const(1, 31), size))
    return ite(same, const(0, 32), ite(less, concat(const(1, 1), size), above))


def _compared_text(call: _Call, *, limited: bool) -> Term | None:
    """``strcmp`` with a constant: each byte of the other is read where those before it are the same; of ``strncmp`` no
    more than so many."""
    one, other = call.argument("rdi"), call.argument("rsi")
    text, constant_first = call.text(other), False
    if text is None:
        text, constant_first = call.text(one), True
    size = call.count("rdx") if limited else _MOST
    if text is None or size is None or min(size, len(text)) > _MOST_COMPARED:
        return None
    return _compared_until(call, other if constant_first else one, text[:size], (one, other), constant_first)


def _compared_until(
    call: _Call, address: Term, text: bytes, places: tuple[Term, Term], constant_first: bool
) -> Term:
    interpreter, before = call.interpreter, call.interpreter.condition
    octets: list[Term] = []
    same = None
    for k, byte in enumerate(text):
        if interpreter.condition is FALSE:
            break
        octet = interpreter.load(add(address, const(k, 64)), 1)
        octets.append(octet)
        equal = eq(octet, const(byte, 8))
        same = equal if same is None else and_(same, equal)
        interpreter.condition = and_(before, same)
    interpreter.condition = before
    if same is None:
        return const(0, 32)
    less: Term = FALSE
    for octet, byte in zip(reversed(octets), reversed(text[: len(octets)]), strict=True):
        pair = (const(byte, 8), octet) if constant_first else (octet, const(byte, 8))
        less = ite(eq(octet, const(byte, 8)), less, ult(*pair))
    return _sign(call, same, less, (*places, join_bytes(octets)))


def _length(call: _Call) -> Term | None:
    text = call.text(call.argument("rdi"))
    return None if text is None else const(len(text) - 1, 64)


def _copied_text(call: _Call) -> Term | None:
    """``strcpy`` of a constant."""
    into, source = call.argument("rdi"), call.argument("rsi")
    text = call.text(source)
    if text is None or len(text) > _MOST:
        return None
    call.store(into, call.load(source, len(text)))
    return into


_FUNCTIONS: dict[str, Callable[[_Call], Term | None]] = {
    "memcpy": lambda call: _copied(call, apart=True),
    "memmove": lambda call: _copied(call, apart=False),
    "memset": _set,
    "memcmp": lambda call: _compared(call, ordered=True),
    "bcmp": lambda call: _compared(call, ordered=False),
    "strcmp": lambda call: _compared_text(call, limited=False),
    "strncmp": lambda call: _compared_text(call, limited=True),
    "strlen": _length,
    "strcpy": _copied_text,
}


def _pieces(size: int) -> list[tuple[int, int]]:
    """Offsets and sizes of pieces of no more than a word."""
    found: list[tuple[int, int]] = []
    at = 0
    for piece in _PIECES:
        while size - at >= piece:
            found.append((at, piece))
            at += piece
    return found


def overlaps_in(log: Log, given: frozenset[int] | None) -> list[Term]:
    """Under which objects overlap that must not; ``given`` are the shared locals that others may know of, None for
    any."""
    return log.overlaps + [met for local, met in log.perhaps if given is None or local in given]
