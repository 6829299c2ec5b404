"""Integer polynomials over integers that are known up to an interval, and their quotients by powers of two.

Nothing here wraps: a polynomial is a whole number for each choice of the atoms. ``floor`` brings the quotient of a
polynomial into a normal form, so that the carries of two ways to compute one product are one atom.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from burnish.domains.smt.terms import Term

Monomial = tuple[int, ...]
"""Numbers of atoms, in order, each as often as it is a factor; ``()`` is 1."""
Poly = dict[Monomial, int]
"""The coefficient of each monomial, none of them 0."""
_Frozen = frozenset[tuple[Monomial, int]]

MAXIMUM_MONOMIALS = 64


class TooLargeError(Exception):
    """A polynomial outgrew ``MAXIMUM_MONOMIALS``."""


@dataclass(frozen=True, slots=True)
class Value:
    """A polynomial, and bounds (inclusive) of what it can be."""

    poly: Poly
    low: int
    high: int

    def clamped(self, low: int, high: int) -> Value:
        """The same, when it is known to lie in an interval too."""
        return Value(self.poly, max(low, self.low), min(high, self.high))


@dataclass(frozen=True, slots=True)
class Atom:
    """An integer between bounds: the unsigned value of a term, or the floor of a polynomial over ``2 ** shift``."""

    low: int
    high: int
    term: Term | None = None
    poly: Mapping[Monomial, int] = field(default_factory=dict[Monomial, int])
    shift: int = 0


def constant(value: int) -> Value:
    """A number."""
    return Value({(): value} if value else {}, value, value)


def add(a: Value, b: Value, factor: int = 1) -> Value:
    """``a + factor * b``."""
    poly = dict(a.poly)
    for monomial, coefficient in b.poly.items():
        total = poly.get(monomial, 0) + factor * coefficient
        if total:
            poly[monomial] = total
        else:
            poly.pop(monomial, None)
    ends = (factor * b.low, factor * b.high)
    return _limited(Value(poly, a.low + min(ends), a.high + max(ends)))


def scale(a: Value, factor: int) -> Value:
    """``factor * a``."""
    return add(constant(0), a, factor)


def multiply(a: Value, b: Value) -> Value:
    """``a * b``."""
    if len(a.poly) * len(b.poly) > 16 * MAXIMUM_MONOMIALS:
        raise TooLargeError
    poly: Poly = {}
    for first, x in a.poly.items():
        for second, y in b.poly.items():
            monomial = tuple(sorted(first + second))
            poly[monomial] = poly.get(monomial, 0) + x * y
    ends = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return _limited(Value({m: c for m, c in poly.items() if c}, min(ends), max(ends)))


def _limited(value: Value) -> Value:
    if len(value.poly) > MAXIMUM_MONOMIALS:
        raise TooLargeError
    return value


def _valuation(number: int) -> int:
    """How often 2 divides a number that is not 0."""
    return (number & -number).bit_length() - 1


class Atoms:
    """The atoms of one query, each once."""

    def __init__(self) -> None:
        self.all: list[Atom] = []
        self._terms: dict[Term, int] = {}
        self._floors: dict[tuple[_Frozen, int], int] = {}

    def of_term(self, term: Term) -> Value:
        """A term's unsigned value, as an atom."""
        number = self._terms.get(term)
        if number is None:
            number = self._terms[term] = len(self.all)
            self.all.append(Atom(0, (1 << term.width) - 1, term))
        return self._value(number)

    def _value(self, number: int) -> Value:
        return Value({(number,): 1}, self.all[number].low, self.all[number].high)

    def unsigned(self, value: Value, width: int) -> Value:
        """``value`` modulo ``2 ** width``, from 0 up."""
        quotient = self.floor(value, width)
        return add(value, quotient, -(1 << width)).clamped(0, (1 << width) - 1)

    def signed(self, value: Value, width: int) -> Value:
        """``value`` modulo ``2 ** width``, as two's complement reads it."""
        half = 1 << (width - 1)
        quotient = self.floor(add(value, constant(half)), width)
        return add(value, quotient, -(1 << width)).clamped(-half, half - 1)

    def floor(self, value: Value, shift: int) -> Value:
        """The floor of ``value / 2 ** shift``."""
        low, high = value.low >> shift, value.high >> shift
        if low == high:
            return constant(low)
        whole, rest = self._divided(value.poly, shift)
        if not rest:
            return Value(whole, low, high)
        quotient = self._of_rest(self._bounded(rest), shift)
        total = add(Value(whole, *self._bounds(whole)), quotient)
        return total.clamped(low, high)

    @staticmethod
    def _divided(poly: Poly, shift: int) -> tuple[Poly, Poly]:
        """Quotient and remainder, coefficient by coefficient; remainders are from 0 up."""
        whole = {monomial: c >> shift for monomial, c in poly.items() if c >> shift}
        mask = (1 << shift) - 1
        return whole, {monomial: c & mask for monomial, c in poly.items() if c & mask}

    def _of_rest(self, rest: Value, shift: int) -> Value:
        """The floor where no coefficient can be taken out: in steps, so that what the low terms carry is an atom of
        its own; then the same carry in another sum is the same atom."""
        if rest.low >> shift == rest.high >> shift:
            return constant(rest.low >> shift)
        valuations = sorted({_valuation(c) for c in rest.poly.values()})
        common = valuations[0]
        if common:
            reduced = {monomial: c >> common for monomial, c in rest.poly.items()}
            return self._of_rest(Value(reduced, rest.low >> common, rest.high >> common), shift - common)
        if len(valuations) > 1:
            step = valuations[1]
            lower = {m: c for m, c in rest.poly.items() if not _valuation(c)}
            upper = {m: c >> step for m, c in rest.poly.items() if _valuation(c)}
            carry = self.floor(self._bounded(lower), step)
            return self.floor(add(Value(upper, *self._bounds(upper)), carry), shift - step)
        return self._atom(rest, shift)

    def _atom(self, rest: Value, shift: int) -> Value:
        if len(rest.poly) == 1:
            [(monomial, coefficient)] = rest.poly.items()
            inner = self.all[monomial[0]] if len(monomial) == 1 and coefficient == 1 else None
            if inner is not None and inner.term is None:
                # The floor of a floor is one floor.
                return self.floor(Value(dict(inner.poly), *self._bounds(inner.poly)), inner.shift + shift)
        key = (frozenset(rest.poly.items()), shift)
        number = self._floors.get(key)
        if number is None:
            number = self._floors[key] = len(self.all)
            self.all.append(Atom(rest.low >> shift, rest.high >> shift, None, dict(rest.poly), shift))
        return self._value(number)

    def _bounded(self, poly: Poly) -> Value:
        return Value(poly, *self._bounds(poly))

    def _bounds(self, poly: Mapping[Monomial, int]) -> tuple[int, int]:
        """What the bounds of the atoms say about a polynomial."""
        low = high = 0
        for monomial, coefficient in poly.items():
            ends = [coefficient * end for end in self._range(monomial)]
            low, high = low + min(ends), high + max(ends)
        return low, high

    def _range(self, monomial: Monomial) -> tuple[int, int]:
        low = high = 1
        for number in monomial:
            atom = self.all[number]
            ends = [x * y for x in (low, high) for y in (atom.low, atom.high)]
            low, high = min(ends), max(ends)
        return low, high

    def nonlinear(self, poly: Mapping[Monomial, int]) -> bool:
        """True if atoms are multiplied with each other anywhere in it."""
        return any(len(m) > 1 for p in self._within(poly) for m in p)

    def _within(self, poly: Mapping[Monomial, int]) -> Iterator[Mapping[Monomial, int]]:
        """The polynomial, and those that its atoms are floors of."""
        seen: set[int] = set()
        pending = [poly]
        while pending:
            one = pending.pop()
            yield one
            for number in {n for monomial in one for n in monomial} - seen:
                seen.add(number)
                if self.all[number].term is None:
                    pending.append(self.all[number].poly)
