"""Operations that no solver has, in terms of those that both have. Every rewriting here is exact, but for
floating-point operations, which become uninterpreted functions: an over-approximation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.domains.smt import build as t
from burnish.domains.smt.lower_float import defined
from burnish.domains.smt.rewrite import rewrite
from burnish.domains.smt.terms import Op, Term, subterms

FLOAT_PREFIX = "ieee754:"
"""Begins the names of the functions that stand for floating-point operations."""


def lower(roots: Sequence[Term], popcount: Callable[[Term], Term] | None = None) -> list[Term]:
    """The roots in the operations that the backends take. Equal in meaning where no ``FLOAT`` is in them, else weaker:
    then a model means nothing before it is evaluated, and having none means that the roots have none."""
    count = popcount or popcount_tree

    def rule(term: Term, args: Sequence[Term]) -> Term | None:
        match term.op:
            case Op.POPCOUNT:
                return count(args[0])
            case Op.CLZ:
                return leading_zeros(args[0])
            case Op.CTZ:
                return trailing_zeros(args[0])
            case Op.FLOAT:
                assert isinstance(term.payload, tuple)
                operation, width = term.payload
                return t.apply(f"{FLOAT_PREFIX}{operation}:{width}:{term.width}", term.width, *args)
            case _:
                return None

    return rewrite(roots, rule)


def float_definitions(lowered: Sequence[Term]) -> list[Term]:
    """What the functions compute that stand for floating-point operations in ``lowered``: what is left open there is
    not, with these assertions beside it. Each can be had whatever the operands are."""
    found: list[Term] = []
    for term in subterms(*lowered):
        if term.op is Op.APPLY and term.name.startswith(FLOAT_PREFIX):
            operation, width, _ = term.name.removeprefix(FLOAT_PREFIX).split(":")
            computed = t.floating(operation, int(width), term.width, *term.args)
            known = computed.op is not Op.FLOAT
            found.append(t.eq(term, computed) if known else defined(term, computed))
    return found


def popcount_tree(a: Term) -> Term:
    """The number of ones, by adding neighbouring fields of 1, 2, 4 … bits in parallel.

    Solvers decide this one against the usual bit tricks: its fields are theirs."""
    total, size = _power_of_two(a)
    field = 1
    while field < size:
        mask = t.const(sum(((1 << field) - 1) << at for at in range(0, size, 2 * field)), size)
        shifted = t.lshr(total, t.const(field, size))
        total = t.add(t.and_(total, mask), t.and_(shifted, mask))
        field *= 2
    return _fit(total, a.width)


def popcount_masks(a: Term) -> Term:
    """The number of ones, as programs without an instruction for it mostly do: each byte's in parallel, then a sum of
    the bytes by shifts. Fields may overflow into others here, but never into what is kept at the end."""
    value, size = _power_of_two(a)
    if size < 16:
        return popcount_tree(a)

    def mask(byte: int) -> Term:
        return t.const(int.from_bytes(bytes([byte] * (size // 8)), "little"), size)

    def right(term: Term, count: int) -> Term:
        return t.lshr(term, t.const(count, size))

    pairs = t.sub(value, t.and_(right(value, 1), mask(0x55)))
    fours = t.add(t.and_(pairs, mask(0x33)), t.and_(right(pairs, 2), mask(0x33)))
    total = t.and_(t.add(fours, right(fours, 4)), mask(0x0F))
    shift = 8
    while shift < size:
        total = t.add(total, right(total, shift))
        shift *= 2
    return _fit(t.and_(total, t.const(2 * size - 1, size)), a.width)


def leading_zeros(a: Term) -> Term:
    """The number of leading zeros, by halving; the width for 0."""
    if a.width == 1:
        return t.not_(a)
    value, size = _power_of_two(a)
    value = t.shl(value, t.const(size - a.width, size))
    count = t.const(0, size)
    half = size // 2
    while half:
        empty = t.eq(t.extract(value, size - half, half), t.const(0, half))
        count = t.add(count, t.ite(empty, t.const(half, size), t.const(0, size)))
        value = t.ite(empty, t.shl(value, t.const(half, size)), value)
        half //= 2
    return _counted(a, count)


def trailing_zeros(a: Term) -> Term:
    """The number of trailing zeros, by halving; the width for 0."""
    if a.width == 1:
        return t.not_(a)
    value, size = _power_of_two(a)
    count = t.const(0, size)
    half = size // 2
    while half:
        empty = t.eq(t.extract(value, 0, half), t.const(0, half))
        count = t.add(count, t.ite(empty, t.const(half, size), t.const(0, size)))
        value = t.ite(empty, t.lshr(value, t.const(half, size)), value)
        half //= 2
    return _counted(a, count)


def _counted(a: Term, count: Term) -> Term:
    """``count`` where ``a`` has a one, else the width. Both fit in the width for widths above 1."""
    zero = t.eq(a, t.const(0, a.width))
    return t.ite(zero, t.const(a.width, a.width), _fit(count, a.width))


def _power_of_two(a: Term) -> tuple[Term, int]:
    size = 1 << (a.width - 1).bit_length()
    return t.zext(a, size), size


def _fit(a: Term, width: int) -> Term:
    return t.extract(a, 0, width) if a.width > width else a
