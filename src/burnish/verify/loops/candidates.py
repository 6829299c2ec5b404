"""Relations that hold on samples of a pair of cuts: what induction starts from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from burnish.domains.smt.clock import look
from burnish.machine.registers import CALLEE_SAVED, GPR_CELLS, VECTOR_CELLS
from burnish.recompile.bits import cell_mask, cells_in, cells_mask
from burnish.verify.engine.addresses import OBJECT
from burnish.verify.engine.state import entry_value
from burnish.verify.loops.modular import Numbers, relations
from burnish.verify.loops.plain import plain
from burnish.verify.loops.relations import Affine, Computed, OuterKept, Relation, holds
from burnish.verify.loops.values import FRAME, Sample, Side, Value

WIDTHS = (64, 32, 8)
"""Widths in bits at which linear relations are looked for."""

PRESERVED = (*CALLEE_SAVED, "rsp")
"""Registers that a function gives back as they were."""
_LARGEST, _MOST_TERMS = 4096, 12
"""The largest coefficient of a linear relation of several terms, and how many it may have."""
_DIVISIBLE_BITS, _MOST_DIVISIBLE = 8, 3
"""Of what powers of two a sum may be known to be a multiple, and of how many terms."""
ADDRESS_BITS = 40
"""Constants of more bits than that are no program's."""
FEWEST_VALUES = 5
"""Numbers that a value had, below which what they have in common may be chance."""


def cell_values(side: Side, live: int) -> tuple[Value, ...]:
    """The register cells with a byte in ``live`` (``recompile.bits``) that relations may speak of."""
    return tuple(Value(side, cell.name, 0, cell.size) for cell, _ in cells_in(live) if cell.size >= 8)


def untouched(side: Side, written: int) -> tuple[Computed, ...]:
    """That registers without a byte in ``written``, which a function does not change, hold what they held at entry."""
    return tuple(
        Computed(Value(side, cell.name, 0, cell.size), entry_value(cell, 0, cell.size))
        for cell in (*GPR_CELLS, *VECTOR_CELLS)
        if not written & cell_mask(cell.name)
    )


def slot_values(side: Side, slots: Iterable[tuple[int, int]]) -> tuple[Value, ...]:
    """The parts of the frame at ``(offset, size)``, of sizes that relations speak of."""
    return tuple(
        Value(side, FRAME, offset, size) for offset, size in sorted(slots) if size in (1, 2, 4, 8, 16)
    )


def entry_values(live: int, written: int) -> tuple[Value, ...]:
    """What a function may take from the state at entry, where ``live`` are the bytes that it reads, and what it has to
    give back of the bytes that are ``written``."""
    wanted = live | written & cells_mask(PRESERVED)
    return tuple(Value("e", cell.name, 0, cell.size) for cell, _ in cells_in(wanted) if cell.size >= 8)


def object_values(names: Iterable[str]) -> tuple[Value, ...]:
    """The addresses of objects."""
    return tuple(Value("e", OBJECT + name) for name in names)


def columns(samples: Sequence[Sample], values: Sequence[Value], width: int) -> dict[Value, Numbers]:
    """What of ``values`` counts in relations of a width, with its value in each sample: parts of that width, and, at
    64 bits, what 32 bits are when extended. ``values`` that some sample lacks are left out."""
    found: dict[Value, Numbers] = {}
    for value in values:
        look()
        if all(sample[value] is not None for sample in samples):
            for part in _parts(value, width):
                found[part] = np.array([sample[part] for sample in samples], np.uint64)
    return found


def _parts(value: Value, width: int) -> Iterator[Value]:
    side, cell, offset, size = value.side, value.cell, value.offset, value.size
    step = width // 8
    if size == 16:
        if step >= 4:
            yield from (Value(side, cell, offset + k, step) for k in range(0, 16, step))
    elif value.is_object:
        if width == 64:
            yield value
    elif width == 64 and size >= 4:
        if size == 8:
            yield value
        if size == 4 or side == "e":
            yield Value(side, cell, offset, 4, "zext")
            yield Value(side, cell, offset, 4, "sext")
    elif size >= step:
        yield Value(side, cell, offset, step)


def linear(table: Mapping[Value, Numbers], width: int) -> list[Affine]:
    """Linear relations of one width: each says of one value what those before it make of it. Complete but for
    relations of many terms or large coefficients, which are chance where samples are few."""
    first: dict[bytes, Value] = {}
    found: list[Affine] = []
    for value, numbers in table.items():
        before = first.setdefault(numbers.tobytes(), value)
        if (numbers == numbers[0]).all():
            found.append(Affine(((1, value),), -int(numbers[0]) % (1 << width), width))
        elif before != value and not (before.extended and place_of(before) == place_of(value)):
            found.append(Affine((((1 << width) - 1, before), (1, value)), 0, width))
        if width == 64 and value.size == 8 and value.side != "e" and value.cell != "rsp":
            for part, numbers_of_part in _lower_half(value, numbers):
                first.setdefault(numbers_of_part.tobytes(), part)
    fixed = {relation.lead for relation in found}
    free = [value for value in dict.fromkeys(first.values()) if value in table and value not in fixed]
    if free:
        found += (few := plain(table, free, width))
        leads = {relation.lead for relation in few}
        free = [value for value in free if value not in leads]
        ones = np.ones(len(table[free[0]]), np.uint64)
        for relation in relations(np.column_stack([ones, *(table[value] for value in free)]), width):
            affine = _affine(relation, free, width)
            if affine is not None:
                found.append(affine)
    if width < 64:
        return found
    anchors = _anchors(table)
    return [_anchored(relation, anchors) for relation in found]


def _anchors(table: Mapping[Value, Numbers]) -> dict[Value, int]:
    """Values that are one number in all samples: those of the entry state, and of others that are addresses the first
    near each."""
    found: dict[Value, int] = {}
    for value, numbers in table.items():
        number = int(numbers[0])
        if value.extended or not (numbers == numbers[0]).all():
            continue
        far = all(abs(number - other) > _LARGEST for other in found.values())
        if value.side == "e" or (number >> ADDRESS_BITS and far):
            found[value] = number
    return found


def _lower_half(value: Value, numbers: Numbers) -> Iterator[tuple[Value, Numbers]]:
    """What the lower half of a value is when extended: what another may be the same as."""
    low = numbers & np.uint64((1 << 32) - 1)
    yield (
        replace(value, size=4, extended="sext"),
        low.astype(np.uint32).view(np.int32).astype(np.int64).view(np.uint64),
    )
    yield replace(value, size=4, extended="zext"), low


def _anchored(relation: Affine, anchors: Mapping[Value, int]) -> Affine:
    """Where the constant of a relation is an address of the runs: as a distance from the entry value that is one in all
    of them."""
    modulus, half = 1 << 64, 1 << 63
    if abs((relation.constant + half) % modulus - half) >> ADDRESS_BITS == 0 or relation.lead in anchors:
        return relation
    for value, number in anchors.items():
        for factor in (1, -1):
            rest = (relation.constant - factor * number + half) % modulus - half
            if abs(rest) <= _LARGEST and number >> ADDRESS_BITS:
                terms = ((factor % modulus, value), *relation.terms)
                return Affine(terms, rest % modulus, 64)
    return relation


def _affine(relation: dict[int, int], free: Sequence[Value], width: int) -> Affine | None:
    constant = relation.pop(0, 0)
    terms = tuple((coefficient, free[k - 1]) for k, coefficient in relation.items())
    if terms and terms[-1][0] != 1 and terms[-1][1].cell in ("rsp", "rbp"):
        return None  # how the stack is aligned is known
    if not terms or len(terms) > _MOST_TERMS:
        return None
    if len(terms) == 1:
        return Affine(terms, constant, width)
    lead = terms[-1][0]
    if (
        lead >> (width - _DIVISIBLE_BITS)
        and len(terms) <= _MOST_DIVISIBLE
        and all(c % lead == 0 for c, _ in terms)
    ):
        return Affine(terms, constant, width)  # a distance is a multiple of something
    for factor in (1, 3, 5, 7, 9) if terms[-1][0] == 1 else (1,):
        # What is three times another has a large coefficient where that is said of the other.
        scaled = tuple((factor * c % (1 << width), value) for c, value in terms)
        if all(_is_small(c, width) for c, _ in scaled):
            return Affine(scaled, factor * constant % (1 << width), width)
    return None


def _is_small(coefficient: int, width: int) -> bool:
    half = 1 << (width - 1)
    return abs((coefficient + half) % (2 * half) - half) <= _LARGEST


def equalities(samples: Sequence[Sample], values: Sequence[Value]) -> list[Affine]:
    """The linear relations of all widths, but for those of the entry state alone: they are chance, or known. Of what is
    defined at one width, parts are not looked at again."""
    found: list[Affine] = []
    defined: set[tuple[Side, str, int]] = set()
    bytes_matter = any(value.size == 1 for value in values)
    for width in WIDTHS if bytes_matter else WIDTHS[:-1]:
        table = columns(samples, values, width)
        for value in [v for v in table if place_of(v) in defined]:
            del table[value]
        new = linear(table, width)
        found.extend(new)
        defined.update(place_of(r.lead) for r in new if r.defines and not r.lead.extended)
    found = [relation for relation in found if _is_likely(relation, samples)]
    return found + _narrow(samples, values, defined)


def _is_likely(relation: Affine, samples: Sequence[Sample]) -> bool:
    """False for what is known, as of the entry state alone, or chance: numbers that are addresses of the runs, and few
    values that happen to be multiples of something."""
    if all(value.side == "e" for _, value in relation.terms):
        return False
    half = 1 << (relation.width - 1)
    if relation.width == 64 and abs((relation.constant + half) % (2 * half) - half) >> ADDRESS_BITS:
        return False
    return relation.defines or len({sample[relation.lead] for sample in samples}) >= FEWEST_VALUES


def _narrow(
    samples: Sequence[Sample], values: Sequence[Value], defined: set[tuple[Side, str, int]]
) -> list[Affine]:
    """That upper parts of registers are 0, or what the sign makes of the lower half, of those that are not ``defined``
    by others."""
    found: list[Affine] = []
    for value in values:
        if (
            value.side == "e"
            or value.size != 8
            or value.cell == FRAME
            or value.word
            or place_of(value) in defined
        ):
            continue
        numbers = [sample[value] or 0 for sample in samples]
        if numbers and all((number + (1 << 31)) % (1 << 64) >> 32 == 0 for number in numbers):
            extended = replace(value, size=4, extended="sext")
            found.append(Affine((((1 << 64) - 1, extended), (1, value)), 0, 64))
        most = max(numbers, default=0)
        # A count that stays small in short runs does not in long ones.
        bits = 8 if 1 << 5 < most < 1 << 8 else 16 if 1 << 13 < most < 1 << 16 else 32
        for size in (4, 2, 1):
            if 0 < most < 1 << bits <= 1 << 8 * size:
                found.append(Affine(((1, replace(value, offset=size, size=size)),), 0, 8 * size))
    return found


def extends_itself(relation: Relation) -> bool:
    """True for the relation that a value's upper half is what the sign makes of the lower: where the upper half is 0
    that says little more, and may be hard to tell of what was computed with divisions."""
    if not isinstance(relation, Affine) or len(relation.terms) != 2:
        return False
    (_, part), (_, whole) = relation.terms
    return part.extended == "sext" and place_of(part) == place_of(whole)


def place_of(value: Value) -> tuple[Side, str, int]:
    """The register, or place in the frame, of which a value is a part."""
    return value.side, value.cell, value.offset


def kept(samples: Sequence[Sample]) -> list[Relation]:
    """That memory is as at entry, where no sample says otherwise."""
    relation = OuterKept()
    return [relation] if all(holds(relation, sample) for sample in samples) else []
