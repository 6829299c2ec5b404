"""Constructors of terms. Each folds constants and identities, so that equal meanings often are one term.

Forms that every term has: constants stand last among operands, the operands of an operation that commutes in the order
in which they were made; a left shift by a constant is a multiple, or bits above zeros; right shifts by a constant and
masks of neighbouring bits are extensions of parts; ``a - b`` is ``a + -1*b``; the sign of ``a`` is its highest bit.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.domains.smt import floating as numbers
from burnish.domains.smt.arithmetic import ashr, clz, ctz, lshr, popcount, sdiv, srem, udiv, urem
from burnish.domains.smt.choose import ite
from burnish.domains.smt.compare import eq, ne, sle, slt, ule, ult
from burnish.domains.smt.dispatch import constructor, rebuild
from burnish.domains.smt.leaves import FALSE, TRUE, const, memory, signed, var
from burnish.domains.smt.logic import and_, not_, or_, xor
from burnish.domains.smt.storage import load, select, store, store_word
from burnish.domains.smt.sums import add, mul, neg, shl, sub
from burnish.domains.smt.terms import Op, Payload, Term, make
from burnish.domains.smt.words import concat, extract, sext, zext

__all__ = [
    "FALSE", "TRUE", "add", "and_", "apply", "ashr", "clz", "concat", "const", "ctz", "eq", "extract", "floating",
    "ite", "load", "lshr", "memory", "mul", "ne", "neg", "not_", "or_", "popcount", "rebuild", "sdiv", "select",
    "sext", "shl", "signed", "sle", "slt", "srem", "store", "store_word", "sub", "udiv", "ule", "ult", "urem", "var",
    "xor", "zext",
]  # fmt: skip


def apply(name: str, width: int, *operands: Term) -> Term:
    """An uninterpreted function of the operands."""
    return make(Op.APPLY, width, operands, name)


def floating(name: str, operand_width: int, width: int, *operands: Term) -> Term:
    """An IEEE 754 operation on bit patterns (``Op.FLOAT``); ``name`` is one of ``floating.FLOAT_NAMES``."""
    if all(operand.is_const for operand in operands):
        return const(
            numbers.compute(name, operand_width, width, [operand.value for operand in operands]), width
        )
    if name in _COMMUTE and any(_is_number(operand) for operand in operands):
        # With two NaNs the first is the result; with at most one, order does not matter.
        operands = tuple(sorted(operands, key=lambda operand: (operand.is_const, operand.serial)))
    return make(Op.FLOAT, width, operands, (name, operand_width))


_COMMUTE = ("FLOAT_ADD", "FLOAT_MULT")
_FRACTION = {32: 23, 64: 52}
"""Bits of the fraction, by width."""


def _is_number(term: Term) -> bool:
    """True for what is never a NaN, as far as is seen."""
    if term.op is Op.FLOAT:
        assert isinstance(term.payload, tuple)
        return term.payload[0] == "FLOAT_INT2FLOAT"
    fraction = _FRACTION.get(term.width)
    if not term.is_const or fraction is None:
        return False
    magnitude = term.value & (1 << term.width - 1) - 1
    return magnitude <= (1 << term.width - 1) - (1 << fraction)


@constructor(Op.APPLY)
def _make_apply(width: int, args: Sequence[Term], payload: Payload) -> Term:
    assert isinstance(payload, str)
    return apply(payload, width, *args)


@constructor(Op.IEEE)
def _make_ieee(width: int, args: Sequence[Term], payload: Payload) -> Term:
    return make(Op.IEEE, width, tuple(args), payload)


@constructor(Op.FLOAT)
def _make_floating(width: int, args: Sequence[Term], payload: Payload) -> Term:
    assert isinstance(payload, tuple)
    return floating(*payload, width, *args)
