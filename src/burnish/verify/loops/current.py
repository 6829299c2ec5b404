"""Terms over what both sides hold at a pair of cuts: values under their names, and memory as it is there.

One side keeps in a register what the other makes anew of something each round: an element of an array that it has just
stored, or a mask of a byte that it still has. No linear relation says so, but the way to the cuts does, for there the
one is a part of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from burnish.domains.smt.build import const, extract, memory, rebuild, select, var, zext
from burnish.domains.smt.rewrite import substitute
from burnish.domains.smt.sums import Linear, linear
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.loops.known_ranges import SUMS, split, total_of
from burnish.verify.loops.values import Value, value_from_text

MEMORY_NOW = memory("memory now")
NAMED = "@"
"""What the names of values begin with, where terms speak of them."""
_MOST_PARTS = 60
_LINEAR = frozenset((Op.VAR, Op.CONST, Op.ADD, Op.MUL))
_EXTENSIONS = frozenset((Op.ZEXT, Op.SEXT))
_HALF, _ADDRESS = 32, 64
_NO_VALUES = frozenset((Op.APPLY, Op.FLOAT, Op.STORE, Op.MEMORY, Op.ITE))
"""Not said in values: a choice is about the way that was gone."""


def named(value: Value) -> Term:
    """A value of one of the sides, no extension of one, as a variable in terms over what is held now."""
    return var(f"{NAMED}{value}", value.width)


def value_named(name: str) -> Value | None:
    """The value that a variable of this name stands for; None for another name."""
    if not name.startswith(NAMED):
        return None
    try:
        value = value_from_text(name.removeprefix(NAMED))
    except ValueError:
        return None
    return None if value.side == "e" or value.extended else value


def values_in(term: Term) -> tuple[Value, ...]:
    """The values of both sides that a term speaks of."""
    found = (value_named(part.name) for part in subterms(term) if part.op is Op.VAR)
    return tuple(value for value in found if value is not None)


def at(term: Term, values: Mapping[Value, Term], now: Term) -> Term:
    """A term over what is held now, with these ``values`` and this memory."""
    return substitute([term], {**{named(value): is_ for value, is_ in values.items()}, MEMORY_NOW: now})[0]


class Naming:
    """Says terms of a pair of cuts in the values held there. ``known`` has them by their terms; ``now`` is the memory
    there, and ``entry`` the variables that mean the same everywhere."""

    def __init__(self, known: Mapping[Term, Sequence[Value]], now: Term, entry: frozenset[str]) -> None:
        self._known = known
        self._now = now
        self._entry = entry
        self._left = 0

    def of(self, term: Term, but: Value | None = None) -> Term | None:
        """The term in other values than parts of ``but``; None where that needs too much, or is not possible."""
        self._left = _MOST_PARTS
        return self._of(term, None if but is None else (but.side, but.cell))

    def _of(self, term: Term, but: tuple[str, str] | None) -> Term | None:
        self._left -= 1
        if self._left < 0 or term.op in _NO_VALUES:
            return None
        if term.op is Op.CONST or (term.op is Op.VAR and term.name in self._entry):
            return term
        for value in self._known.get(term, ()):
            if (value.side, value.cell) != but:
                return named(value)
        if term.op is Op.VAR:
            return None
        if term.op is Op.SELECT:
            source, address = term.args
            if source is not self._now and select(self._now, address) is not term:
                return None
            place = self._of(address, but)
            return None if place is None else select(MEMORY_NOW, place)
        total = _sum(term) if term.width == _ADDRESS and term.op in SUMS else None
        if total is not None and list(total.factors) != [term]:
            parts: dict[Term, int] = {}
            for factor, times in total.factors.items():
                made = self._of(factor, but)
                if made is None:
                    return None
                parts[made] = parts.get(made, 0) + times
            return total_of(parts, total.constant, term.width)
        args = [self._of(arg, but) for arg in term.args]
        made_of = [arg for arg in args if arg is not None]
        return rebuild(term, made_of) if len(made_of) == len(args) else None


def _sum(term: Term) -> Linear:
    """A term as a sum of values with factors: an index that is known to be short is scaled in so many bits as it takes,
    and its multiples have the rest beside them."""
    total = linear((term, 1))
    for factor, times in list(total.factors.items()):
        inner = factor.args[0] if factor.op is Op.ZEXT else factor
        if inner is factor or len(inner.args) != 2 or not inner.args[1].is_const:
            continue
        index, last = inner.args
        if inner.op is Op.CONCAT:
            power, constant = last.width, last.value
        elif inner.op is Op.MUL and last.value & (last.value - 1) == 0:
            power, constant = last.value.bit_length() - 1, 0
            index = extract(index, 0, inner.width - power)
        else:
            continue
        total.add(factor, -times)
        total.add(zext(index, term.width), times << power)
        total.add(const(constant, term.width), times)
    return total


def is_worth_saying(term: Term) -> bool:
    """False for what linear relations say, and for words at a distance from a value, and where nothing is said of what
    is held now."""
    parts = list(subterms(term))
    if not any(part is MEMORY_NOW or (part.op is Op.VAR and part.name.startswith(NAMED)) for part in parts):
        return False
    loads = [part for part in parts if part.op is Op.SELECT]
    if loads:
        whole = term.args[0] if term.op in _EXTENSIONS else term
        return not all(_is_byte_at_a_value(byte) for byte in _bytes(whole))
    return not all(_is_linear(part) for part in parts)


def _bytes(word: Term) -> Sequence[Term]:
    return word.args if word.op is Op.CONCAT else (word,)


def _is_byte_at_a_value(byte: Term) -> bool:
    return byte.op is Op.SELECT and split(byte.args[1])[0].op in (Op.VAR, Op.CONST)


def _is_linear(part: Term) -> bool:
    if part.op in _EXTENSIONS:
        return part.args[0].width == _HALF
    return part.op in _LINEAR or (part.op is Op.EXTRACT and part.payload == 0)


def wholes(values: Sequence[Value]) -> Iterator[tuple[Value, ...]]:
    """The values of both sides that terms may say, each with its lower parts after it."""
    for value in values:
        if value.side != "e" and value.size <= 8 and value.cell != "rsp":
            yield tuple(Value(value.side, value.cell, value.offset, s) for s in (8, 4, 1) if s <= value.size)
