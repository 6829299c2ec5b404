"""Constructors that move bits about: extensions, parts, and what lies side by side.

Parts are taken as early as they can be: of sums at their low end, of bitwise operations everywhere. So an operation of
32 bits, and the low half of one of 64 bits, are one term.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from burnish.domains.smt.dispatch import construct, constructor, plain
from burnish.domains.smt.known import known
from burnish.domains.smt.leaves import const, signed
from burnish.domains.smt.terms import Op, Payload, Term, make

_DEEP = 60
"""Terms deeper than this are taken apart from the leaves up, so that Python's stack is not used up."""

_CUT = 24
"""What lies above a part is cut off of sums that are no deeper. (Each way to a sum may ask for another part of it.)"""

_CACHED = 1 << 17

BITWISE = frozenset((Op.AND, Op.OR, Op.XOR, Op.NOT))
_SUMS = frozenset((Op.ADD, Op.MUL))


def zext(a: Term, width: int) -> Term:
    """Extended with zeros to ``width``."""
    if width == a.width:
        return a
    if a.op is Op.CONST:
        return const(a.value, width)
    return make(Op.ZEXT, width, (a.args[0] if a.op is Op.ZEXT else a,))


def sext(a: Term, width: int) -> Term:
    """Extended with the sign to ``width``."""
    if width == a.width:
        return a
    if a.op is Op.CONST:
        return const(signed(a.value, a.width), width)
    if known(a)[0] >> a.width - 1 & 1:
        return zext(a, width)
    return make(Op.SEXT, width, (a.args[0] if a.op is Op.SEXT else a,))


def extract(a: Term, low: int, width: int) -> Term:
    """``width`` bits of ``a`` from bit ``low``."""
    if width == a.width:
        return a
    if a.depth > _DEEP:
        _prepare(a, low, width)
    return _extract(a, low, width)


def _prepare(a: Term, low: int, width: int) -> None:
    """Takes the parts of deep operands that ``_extract`` will ask for, deepest first."""
    wanted: list[tuple[Term, int, int]] = []
    seen: set[tuple[Term, int, int]] = set()
    stack = [(a, low, width)]
    while stack:
        part = stack.pop()
        if part not in seen:
            seen.add(part)
            wanted.append(part)
            stack.extend(each for each in _parts(*part) if each[0].depth > _DEEP)
    wanted.sort(key=lambda part: part[0].depth)
    for part in wanted:
        _extract(*part)


def _parts(a: Term, low: int, width: int) -> list[tuple[Term, int, int]]:
    """What ``_extract`` asks for of the operands of ``a``."""
    if a.op in BITWISE:
        return [(arg, low, width) for arg in a.args]
    if a.op is Op.ITE:
        return [(arg, low, width) for arg in a.args[1:]]
    if a.op in _SUMS and low == 0:
        return [(arg, 0, width) for arg in a.args]
    if a.op in (Op.ZEXT, Op.SEXT):
        inner = a.args[0]
        return [(inner, low, min(width, inner.width - low))] if low < inner.width else []
    if a.op is Op.EXTRACT:
        assert isinstance(a.payload, int)
        return [(a.args[0], a.payload + low, width)]
    found: list[tuple[Term, int, int]] = []
    if a.op is Op.CONCAT:
        at = a.width
        for part in a.args:
            at -= part.width
            start, stop = max(low, at), min(low + width, at + part.width)
            if start < stop and stop - start < part.width:
                found.append((part, start - at, stop - start))
    return found


@lru_cache(maxsize=_CACHED)
def _extract(a: Term, low: int, width: int) -> Term:
    op = a.op
    if width == a.width:
        return a
    if op is Op.CONST:
        return const(a.value >> low, width)
    if op is Op.EXTRACT:
        assert isinstance(a.payload, int)
        return extract(a.args[0], a.payload + low, width)
    if op is Op.CONCAT:
        return _of_concat(a, low, width)
    if op is Op.ZEXT or op is Op.SEXT:
        return _of_extended(a, low, width)
    if op in BITWISE:
        return construct(op, width, [_extract(arg, low, width) for arg in a.args])
    if op is Op.ITE:
        condition, then, other = a.args
        return construct(op, width, [condition, _extract(then, low, width), _extract(other, low, width)])
    if op in _SUMS:
        return _of_sum(a, low, width)
    if low == 0 and op in _DIVISIONS:
        narrow = _of_division(a, width)
        if narrow is not None:
            return narrow
    zeros, ones = known(a)
    mask = (1 << width) - 1
    if ((zeros | ones) >> low & mask) == mask:
        return const(ones >> low, width)
    return make(Op.EXTRACT, width, (a,), low)


def _of_concat(a: Term, low: int, width: int) -> Term:
    found: list[Term] = []
    at = a.width
    for part in a.args:
        at -= part.width
        start, stop = max(low, at), min(low + width, at + part.width)
        if start < stop:
            found.append(extract(part, start - at, stop - start))
    return concat(*found)


def _of_extended(a: Term, low: int, width: int) -> Term:
    inner = a.args[0]
    if low + width <= inner.width:
        return extract(inner, low, width)
    if a.op is Op.ZEXT:
        if low >= inner.width:
            return const(0, width)
        return zext(extract(inner, low, inner.width - low), width)
    start = min(low, inner.width - 1)
    return sext(extract(inner, start, inner.width - start), width)


def _of_sum(a: Term, low: int, width: int) -> Term:
    """Of a sum or product only as many low bits as needed; below the factor 2**k of a product everything is 0."""
    factor = a.args[-1]
    if a.op is Op.MUL and factor.op is Op.CONST:
        shift = (factor.value & -factor.value).bit_length() - 1
        if shift and low + width <= shift:
            return const(0, width)
        if shift and low >= shift:
            odd = const(factor.value >> shift, a.width)
            return extract(construct(Op.MUL, a.width, [*a.args[:-1], odd]), low - shift, width)
        if 0 < low < shift:
            return concat(extract(a, shift, low + width - shift), const(0, shift - low))
    end = low + width
    if end < a.width and (low == 0 or a.depth <= _CUT):
        a = construct(a.op, end, [_extract(arg, 0, end) for arg in a.args])
        return extract(a, low, width)
    zeros, ones = known(a)
    mask = (1 << width) - 1
    if ((zeros | ones) >> low & mask) == mask:
        return const(ones >> low, width)
    return make(Op.EXTRACT, width, (a,), low)


_DIVISIONS = frozenset((Op.UDIV, Op.UREM, Op.SDIV, Op.SREM))


def _of_division(a: Term, width: int) -> Term | None:
    """The low part of a division of extended operands is the division of the operands, by zero, too."""
    kind = Op.ZEXT if a.op in (Op.UDIV, Op.UREM) else Op.SEXT
    narrow: list[Term] = []
    for arg in a.args:
        low = extract(arg, 0, width)
        if (zext if kind is Op.ZEXT else sext)(low, a.width) is not arg:
            return None
        narrow.append(low)
    return construct(a.op, width, narrow)


def concat(*parts: Term) -> Term:
    """The parts beside each other, most significant first."""
    flat: list[Term] = []
    for part in parts:
        for term in part.args if part.op is Op.CONCAT else (part,):
            flat.append(term)
            while len(flat) > 1 and (joined := adjacent(flat[-2], flat[-1])) is not None:
                flat[-2:] = [joined]
    if len(flat) == 1:
        return flat[0]
    width = sum(term.width for term in flat)
    if flat[0].op is Op.CONST and (digits := flat[0].value.bit_length()) < flat[0].width:
        return zext(concat(*([const(flat[0].value, digits)] if digits else []), *flat[1:]), width)
    if flat[0].op is Op.ZEXT:
        inner = flat[0].args[0]
        return zext(concat(inner, *flat[1:]), width)
    if len(flat) == 2 and flat[1].op is Op.CONST and flat[1].value == 0:
        whole = lifted(flat[0], width)
        if whole is not None:
            return construct(Op.MUL, width, [whole, const(1 << flat[1].width, width)])
    return make(Op.CONCAT, width, tuple(flat))


def lifted(a: Term, width: int) -> Term | None:
    """A term of ``width`` bits whose low bits are ``a``, where ``a`` is arithmetic cut short; else None. It shows no
    known bits of its own, which a shift would cut again."""
    whole = _lifted(a, width)
    return None if whole is None or whole.op in (Op.ZEXT, Op.CONCAT, Op.CONST) else whole


def _lifted(a: Term, width: int) -> Term | None:
    match a.op:
        case Op.EXTRACT:
            whole = a.args[0]
            return extract(whole, 0, width) if a.payload == 0 and whole.width >= width else None
        case Op.ADD | Op.MUL if a.depth < _DEEP:
            return construct(a.op, width, [lift(arg, width) for arg in a.args])
        case Op.AND | Op.OR | Op.XOR | Op.NOT if a.depth < _DEEP:
            wide = [const(arg.value, width) if arg.op is Op.CONST else lifted(arg, width) for arg in a.args]
            return None if None in wide else construct(a.op, width, [arg for arg in wide if arg is not None])
        case _:
            return None


def lift(a: Term, width: int) -> Term:
    """A term of ``width`` bits whose low bits are ``a``."""
    if a.op is Op.CONST:
        return const(signed(a.value, a.width), width)
    if a.op is Op.SEXT:
        return sext(a, width)
    return lifted(a, width) or zext(a, width)


@lru_cache(maxsize=_CACHED)
def adjacent(high: Term, low: Term) -> Term | None:
    """What two neighbouring parts make together, where they are parts of one term; None where they are not."""
    if high.op is Op.CONST and low.op is Op.CONST:
        return const(high.value << low.width | low.value, high.width + low.width)
    if high.op is Op.EXTRACT:
        assert isinstance(high.payload, int)
        whole, start = high.args[0], high.payload - low.width
        if start >= 0 and extract(whole, start, low.width) is low:
            return extract(whole, start, high.width + low.width)
        return None
    if high.op is Op.SEXT:
        return _with_sign(high, low)
    if high.op is low.op and len(high.args) == len(low.args) and high.depth < _DEEP:
        if high.op in BITWISE:
            return _joined(high, low)
        if high.op is Op.ITE and high.args[0] is low.args[0]:
            halves = [adjacent(a, b) for a, b in zip(high.args[1:], low.args[1:], strict=True)]
            if None not in halves:
                return construct(Op.ITE, high.width + low.width, [high.args[0], *(h for h in halves if h)])
    return None


def _with_sign(high: Term, low: Term) -> Term | None:
    """What is extended with its sign above what it goes on in, or copies of a bit above a term whose sign it is."""
    width = high.width + low.width
    inner = high.args[0]
    if inner.width == 1:
        if low is inner or (low.op is Op.SEXT and low.args[0] is inner):
            return sext(inner, width)
        if extract(low, low.width - 1, 1) is inner:
            return sext(low, width)
    below = adjacent(inner, low)
    return None if below is None else sext(below, width)


def _joined(high: Term, low: Term) -> Term | None:
    """One bitwise operation on wider operands, where each operand of ``high`` goes on in one of ``low``."""
    rest = list(low.args)
    found: list[Term] = []
    for a in high.args:
        for b in rest:
            whole = adjacent(a, b)
            if whole is not None:
                found.append(whole)
                rest.remove(b)
                break
        else:
            return None
    return construct(high.op, high.width + low.width, found)


@constructor(Op.EXTRACT)
def _make_extract(width: int, args: Sequence[Term], payload: Payload) -> Term:
    assert isinstance(payload, int)
    return extract(args[0], payload, width)


@constructor(Op.ZEXT)
def _make_zext(width: int, args: Sequence[Term], payload: Payload) -> Term:
    del payload
    return zext(args[0], width)


@constructor(Op.SEXT)
def _make_sext(width: int, args: Sequence[Term], payload: Payload) -> Term:
    del payload
    return sext(args[0], width)


plain(Op.CONCAT, concat)
