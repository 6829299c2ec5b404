"""What an address term points to: the function's own frame, an object known by name, or memory of others.

A pointer belongs to what it was made from. An address made from the stack pointer lies in the frame, or the access is
not decided (``UndecidedAccessError``); an address made from anything else does not lie in the frame: that is what the
ABI asks of a caller, for whom everything below its stack pointer is nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

from burnish.domains.smt.build import TRUE, add, and_, concat, const, mul, not_, var
from burnish.domains.smt.terms import Op, Term

ENTRY_RSP = var("rsp", 64)
"""The stack pointer at entry: at the return address."""
OBJECT = "&"
"""Begins the names of variables that stand for addresses of objects."""
LOCAL_BASES = tuple(var(f"{OBJECT}local {k} of the frame", 64) for k in range(64))
"""Where locals lie that are shared, which each side has at another place (``engine.frames``)."""
FRAME_BASES = frozenset((ENTRY_RSP, *LOCAL_BASES))
_NUMBERS = {base: number for number, base in enumerate(LOCAL_BASES)}
_MASK = (1 << 64) - 1
_ALTERNATIVES = 16
"""Addresses that one access may have, depending on the path, before it is taken as it is."""


class UndecidedAccessError(Exception):
    """An address of which it cannot be said where it points; a phrase for the verdict."""


def object_address(name: str, offset: int = 0) -> Term:
    """The address of a named object, plus ``offset``."""
    return add(var(OBJECT + name, 64), const(offset, 64))


@dataclass(frozen=True, slots=True)
class Frame:
    """``offset`` from the stack pointer at entry, or from the start of a shared local (``base``): a number, or a term
    where it is not constant."""

    offset: int | Term
    base: Term = ENTRY_RSP

    @property
    def address(self) -> Term:
        """As a term."""
        return add(self.base, const(self.offset, 64) if isinstance(self.offset, int) else self.offset)


@dataclass(frozen=True, slots=True)
class Named:
    """``offset`` in an object: a number, or a term where it is not constant."""

    name: str
    offset: int | Term


@dataclass(frozen=True, slots=True)
class Outer:
    """Memory that is known by its address only."""


Target = Frame | Named | Outer


def linear(term: Term) -> tuple[dict[Term, int], int]:
    """A 64-bit term as a sum of terms with coefficients (modulo 2**64) and a constant."""
    coefficients: dict[Term, int] = {}
    constant = 0
    stack = [(term, 1)]
    while stack:
        part, factor = stack.pop()
        if part.op is Op.CONST:
            constant += factor * part.value
        elif part.op is Op.ADD:
            stack.extend((arg, factor) for arg in part.args)
        elif part.op is Op.MUL and any(arg.is_const for arg in part.args):
            number = 1
            rest: list[Term] = []
            for arg in part.args:
                if arg.is_const:
                    number *= arg.value
                else:
                    rest.append(arg)
            if rest:
                stack.append((mul(*rest), factor * number))
            else:
                constant += factor * number
        elif part.op is Op.CONCAT and any(arg.is_const and arg.value for arg in part.args):
            # Parts side by side, constants among them, are a sum as well.
            value = int("".join(f"{arg.value if arg.is_const else 0:0{arg.width}b}" for arg in part.args), 2)
            constant += factor * value
            stack.append((concat(*(const(0, a.width) if a.is_const else a for a in part.args)), factor))
        elif (aligned := _aligned(part)) is not None:
            stack.append((aligned[0], factor))
            constant += factor * aligned[1]
        else:
            coefficients[part] = (coefficients.get(part, 0) + factor) & _MASK
    return {t: c for t, c in coefficients.items() if c}, constant & _MASK


def _aligned(term: Term) -> tuple[Term, int] | None:
    """For a stack pointer that was rounded down to a multiple of 16: the one at entry, which is a multiple of 16, plus
    8, and the offset from it."""
    inner = _rounded(term)
    if inner is None or not mentions_frame(inner):
        return None
    coefficients, constant = linear(inner)
    if coefficients != {ENTRY_RSP: 1}:
        return None
    return ENTRY_RSP, constant - (constant + 8) % 16


def _rounded(term: Term) -> Term | None:
    """What a term rounds down to a multiple of 16, if it does."""
    if term.op is Op.AND and len(term.args) == 2:
        for value, mask in (term.args, term.args[::-1]):
            if mask.is_const and mask.value == _MASK - 15:
                return value
    if term.op is Op.CONCAT and len(term.args) == 2:
        high, low = term.args
        if low.is_const and low.width == 4 and low.value == 0 and high.op is Op.EXTRACT and high.payload == 4:
            return high.args[0] if high.args[0].width == 64 else None
    return None


def local_of(address: Term) -> int | None:
    """The number of the shared local in which an address lies: an access to one never leaves it. None for others."""
    coefficients, _ = linear(address)
    return next(
        (_NUMBERS[part] for part, times in coefficients.items() if part in _NUMBERS and times == 1), None
    )


def differ(one: Term, other: Term) -> bool:
    """True where two addresses of accesses are seen never to be one."""
    (left, first), (right, second) = linear(one), linear(other)
    if left == right:
        return first != second
    mine, theirs = local_of(one), local_of(other)
    return mine is not None and theirs is not None and mine != theirs


def signed(value: int) -> int:
    """A 64-bit number read as two's complement."""
    return value - (1 << 64) if value >> 63 else value


@lru_cache(maxsize=1 << 14)
def target(address: Term) -> Target:
    """What an address points to. Raises ``UndecidedAccessError``."""
    coefficients, constant = linear(address)
    bases = [t for t in coefficients if t in FRAME_BASES or _is_object(t)]
    rest = {t: c for t, c in coefficients.items() if t not in bases}
    if any(made_of_frame(t) for t in rest):
        raise UndecidedAccessError("an address is computed from the stack pointer in an unusual way")
    if not bases or any(coefficients[t] != 1 for t in bases) or len(bases) > 1:
        if FRAME_BASES & set(bases):
            raise UndecidedAccessError("an address is computed from the stack pointer in an unusual way")
        return Outer()
    offset: int | Term = signed(constant)
    if rest:
        offset = add(*(mul(t, const(c, 64)) for t, c in rest.items()), const(constant, 64))
    base = bases[0]
    return Frame(offset, base) if base in FRAME_BASES else Named(base.name.removeprefix(OBJECT), offset)


def _is_object(term: Term) -> bool:
    return term.op is Op.VAR and term.name.startswith(OBJECT)


_MENTIONS: WeakKeyDictionary[Term, bool] = WeakKeyDictionary()
"""What ``mentions_frame`` found, of parts as well: each is looked at once, however many addresses it is a part of."""


def mentions_frame(term: Term) -> bool:
    """True where a term depends on the stack pointer at entry, or on where a shared local lies."""
    stack = [term]
    while stack:
        part = stack[-1]
        if part not in _MENTIONS:
            missing = [arg for arg in part.args if arg not in _MENTIONS]
            if missing:
                stack += missing
                continue
            _MENTIONS[part] = part in FRAME_BASES or any(_MENTIONS[arg] for arg in part.args)
        stack.pop()
    return _MENTIONS[term]


@lru_cache(maxsize=1 << 14)
def made_of_frame(term: Term) -> bool:
    """True where a term may be an address in the frame, or computed from one. What is chosen by a comparison of
    addresses is none, nor what was loaded, unless an address of what is not shared was stored: shared locals are
    memory."""
    if not mentions_frame(term):
        return False
    seen: set[tuple[Term, bool]] = set()
    waiting = [(term, False)]
    while waiting:
        part, loaded = use = waiting.pop()
        if use in seen:
            continue
        seen.add(use)
        if part is ENTRY_RSP or (part in FRAME_BASES and not loaded):
            return True
        match part.op:
            case Op.SELECT:
                memory, place = part.args
                while memory.op is Op.STORE:
                    memory, where, byte = memory.args
                    if not differ(where, place):
                        waiting.append((byte, True))
                waiting.append((memory, True))
            case Op.STORE:
                waiting += [(part.args[0], True), (part.args[2], True)]
            case Op.ITE:
                waiting += [(way, loaded) for way in part.args[1:]]
            case _:
                waiting += [(arg, loaded) for arg in part.args]
    return False


@lru_cache(maxsize=1 << 12)
def alternatives(address: Term) -> tuple[tuple[Term, Term], ...]:
    """An address that depends on the path as ``(condition, address)`` pairs, whose conditions exclude each other and
    leave none out; itself alone where there are more than ``_ALTERNATIVES``."""
    found = _alternatives(address, _ALTERNATIVES)
    return ((TRUE, address),) if found is None else tuple(found)


def _alternatives(address: Term, most: int) -> list[tuple[Term, Term]] | None:
    if address.op is Op.ITE:
        condition, then, other = address.args
        first = _alternatives(then, most - 1)
        second = None if first is None else _alternatives(other, most - len(first))
        if first is None or second is None:
            return None
        return [(and_(condition, c), a) for c, a in first] + [
            (and_(not_(condition), c), a) for c, a in second
        ]
    if address.op is Op.ADD:
        chosen = [arg for arg in address.args if arg.op is Op.ITE]
        if len(chosen) == 1 and most > 1:
            rest = [arg for arg in address.args if arg is not chosen[0]]
            found = _alternatives(chosen[0], most)
            return None if found is None else [(c, add(a, *rest)) for c, a in found]
    return [(TRUE, address)] if most > 0 else None
