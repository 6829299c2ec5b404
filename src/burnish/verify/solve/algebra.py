"""Multiplication made algebra: terms as integer polynomials in a normal form, and back.

Bit-blasting two different circuits for one product is hopeless for a solver; to compare the polynomials that they
compute is not. Every bit-vector term ``t`` of width ``w`` is given an integer polynomial that is equal to it modulo
``2 ** w``. Sums, products and shifts to the left are sums and products of polynomials; extensions, shifts to the
right and extractions are floors by powers of two, and what is no arithmetic is an atom. All of that is exact for all
values of the atoms, so that the terms that are made of the normal forms are equal to those that went in.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from burnish.domains.smt import build as t
from burnish.domains.smt.rewrite import rebuild
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.solve import polynomial as p
from burnish.verify.solve.polynomial import Atoms, Monomial, TooLargeError, Value

MAXIMUM_TERMS = 4000
MAXIMUM_WIDTH = 256
"""Of the terms that floors are made of: each floor within a floor is wider."""
DEFAULT_SECONDS = 2.0


def hard_product(term: Term) -> bool:
    """True for a product of unknowns."""
    return term.op is Op.MUL and sum(not arg.is_const for arg in term.args) > 1


def normalise(roots: Sequence[Term], seconds: float = DEFAULT_SECONDS) -> list[Term]:
    """The roots with all that is a polynomial of degree 2 and more in normal form. Equal to the roots in every model.

    The roots as they are where that would take longer than ``seconds``."""
    if sum(1 for _ in subterms(*roots)) > MAXIMUM_TERMS:
        return [*roots]
    try:
        return _Normaliser().run(roots, time.monotonic() + seconds)
    except (TimeoutError, RecursionError):
        return [*roots]


class _Normaliser:
    def __init__(self) -> None:
        self.atoms = Atoms()
        self.values: dict[Term, Value] = {}
        self.plain: dict[Term, Term] = {}
        """Each term with its operands in normal form, where those are not arithmetic."""
        self.made: dict[tuple[frozenset[tuple[Monomial, int]], int], Term] = {}

    def run(self, roots: Sequence[Term], deadline: float) -> list[Term]:
        for term in subterms(*roots):
            if time.monotonic() > deadline:
                raise TimeoutError
            self._visit(term)
        return [self._term(root) for root in roots]

    def _visit(self, term: Term) -> None:
        if term.width > 1:
            try:
                value = self._arithmetic(term)
            except TooLargeError:
                value = None
            if value is not None:
                self.values[term] = value
                if all(arg in self.plain for arg in term.args):
                    self._term(term)
                return
        new = self._plain(term)
        self.plain[term] = new
        if term.width > 1:
            self.values[term] = p.constant(new.value) if new.is_const else self.atoms.of_term(new)

    def _plain(self, term: Term) -> Term:
        args = [self._term(arg) for arg in term.args]
        if term.op is Op.EQ and term.args[0].width > 1:
            equal = self._equation(term)
            if equal is not None:
                return equal
        same = all(new is old for new, old in zip(args, term.args, strict=True))
        return term if same else rebuild(term, args)

    def _equation(self, term: Term) -> Term | None:
        """An equation of what is left of the difference; None where no product is on either side."""
        width = term.args[0].width
        try:
            difference = p.add(self.values[term.args[0]], self.values[term.args[1]], -1)
            reduced = _reduced(difference.poly, width)
            if [*reduced] == [()]:
                return t.FALSE
            if not any(map(self.atoms.nonlinear, (self.values[arg].poly for arg in term.args))):
                return None
            if self.atoms.nonlinear(reduced):
                # The same difference the other way round is the same equation.
                other = {monomial: -factor & (1 << width) - 1 for monomial, factor in reduced.items()}
                reduced = min(reduced, other, key=lambda poly: sorted(poly.items()))
            return t.eq(self._made(reduced, width), t.const(0, width))
        except TooLargeError:
            return None

    def _arithmetic(self, term: Term) -> Value | None:
        """The polynomial of a term that is arithmetic on its operands; None for others."""
        values = [self.values[arg] for arg in term.args] if all(arg.width > 1 for arg in term.args) else None
        atoms = self.atoms
        match term.op:
            case Op.CONST:
                return p.constant(term.value)
            case Op.CONCAT:
                return self._concat(term)
            case Op.ZEXT | Op.SEXT if term.args[0].width == 1:
                bit = atoms.of_term(self._term(term.args[0]))
                return bit if term.op is Op.ZEXT else p.scale(bit, -1)
            case _ if not values:
                return None
            case Op.ADD:
                total = values[0]
                for value in values[1:]:
                    total = p.add(total, value)
                return total
            case Op.MUL:
                total = self._narrow(values[0], term.width)
                for value in values[1:]:
                    total = p.multiply(total, self._narrow(value, term.width))
                return total
            case Op.UREM | Op.SREM:
                return self._remainder(term, values[0], values[1])
            case Op.NOT:
                return p.add(p.constant(-1), values[0], -1)
            case Op.ZEXT:
                return atoms.unsigned(values[0], term.args[0].width)
            case Op.SEXT:
                return atoms.signed(values[0], term.args[0].width)
            case Op.EXTRACT:
                assert isinstance(term.payload, int)
                return atoms.floor(values[0], term.payload)
            case Op.SHL | Op.LSHR | Op.ASHR if term.args[1].is_const:
                return self._shift(term, values[0], term.args[1].value)
            case Op.AND if len(term.args) == 2 and term.args[1].is_const:
                return self._masked(values[0], term.args[1].value)
            case _:
                return None

    def _remainder(self, term: Term, dividend: Value, divisor: Value) -> Value:
        """What the quotient times the divisor leaves; by zero that is the dividend, too."""
        signed = term.op is Op.SREM
        divided = (t.sdiv if signed else t.udiv)(*[self._term(arg) for arg in term.args])
        read = self.atoms.signed if signed else self.atoms.unsigned
        quotient = read(self.atoms.of_term(divided), term.width)
        product = p.multiply(quotient, read(divisor, term.width))
        return p.add(read(dividend, term.width), product, -1)

    @staticmethod
    def _narrow(value: Value, width: int) -> Value:
        """A constant factor as the smaller of its two readings: ``-1`` rather than ``2 ** w - 1``."""
        if [*value.poly] != [()]:
            return value
        number = value.poly[()] & (1 << width) - 1
        return p.constant(number - (1 << width) if number >> (width - 1) else number)

    def _shift(self, term: Term, value: Value, count: int) -> Value:
        if term.op is Op.SHL:
            return p.scale(value, 1 << count) if count < term.width else p.constant(0)
        if term.op is Op.LSHR:
            return self.atoms.floor(self.atoms.unsigned(value, term.width), count)
        return self.atoms.floor(self.atoms.signed(value, term.width), min(count, term.width - 1))

    def _masked(self, value: Value, mask: int) -> Value | None:
        """The value's bits under a mask of neighbouring ones; None for other masks."""
        if not mask:
            return p.constant(0)
        low = (mask & -mask).bit_length() - 1
        ones = mask >> low
        if ones & (ones + 1):
            return None
        field = self.atoms.unsigned(self.atoms.floor(value, low), ones.bit_length())
        return p.scale(field, 1 << low)

    def _concat(self, term: Term) -> Value:
        total, at = p.constant(0), 0
        for part in reversed(term.args):
            value = self.values[part] if part.width > 1 else self.atoms.of_term(self._term(part))
            total = p.add(total, self.atoms.unsigned(value, part.width), 1 << at)
            at += part.width
        return total

    def _term(self, term: Term) -> Term:
        """The term in normal form."""
        known = self.plain.get(term)
        if known is not None:
            return known
        value = self.values[term]
        new = None
        if self.atoms.nonlinear(value.poly):
            try:
                new = self._made(value.poly, term.width)
            except TooLargeError:
                new = None
        if new is None:
            args = [self._term(arg) for arg in term.args]
            same = all(one is old for one, old in zip(args, term.args, strict=True))
            new = term if same else rebuild(term, args)
        self.plain[term] = new
        return new

    def _made(self, poly: Mapping[Monomial, int], width: int) -> Term:
        """The polynomial modulo ``2 ** width`` as a term."""
        if width > MAXIMUM_WIDTH:
            raise TooLargeError
        reduced = _reduced(poly, width)
        key = (frozenset(reduced.items()), width)
        term = self.made.get(key)
        if term is None:
            products = [
                t.mul(t.const(coefficient, width), *[self._atom(number, width) for number in monomial])
                for monomial, coefficient in sorted(reduced.items())
            ]
            term = self.made[key] = t.add(*products) if products else t.const(0, width)
        return term

    def _atom(self, number: int, width: int) -> Term:
        """An atom modulo ``2 ** width`` as a term."""
        atom = self.atoms.all[number]
        if atom.term is None:
            # The floor's low bits are the polynomial's, that much further up.
            return t.extract(self._made(atom.poly, width + atom.shift), atom.shift, width)
        if atom.term.width >= width:
            return t.extract(atom.term, 0, width)
        return t.zext(atom.term, width)


def _reduced(poly: Mapping[Monomial, int], width: int) -> dict[Monomial, int]:
    mask = (1 << width) - 1
    return {monomial: coefficient & mask for monomial, coefficient in poly.items() if coefficient & mask}
