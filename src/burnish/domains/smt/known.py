"""Bits of a term that are the same whatever its variables are.

``known(term)`` gives two masks: bits that are surely 0, and bits that are surely 1. They are kept with the term.
"""

from __future__ import annotations

from collections.abc import Callable

from burnish.domains.smt.terms import Op, Term

Bits = tuple[int, int]
"""``(zeros, ones)``."""


def known(term: Term) -> Bits:
    """The bits of a bit-vector that are known."""
    found = term.bits
    if found is None:
        _fill(term)
        found = term.bits
        assert found is not None
    return found


def largest(term: Term) -> int:
    """No value of the term is above this, as an unsigned number."""
    return (1 << term.width) - 1 & ~known(term)[0]


def least(term: Term) -> int:
    """No value of the term is below this."""
    return known(term)[1]


def trailing_zeros(term: Term) -> int:
    """Low bits that are surely 0."""
    zeros = known(term)[0]
    return ((zeros + 1) & ~zeros).bit_length() - 1


def used(term: Term) -> int:
    """Bits above which the term is surely 0; at least 1."""
    return max(largest(term).bit_length(), 1)


def _fill(root: Term) -> None:
    """Operands first, without recursion."""
    stack = [root]
    while stack:
        term = stack[-1]
        missing = [arg for arg in term.args if arg.bits is None and arg.width]
        if missing:
            stack.extend(missing)
            continue
        stack.pop()
        if term.bits is None:
            compute = _COMPUTE.get(term.op)
            term.bits = (0, 0) if compute is None or term.width == 0 else compute(term)


def _mask(width: int) -> int:
    return (1 << width) - 1


def _above(width: int, value: int) -> Bits:
    """A number of at most ``value``."""
    return _mask(width) & ~_mask(value.bit_length()), 0


def _of(term: Term, index: int = 0) -> Bits:
    return term.args[index].bits or (0, 0)


def _constant(term: Term) -> Bits:
    return _mask(term.width) & ~term.value, term.value


def _and(term: Term) -> Bits:
    zeros, ones = 0, _mask(term.width)
    for k in range(len(term.args)):
        zero, one = _of(term, k)
        zeros, ones = zeros | zero, ones & one
    return zeros, ones


def _or(term: Term) -> Bits:
    zeros, ones = _mask(term.width), 0
    for k in range(len(term.args)):
        zero, one = _of(term, k)
        zeros, ones = zeros & zero, ones | one
    return zeros, ones


def _xor(term: Term) -> Bits:
    zeros, ones = _mask(term.width), 0
    for k in range(len(term.args)):
        zero, one = _of(term, k)
        zeros, ones = zeros & zero | ones & one, zeros & one | ones & zero
    return zeros, ones


def _add(term: Term) -> Bits:
    """Carries are known where the sum of the least and of the largest values agree."""
    mask = _mask(term.width)
    zeros, ones = _of(term)
    top = mask & ~zeros
    for k in range(1, len(term.args)):
        zero, one = _of(term, k)
        top += mask & ~zero
        high, low = (mask & ~zeros) + (mask & ~zero), ones + one
        settled = (zeros | ones) & (zero | one) & (~(high ^ zeros ^ zero) | (low ^ ones ^ one)) & mask
        zeros, ones = ~high & settled & mask, low & settled
    if top <= mask:
        zeros |= _above(term.width, top)[0]
    return zeros, ones


def _mul(term: Term) -> Bits:
    top, low = 1, 0
    for arg in term.args:
        top *= largest(arg)
        low += trailing_zeros(arg)
    zeros = _mask(min(low, term.width))
    if top <= _mask(term.width):
        zeros |= _above(term.width, top)[0]
    return zeros, 0


def _udiv(term: Term) -> Bits:
    """By zero it is all ones."""
    divisor = least(term.args[1])
    return _above(term.width, largest(term.args[0]) // divisor) if divisor else (0, 0)


def _urem(term: Term) -> Bits:
    """By zero it is the dividend."""
    a, b = term.args
    top = largest(a)
    return _above(term.width, min(top, largest(b) - 1) if least(b) else top)


def _shl(term: Term) -> Bits:
    return _mask(trailing_zeros(term.args[0])), 0


def _lshr(term: Term) -> Bits:
    return _above(term.width, largest(term.args[0]))


def _concat(term: Term) -> Bits:
    zeros = ones = 0
    for k, part in enumerate(term.args):
        zero, one = _of(term, k)
        zeros, ones = zeros << part.width | zero, ones << part.width | one
    return zeros, ones


def _extract(term: Term) -> Bits:
    assert isinstance(term.payload, int)
    zeros, ones = _of(term)
    mask = _mask(term.width)
    return zeros >> term.payload & mask, ones >> term.payload & mask


def _zext(term: Term) -> Bits:
    zeros, ones = _of(term)
    return zeros | _mask(term.width) & ~_mask(term.args[0].width), ones


def _sext(term: Term) -> Bits:
    zeros, ones = _of(term)
    inner = term.args[0].width
    high = _mask(term.width) & ~_mask(inner)
    return (
        zeros | high if zeros >> inner - 1 & 1 else zeros,
        ones | high if ones >> inner - 1 & 1 else ones,
    )


def _ite(term: Term) -> Bits:
    (zero, one), (other_zero, other_one) = _of(term, 1), _of(term, 2)
    return zero & other_zero, one & other_one


def _popcount(term: Term) -> Bits:
    return _above(term.width, largest(term.args[0]).bit_count())


def _count(term: Term) -> Bits:
    return _above(term.width, term.width)


_COMPUTE: dict[Op, Callable[[Term], Bits]] = {
    Op.CONST: _constant,
    Op.NOT: lambda term: (_of(term)[1], _of(term)[0]),
    Op.AND: _and,
    Op.OR: _or,
    Op.XOR: _xor,
    Op.ADD: _add,
    Op.MUL: _mul,
    Op.UDIV: _udiv,
    Op.UREM: _urem,
    Op.SHL: _shl,
    Op.LSHR: _lshr,
    Op.CONCAT: _concat,
    Op.EXTRACT: _extract,
    Op.ZEXT: _zext,
    Op.SEXT: _sext,
    Op.ITE: _ite,
    Op.POPCOUNT: _popcount,
    Op.CLZ: _count,
    Op.CTZ: _count,
}
