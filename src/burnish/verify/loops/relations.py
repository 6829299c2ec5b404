"""Relations between two functions at a pair of cuts, as data: shown, stored, evaluated on samples."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, assert_never

from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.verify.loops.current import MEMORY_NOW, named, values_in
from burnish.verify.loops.term_text import term_from_text, term_to_text
from burnish.verify.loops.values import Sample, Value, value_from_text


@dataclass(frozen=True, slots=True)
class Affine:
    """The sum of ``coefficient * value`` over ``terms``, plus ``constant``, is 0 modulo ``2 ** width``.

    All values have that width. The last term leads; a coefficient of 1 there makes the relation its definition.
    """

    terms: tuple[tuple[int, Value], ...]
    constant: int
    width: int

    @property
    def lead(self) -> Value:
        """The value that the relation constrains by the others."""
        return self.terms[-1][1]

    @property
    def defines(self) -> bool:
        """True where the relation says what ``lead`` is."""
        return self.terms[-1][0] == 1

    def __str__(self) -> str:
        modulus = 1 << self.width
        coefficient, lead = self.terms[-1]
        left = str(lead) if coefficient == 1 else f"{coefficient:#x}*{lead}"
        right = " + ".join(_scaled((-c) % modulus, str(v), modulus) for c, v in self.terms[:-1])
        constant = _near((-self.constant) % modulus, modulus)
        if constant or not right:
            right = f"{right} + {constant}" if right else str(constant)
        return f"{left} == {right} ({self.width})"


def _near(number: int, modulus: int) -> int:
    return number - modulus if number > modulus // 2 else number


def _scaled(coefficient: int, name: str, modulus: int) -> str:
    return name if coefficient == 1 else f"{_near(coefficient, modulus)}*{name}"


class Comparison(Enum):
    """How two values of one width compare; ``u`` unsigned, ``s`` signed."""

    DIFFERENT = "!="
    BELOW = "<u"
    NOT_ABOVE = "<=u"
    LESS = "<s"
    NOT_GREATER = "<=s"
    ABOVE = ">u"
    NOT_BELOW = ">=u"
    GREATER = ">s"
    NOT_LESS = ">=s"


@dataclass(frozen=True, slots=True)
class Order:
    """``left`` compares so with ``right``, a value of the same width or a number."""

    left: Value
    comparison: Comparison
    right: Value | int

    def __str__(self) -> str:
        return f"{self.left} {self.comparison.value} {self.right}"


@dataclass(frozen=True, slots=True)
class OuterKept:
    """All memory outside the frame holds what it held at entry."""

    def __str__(self) -> str:
        return "memory == entry memory"


@dataclass(frozen=True, slots=True)
class Asked:
    """A condition (width 1) that holds whenever both sides come to the place: on the state at entry, registers under
    the names of their cells, memory under ``memory``; and on what is held now (``current``)."""

    condition: Term

    def __str__(self) -> str:
        return term_to_text(self.condition)


@dataclass(frozen=True, slots=True)
class Computed:
    """``value`` is what ``term`` makes of the state at entry: registers under the names of their cells, memory under
    ``memory``; and of other values as they are now, and memory outside the frames now (``current``)."""

    value: Value
    term: Term

    def __str__(self) -> str:
        return f"{self.value} == {term_to_text(self.term)}"


@dataclass(frozen=True, slots=True)
class Held:
    """``value`` is what memory outside the frames holds now, ``offset`` bytes from the address that is ``base``; with a
    ``kind``, what the original's loads of that class find there (``pair.Unseen``)."""

    value: Value
    base: Value
    offset: int
    kind: int | None = None

    def __str__(self) -> str:
        seen = "" if self.kind is None else f" as loads of class {self.kind} see it"
        return f"{self.value} == [{self.base}{self.offset:+d}]{seen}"


Relation = Affine | Order | OuterKept | Asked | Computed | Held
"""That outer memory is equal on both sides is not among them: it is asked for at every pair of cuts."""


def holds(relation: Relation, sample: Sample) -> bool:
    """True where a sample has all the values, and they are so related."""
    match relation:
        case Affine(terms, constant, width):
            total = constant
            for coefficient, value in terms:
                number = sample[value]
                if number is None:
                    return False
                total += coefficient * number
            return total % (1 << width) == 0
        case Order(left, comparison, right):
            a, b = sample[left], right if isinstance(right, int) else sample[right]
            return a is not None and b is not None and compare(comparison, a, b, left.width)
        case OuterKept():
            return sample.a.outer == sample.b.outer == sample.entry.outer
        case Asked(condition):
            return _may_be(condition, 1, sample)
        case Computed(value, term):
            number = sample[value]
            return number is not None and _may_be(term, number, sample)
        case Held():
            return True  # what memory holds is not sampled
        case _:
            assert_never(relation)


def _may_be(term: Term, number: int, sample: Sample) -> bool:
    """False where a term of the entry state is another number. What reads memory is known only in a solver's models."""
    values = values_in(term)
    memories = {part for part in subterms(term) if part.op is Op.MEMORY}
    if MEMORY_NOW in memories or (memories and values):
        return True
    if values:
        held = {named(value).name: sample[value] for value in values}
        known = {name: one for name, one in held.items() if one is not None}
        cells = {**sample.entry.cells, **known}
        if sample.model is not None:
            cells = {**sample.model.variables, **cells}
        return len(known) == len(held) and evaluate([term], _Entry(cells))[0] == number
    if sample.model is not None:
        return evaluate([term], sample.model)[0] == number
    if memories:
        return True
    return evaluate([term], _Entry(sample.entry.cells))[0] == number


@dataclass(frozen=True, slots=True)
class _Entry:
    """The registers at entry as values of variables."""

    variables: Mapping[str, int]
    memories: Mapping[str, Mapping[int, int]] = field(default_factory=dict[str, Mapping[int, int]])
    functions: Mapping[str, Mapping[tuple[int, ...], int]] = field(
        default_factory=dict[str, Mapping[tuple[int, ...], int]]
    )


def compare(comparison: Comparison, a: int, b: int, width: int) -> bool:
    """The comparison of two unsigned integers of that width."""
    sign = 1 << (width - 1)
    match comparison:
        case Comparison.DIFFERENT:
            return a != b
        case Comparison.BELOW:
            return a < b
        case Comparison.NOT_ABOVE:
            return a <= b
        case Comparison.LESS:
            return a ^ sign < b ^ sign
        case Comparison.NOT_GREATER:
            return a ^ sign <= b ^ sign
        case Comparison.ABOVE:
            return a > b
        case Comparison.NOT_BELOW:
            return a >= b
        case Comparison.GREATER:
            return a ^ sign > b ^ sign
        case Comparison.NOT_LESS:
            return a ^ sign >= b ^ sign
        case _:
            assert_never(comparison)


def relation_to_json(relation: Relation) -> dict[str, Any]:
    """JSON data with the relation in words under ``text``; coefficients as decimal text, since JSON's numbers are 53
    bits wide. ``relation_from_json`` reads it."""
    data: dict[str, Any] = {"text": str(relation)}
    match relation:
        case Affine(terms, constant, width):
            pairs = [[str(coefficient), str(value)] for coefficient, value in terms]
            return data | {"kind": "affine", "terms": pairs, "constant": str(constant), "width": width}
        case Order(left, comparison, right):
            return data | {
                "kind": "order",
                "left": str(left),
                "comparison": comparison.value,
                "right": str(right),
            }
        case OuterKept():
            return data | {"kind": "memory-kept"}
        case Asked(condition):
            return data | {"kind": "asked", "condition": term_to_text(condition)}
        case Computed(value, term):
            return data | {"kind": "computed", "value": str(value), "term": term_to_text(term)}
        case Held(value, base, offset, kind):
            held = {"kind": "held", "value": str(value), "base": str(base), "offset": str(offset)}
            return data | held | ({} if kind is None else {"class": kind})
        case _:
            assert_never(relation)


def relation_from_json(data: dict[str, Any]) -> Relation:
    """The relation that ``relation_to_json`` gave; raises ``ValueError`` for anything else."""
    try:
        match data["kind"]:
            case "affine":
                width = int(data["width"])
                terms = tuple((int(c) % (1 << width), value_from_text(v)) for c, v in data["terms"])
                if not terms or any(value.width != width for _, value in terms):
                    raise ValueError("the values of a relation differ in width")
                return Affine(terms, int(data["constant"]) % (1 << width), width)
            case "order":
                left, right = value_from_text(data["left"]), str(data["right"])
                other = int(right) if re.fullmatch(r"\d+", right) else value_from_text(right)
                if (other.width != left.width) if isinstance(other, Value) else other >> left.width:
                    raise ValueError("the values of a relation differ in width")
                return Order(left, Comparison(data["comparison"]), other)
            case "memory-kept":
                return OuterKept()
            case "asked":
                condition = term_from_text(data["condition"])
                if condition.width != 1:
                    raise ValueError("what is asked is no condition")
                return Asked(condition)
            case "computed":
                value, term = value_from_text(data["value"]), term_from_text(data["term"])
                if term.width != value.width:
                    raise ValueError("a value and its term differ in width")
                return Computed(value, term)
            case "held":
                value, base = value_from_text(data["value"]), value_from_text(data["base"])
                if value.extended or base.width != 64 or value.word or base.word:
                    raise ValueError("what is held is no word, or where is no address")
                return Held(value, base, int(data["offset"]), int(data["class"]) if "class" in data else None)
            case kind:
                raise ValueError(f"{kind!r} is no kind of relation")
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"a relation lacks {error}") from None
