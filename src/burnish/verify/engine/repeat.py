"""How often a string instruction repeats, where that is one number whatever the input is.

Compilers clear a structure with ``rep stos`` from its first aligned word on. The count is what is left of the size
then, which is always the same, but only shows when rounding down is seen as taking away a remainder.
"""

from __future__ import annotations

from burnish.domains.smt.build import const, extract, mul, signed, sub, zext
from burnish.domains.smt.rewrite import rebuild
from burnish.domains.smt.terms import Op, Term, subterms

LARGEST = 1024
"""Bytes of a string instruction that is executed element by element, at most."""


def fixed_count(count: Term) -> int | None:
    """The number that a term is; None where it depends on the input, as far as is seen."""
    done: dict[Term, Term] = {}
    for term in subterms(count):
        found = rebuild(term, [done[arg] for arg in term.args])
        done[term] = _without_rounding(found) or found
    exact = done[count]
    return exact.value if exact.is_const else None


def _without_rounding(term: Term) -> Term | None:
    """A multiple of what a number has above its ``k`` low bits, as one of the number less those bits."""
    width = term.width
    if term.op is Op.CONCAT and len(term.args) == 2:
        high, low = term.args
        if high.op is Op.EXTRACT and low.is_const and low.value == 0 and high.payload == low.width:
            return _rounded(high.args[0], low.width, width)
    if term.op is Op.MUL and len(term.args) == 2 and term.args[1].is_const:
        high, factor = term.args
        if high.op is Op.ZEXT and high.args[0].op is Op.EXTRACT and high.args[0].args[0].width == width:
            high = high.args[0]
        if high.op is Op.EXTRACT and isinstance(high.payload, int) and _reaches(high, high.payload, width):
            times = signed(factor.value, width)
            if times % (1 << high.payload) == 0:
                rounded = _rounded(high.args[0], high.payload, width)
                return mul(rounded, const(times >> high.payload, width))
    return None


def _reaches(part: Term, low: int, width: int) -> bool:
    """True where a part has all bits from ``low`` on that count in a multiple of ``width`` bits."""
    return 0 < low < width and (part.width == width or low + part.width == part.args[0].width == width)


def _rounded(number: Term, bits: int, width: int) -> Term:
    """The low ``width`` bits of a number that has as many, the ``bits`` lowest of them 0."""
    return sub(extract(number, 0, width), zext(extract(number, 0, bits), width))
