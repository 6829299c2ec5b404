"""Constructors of sums and products: linear combinations with like terms collected.

A sum is ``c1*m1 + c2*m2 + ... + c``, ordered; a factor ``m`` is anything that is no sum. Shifts to the left by a
constant, complements, and parts that lie side by side are read as sums, and a sum whose parts do not overlap is
written as what lies side by side again.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.domains.smt.dispatch import construct, plain
from burnish.domains.smt.known import known, largest
from burnish.domains.smt.leaves import const
from burnish.domains.smt.terms import Op, Term, make
from burnish.domains.smt.words import concat, extract, lift, lifted, sext, zext

_LONG = 40
"""Sums of more terms are not taken apart."""


class Linear:
    """A sum while it is collected: coefficients modulo ``2 ** width``, and a constant."""

    __slots__ = ("constant", "factors", "mask", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self.mask = (1 << width) - 1
        self.factors: dict[Term, int] = {}
        self.constant = 0

    def add(self, term: Term, factor: int) -> None:
        """Adds ``factor * term``."""
        stack = [(term, factor)]
        while stack:
            part, times = stack.pop()
            self._one(part, times & self.mask, stack)

    def _one(self, term: Term, times: int, stack: list[tuple[Term, int]]) -> None:
        args, width = term.args, self.width
        match term.op:
            case Op.CONST:
                self.constant = self.constant + times * term.value & self.mask
            case Op.ADD if len(self.factors) + len(args) <= _LONG:
                stack.extend((arg, times) for arg in args)
            case Op.MUL if args[-1].op is Op.CONST:
                rest = args[0] if len(args) == 2 else make(Op.MUL, width, args[:-1])
                stack.append((rest, times * args[-1].value))
            case Op.NOT:
                self.constant = self.constant - times & self.mask
                stack.append((args[0], -times))
            case Op.CONCAT if any(arg.op is Op.CONST for arg in args):
                at = width - args[0].width
                stack.append((lift(args[0], width), times << at))
                for part in args[1:]:
                    at -= part.width
                    stack.append((zext(part, width), times << at))
            case Op.SEXT if args[0].width == 1:
                stack.append((zext(args[0], width), -times))
            case Op.ZEXT if _adds_up(args[0]):
                inner = args[0].args
                if args[0].op is Op.MUL:
                    stack.append((zext(inner[0], width), times * inner[1].value))
                else:
                    stack.extend((zext(arg, width), times) for arg in inner)
            case Op.AND | Op.OR if _is_negated(term):
                self.constant = self.constant - times & self.mask
                stack.append((construct(Op.NOT, width, args=[term]), -times))
            case Op.XOR if args[-1].op is Op.CONST and args[-1].value == 1 << width - 1:
                rest = args[0] if len(args) == 2 else make(Op.XOR, width, args[:-1])
                stack.append((rest, times))
                self.constant = self.constant + (times << width - 1) & self.mask
            case _:
                total = self.factors.get(term, 0) + times & self.mask
                if total:
                    self.factors[term] = total
                else:
                    self.factors.pop(term, None)

    def ordered(self) -> list[tuple[Term, int]]:
        """``(factor, coefficient)`` in a fixed order."""
        return sorted(self.factors.items(), key=lambda item: item[0].serial)


def _adds_up(term: Term) -> bool:
    """True of a sum, or a multiple, that never wraps."""
    mask = (1 << term.width) - 1
    if term.op is Op.ADD:
        return sum(map(largest, term.args)) <= mask
    multiple = term.op is Op.MUL and len(term.args) == 2 and term.args[1].op is Op.CONST
    return multiple and largest(term.args[0]) * term.args[1].value <= mask


def _is_negated(term: Term) -> bool:
    """True where all operands are complements."""
    return term.args[0].op is Op.NOT and all(arg.op in (Op.NOT, Op.CONST) for arg in term.args)


def linear(*operands: tuple[Term, int]) -> Linear:
    """The sum of ``(term, coefficient)`` of one width."""
    found = Linear(operands[0][0].width)
    for term, factor in operands:
        found.add(term, factor)
    return found


def add(*operands: Term) -> Term:
    """The sum, of one or more."""
    if len(operands) == 1:
        return operands[0]
    return written(linear(*((operand, 1) for operand in operands)))


def sub(a: Term, b: Term) -> Term:
    """``a - b``."""
    return const(0, a.width) if a is b else written(linear((a, 1), (b, -1)))


def neg(a: Term) -> Term:
    """The number that gives 0 with ``a``: two's complement."""
    return written(linear((a, -1)))


def written(total: Linear) -> Term:
    """The term of a sum."""
    width, mask = total.width, total.mask
    factors = total.ordered()
    if not factors:
        return const(total.constant, width)
    if len(factors) == 1:
        found = _of_one(*factors[0], total.constant, width)
        if found is not None:
            return found
    terms = [scaled(term, factor) for term, factor in factors]
    if total.constant:
        terms.append(const(total.constant, width))
    if width == 1:
        return construct(Op.XOR, 1, terms)
    top = sum(map(largest, terms))
    if top <= mask and (needed := max(top.bit_length(), 1)) < width:
        narrow = [extract(term, 0, needed) for term in terms]
        return zext(written(linear(*((term, 1) for term in narrow))), width)
    terms = _side_by_side(terms)
    return terms[0] if len(terms) == 1 else make(Op.ADD, width, tuple(terms))


def _of_one(term: Term, factor: int, constant: int, width: int) -> Term | None:
    """Forms of their own: a multiple, a complement, a changed sign."""
    if constant == 0:
        return scaled(term, factor)
    minus_one = (1 << width) - 1
    if factor == minus_one == constant:
        # A sum that is too long to be taken apart has no other form: to negate it would lead here again.
        return make(Op.NOT, width, (term,)) if term.op is Op.ADD else construct(Op.NOT, width, [term])
    if factor == 1 and constant == 1 << width - 1:
        return construct(Op.XOR, width, [term, const(constant, width)])
    return None


def _side_by_side(terms: list[Term]) -> list[Term]:
    """Addends, those that do not overlap made one."""
    if len(terms) > 16:
        return terms
    groups: list[tuple[int, list[Term]]] = []
    for term in terms:
        bits = (1 << term.width) - 1 & ~known(term)[0]
        for index, (seen, members) in enumerate(groups):
            if not seen & bits:
                groups[index] = (seen | bits, [*members, term])
                break
        else:
            groups.append((bits, [term]))
    if len(groups) == len(terms):
        return terms
    found = [
        members[0] if len(members) == 1 else construct(Op.OR, terms[0].width, members)
        for _, members in groups
    ]
    constants = [term for term in found if term.op is Op.CONST]
    return [*sorted((term for term in found if term.op is not Op.CONST), key=lambda t: t.serial), *constants]


_SHIFTED_INSIDE = frozenset((Op.ZEXT, Op.CONCAT))
"""What moves its bits when it is shifted, and so shows its zeros."""


def scaled(term: Term, factor: int) -> Term:
    """``factor * term``, of a term that is no sum."""
    width = term.width
    if factor == 1:
        return term
    if factor == (1 << width) - 1 and term.op is Op.ZEXT and term.args[0].width == 1:
        return sext(term.args[0], width)
    if factor & factor - 1 == 0:
        shift = factor.bit_length() - 1
        if term.op in _SHIFTED_INSIDE:
            high = extract(term, 0, width - shift)
            whole = lifted(high, width)
            if whole is None:
                return concat(high, const(0, shift))
            if whole is not term:
                return written(linear((whole, factor)))
    args = term.args if term.op is Op.MUL and term.args[-1].op is not Op.CONST else (term,)
    return make(Op.MUL, width, (*args, const(factor, width)))


def mul(*operands: Term) -> Term:
    """The product, of one or more."""
    width = operands[0].width
    constant, factors = 1, list[Term]()
    for term in operands:
        for part in term.args if term.op is Op.MUL else (term,):
            if part.op is Op.CONST:
                constant *= part.value
            else:
                factors.append(part)
    constant &= (1 << width) - 1
    if not factors or constant == 0:
        return const(constant, width)
    if len(factors) == 1:
        return written(linear((factors[0], constant)))
    sums = [linear((factor, 1)) for factor in factors]
    if all(len(each.factors) == 1 for each in sums) and any(each.constant for each in sums):
        return _expanded(sums, constant)
    rest: list[Term] = []
    for each, factor in zip(sums, factors, strict=True):
        if len(each.factors) == 1 and not each.constant:
            ((only, times),) = each.factors.items()
            constant = constant * times & each.mask
            rest += only.args if only.op is Op.MUL else (only,)
        else:
            rest.append(factor)
    return _product(rest, constant, width)


def _product(factors: Sequence[Term], constant: int, width: int) -> Term:
    """Of two factors or more that are no multiples."""
    if constant == 0:
        return const(0, width)
    found = sorted(factors, key=lambda term: term.serial)
    top = 1
    for factor in found:
        top *= largest(factor)
    if top <= (1 << width) - 1 and (needed := max(top.bit_length(), 1)) < width:
        narrow = mul(*(extract(factor, 0, needed) for factor in found))
        return written(linear((zext(narrow, width), constant)))
    return scaled(make(Op.MUL, width, tuple(found)), constant)


def _expanded(sums: Sequence[Linear], constant: int) -> Term:
    """A product of sums of one term and a constant each, written out."""
    width = sums[0].width
    parts: list[tuple[list[Term], int]] = [([], constant)]
    for each in sums:
        ((term, times),) = each.factors.items()
        factors = term.args if term.op is Op.MUL else (term,)
        parts = [
            *(([*before, *factors], number * times) for before, number in parts),
            *((before, number * each.constant) for before, number in parts if each.constant),
        ]
    total = Linear(width)
    for factors, number in parts:
        number &= total.mask
        if not factors:
            total.constant = total.constant + number & total.mask
        elif len(factors) == 1:
            total.add(factors[0], number)
        else:
            total.add(_product(factors, 1, width), number)
    return written(total)


def shl(a: Term, count: Term) -> Term:
    """Left shift; 0 for counts of the width or more. ``count`` has the width of ``a``."""
    if count.op is Op.CONST:
        return const(0, a.width) if count.value >= a.width else mul(a, const(1 << count.value, a.width))
    if a.op is Op.CONST and a.value == 0:
        return a
    return make(Op.SHL, a.width, (a, count))


plain(Op.ADD, add)
plain(Op.MUL, mul)
plain(Op.SHL, shl)
