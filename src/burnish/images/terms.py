"""Values as expressions over what held when a block was entered, in a normal form.

Sums are flattened and carry their coefficients, extensions and truncations cancel, masks of whole bytes are
truncations: so two computations of one value, by whatever instructions, are equal terms.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from burnish.core.pcode import OpCode, Varnode


@dataclass(frozen=True, slots=True)
class Const:
    """A known number of ``size`` bytes, without sign."""

    value: int
    size: int


@dataclass(frozen=True, slots=True)
class Input:
    """What a register held at the start of the block."""

    node: Varnode

    @property
    def size(self) -> int:
        return self.node.size


@dataclass(frozen=True, slots=True)
class Instant:
    """A point of execution in the past: before the operation ``index`` of a block, ``age`` blocks ago."""

    block: int
    index: int
    age: int = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that came from somewhere else at ``moment``; ``node`` tells values of one moment apart."""

    moment: Instant
    node: Varnode

    @property
    def size(self) -> int:
        return self.node.size


@dataclass(frozen=True, slots=True)
class Memory:
    """What memory held at ``address``: at the start of the block, or since ``moment``."""

    address: Term
    size: int
    moment: Instant | None = None
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", 1 + weight(self.address))


@dataclass(frozen=True, slots=True)
class Sum:
    """``constant`` plus each term times its coefficient, modulo 2 to the 8 × ``size``. Built by ``add`` only."""

    constant: int
    parts: frozenset[tuple[Term, int]]
    size: int
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", 1 + sum(weight(part) for part, _ in self.parts))


@dataclass(frozen=True, slots=True)
class Apply:
    """Any other operation on operands."""

    opcode: OpCode
    operands: tuple[Term, ...]
    size: int
    weight: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", 1 + sum(map(weight, self.operands)))


Term = Const | Input | Unknown | Memory | Sum | Apply


def weight(term: Term) -> int:
    """How many nodes the term has, written out as a tree."""
    match term:
        case Const() | Input() | Unknown():
            return 1
        case Memory() | Sum() | Apply():
            return term.weight


def mask(size: int) -> int:
    """All ones in ``size`` bytes."""
    return (1 << 8 * size) - 1


def signed(value: int, size: int) -> int:
    """``value`` of ``size`` bytes read as two's complement."""
    return value - (1 << 8 * size) if value >> (8 * size - 1) & 1 else value


def add(size: int, constant: int, parts: Iterable[tuple[Term, int]]) -> Term:
    """``constant`` plus each term of ``size`` bytes times its coefficient."""
    total = constant
    sums: dict[Term, int] = {}
    for term, factor in parts:
        match term:
            case Const(value):
                total += value * factor
            case Sum(inner_constant, inner_parts):
                total += inner_constant * factor
                for inner, inner_factor in inner_parts:
                    sums[inner] = sums.get(inner, 0) + inner_factor * factor
            case _:
                sums[term] = sums.get(term, 0) + factor
    limit = mask(size)
    total &= limit
    kept = frozenset((term, factor & limit) for term, factor in sums.items() if factor & limit)
    if not kept:
        return Const(total, size)
    if not total and len(kept) == 1:
        ((only, factor),) = kept
        if factor == 1:
            return only
    return Sum(total, kept, size)


def difference(left: Term, right: Term) -> int | None:
    """``left - right`` as a signed number where it is constant, else None."""
    found = add(left.size, 0, ((left, 1), (right, -1)))
    return signed(found.value, found.size) if isinstance(found, Const) else None


def zero_extend(term: Term, size: int) -> Term:
    """``term`` in ``size`` bytes, at least as many as it has, with zeros above."""
    if term.size == size:
        return term
    match term:
        case Const(value):
            return Const(value, size)
        case Apply(OpCode.INT_ZEXT, (inner,)):
            return Apply(OpCode.INT_ZEXT, (inner,), size)
        case _:
            return Apply(OpCode.INT_ZEXT, (term,), size)


def sign_extend(term: Term, size: int) -> Term:
    """``term`` in ``size`` bytes, at least as many as it has, with copies of its sign above."""
    if term.size == size:
        return term
    match term:
        case Const(value):
            return Const(signed(value, term.size) & mask(size), size)
        case Apply(OpCode.INT_SEXT | OpCode.INT_ZEXT as opcode, (inner,)):
            return Apply(opcode, (inner,), size)
        case _:
            return Apply(OpCode.INT_SEXT, (term,), size)


def truncate(term: Term, size: int) -> Term:
    """The low ``size`` bytes."""
    if term.size == size:
        return term
    match term:
        case Const(value):
            return Const(value & mask(size), size)
        case Sum(constant, parts):
            return add(size, constant, [(truncate(part, size), factor) for part, factor in parts])
        case Memory(address, _, moment):
            return Memory(address, size, moment)
        case Apply(OpCode.INT_ZEXT | OpCode.INT_SEXT as opcode, (inner,)):
            if size <= inner.size:
                return truncate(inner, size)
            return zero_extend(inner, size) if opcode is OpCode.INT_ZEXT else sign_extend(inner, size)
        case Apply(OpCode.INT_AND, (inner, Const(value))):
            return bit_and(truncate(inner, size), Const(value & mask(size), size))
        case Apply(OpCode.SUBPIECE, (inner, Const(0))) | Apply(OpCode.PIECE, (_, inner)) if (
            size <= inner.size
        ):
            return truncate(inner, size)
        case _:
            return Apply(OpCode.SUBPIECE, (term, Const(0, 4)), size)


def subpiece(term: Term, skip: int, size: int) -> Term:
    """``size`` bytes from byte ``skip`` on."""
    if skip == 0:
        return truncate(term, size)
    match term:
        case Const(value):
            return Const(value >> 8 * skip & mask(size), size)
        case Memory(address, _, moment):
            return Memory(add(8, skip, ((address, 1),)), size, moment)
        case _:
            return Apply(OpCode.SUBPIECE, (term, Const(skip, 4)), size)


def piece(high: Term, low: Term) -> Term:
    """``high`` and ``low`` side by side."""
    if isinstance(high, Const) and high.value == 0:
        return zero_extend(low, high.size + low.size)
    return Apply(OpCode.PIECE, (high, low), high.size + low.size)


def bit_and(left: Term, right: Term) -> Term:
    """Both, bit by bit. A mask of the low 1, 2, 4 or 8 bytes comes out as a truncation."""
    size = left.size
    if isinstance(left, Const):
        left, right = right, left
    if left == right:
        return left
    match left, right:
        case Const(a), Const(b):
            return Const(a & b, size)
        case _, Const(0):
            return right
        case Apply(OpCode.INT_AND, (inner, Const(a))), Const(b):
            return bit_and(inner, Const(a & b, size))
        case _, Const(bits):
            for width in (1, 2, 4, 8):
                if bits == mask(width) and width <= size:
                    return zero_extend(truncate(left, width), size)
        case _:
            pass
    return Apply(OpCode.INT_AND, (left, right), size)


def apply(opcode: OpCode, operands: tuple[Term, ...], size: int) -> Term:
    """The normal form of a scalar p-code operation on ``operands``."""
    match opcode, operands:
        case OpCode.COPY | OpCode.ADDRESS, (value,):
            return value
        case OpCode.INT_ADD, (left, right):
            return add(size, 0, ((left, 1), (right, 1)))
        case OpCode.INT_SUB, (left, right):
            return add(size, 0, ((left, 1), (right, -1)))
        case OpCode.INT_2COMP, (value,):
            return add(size, 0, ((value, -1),))
        case OpCode.INT_MULT, (left, Const(factor)) | (Const(factor), left):
            return add(size, 0, ((left, factor),))
        case OpCode.INT_LEFT, (value, Const(count)) if count < 8 * size:
            return add(size, 0, ((value, 1 << count),))
        case OpCode.INT_ZEXT, (value,):
            return zero_extend(value, size)
        case OpCode.INT_SEXT, (value,):
            return sign_extend(value, size)
        case OpCode.SUBPIECE, (value, Const(skip)):
            return subpiece(value, skip, size)
        case OpCode.INT_AND, (left, right):
            return bit_and(left, right)
        case OpCode.PIECE, (high, low):
            return piece(high, low)
        case OpCode.INT_EQUAL | OpCode.INT_NOTEQUAL, (left, right):
            return _compared(opcode, left, right)
        case _:
            return Apply(opcode, operands, size)


def _compared(opcode: OpCode, left: Term, right: Term) -> Term:
    """Equality. Sign flag against overflow flag, after a comparison of two numbers, is "less" for signed ones."""
    for sign, overflow in ((left, right), (right, left)):
        match sign, overflow:
            case Apply(OpCode.INT_SLESS, (gap, Const(0))), Apply(OpCode.INT_SBORROW, (a, b)):
                if gap == add(a.size, 0, ((a, 1), (b, -1))):
                    less = Apply(OpCode.INT_SLESS, (a, b), 1)
                    return less if opcode is OpCode.INT_NOTEQUAL else Apply(OpCode.BOOL_NEGATE, (less,), 1)
            case _:
                pass
    return Apply(opcode, (left, right), 1)


def children(term: Term) -> tuple[Term, ...]:
    """The operands of a term."""
    match term:
        case Memory(address):
            return (address,)
        case Sum(parts=parts):
            return tuple(part for part, _ in parts)
        case Apply(operands=operands):
            return operands
        case Const() | Input() | Unknown():
            return ()


def leaves(term: Term) -> frozenset[Term]:
    """The registers, memory and unknown values that a term depends on."""
    match term:
        case Input() | Unknown():
            return frozenset((term,))
        case Memory(address):
            return leaves(address) | {term}
        case Const():
            return frozenset()
        case Sum() | Apply():
            return frozenset[Term]().union(*map(leaves, children(term)))


def is_open(term: Term) -> bool:
    """True if what held where the block begins has a say in the term."""
    match term:
        case Input():
            return True
        case Memory(address, _, moment):
            return moment is None or is_open(address)
        case Const() | Unknown():
            return False
        case Sum() | Apply():
            return any(map(is_open, children(term)))
