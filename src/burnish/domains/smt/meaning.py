"""What every pure p-code operation means as a term; ``domains/integers`` says the same on numbers.

Arguments are terms of the width of the operation's inputs. A boolean of p-code is a byte that holds 0 or 1: such a
term is the zero extension of a truth value, which ``truth`` takes back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.core.pcode import FLOAT_OPCODES, OpCode, Operation
from burnish.domains.smt import build as t
from burnish.domains.smt import ieee
from burnish.domains.smt.terms import Op, Term


class MeaninglessError(Exception):
    """An operation without a meaning as a term; the message is the name of its opcode. What depends on it is
    unknown."""


def truth(term: Term) -> Term:
    """The truth value (width 1) of a boolean of p-code: whether it is not 0."""
    if term.op is Op.ZEXT:
        return truth(term.args[0])
    return term if term.width == 1 else t.ne(term, t.const(0, term.width))


def apply(operation: Operation, arguments: Sequence[Term]) -> Term:
    """The result of a pure operation, of the width of its output; raises ``MeaninglessError``.

    Of a division only the value where it does not fault counts: see ``faults``.
    """
    output = operation.output
    if output is None:
        raise MeaninglessError(operation.opcode.name)
    size = operation.lane or operation.inputs[0].size
    if (
        operation.opcode in FLOAT_OPCODES
        and operation.opcode is not OpCode.FLOAT_INT2FLOAT
        and size not in (4, 8)
    ):
        raise MeaninglessError(f"{operation.opcode.name} of {size} bytes")
    if operation.lane:
        return _lanes(operation, arguments, 8 * output.size)
    return _scalar(operation, arguments, 8 * output.size)


def faults(operation: Operation, arguments: Sequence[Term]) -> Term:
    """When the operation faults, as a term of width 1: division by zero, or a quotient that does not fit."""
    match operation.opcode:
        case OpCode.INT_DIV | OpCode.INT_REM | OpCode.INT_SDIV | OpCode.INT_SREM:
            divisor = arguments[1]
            return t.eq(divisor, t.const(0, divisor.width))
        case OpCode.WIDE_DIV | OpCode.WIDE_REM:
            high, _, divisor = arguments
            return t.ule(divisor, high)
        case OpCode.WIDE_SDIV | OpCode.WIDE_SREM:
            return _signed_wide_faults(*arguments)
        case _:
            return t.FALSE


def _signed_wide_faults(high: Term, low: Term, divisor: Term) -> Term:
    width = divisor.width
    zero = t.eq(divisor, t.const(0, width))
    dividend = t.concat(high, low)
    if dividend is t.sext(low, 2 * width):
        least = t.eq(low, t.const(1 << width - 1, width))
        return t.or_(zero, t.and_(least, t.eq(divisor, t.const(-1, width))))
    quotient = t.sdiv(dividend, t.sext(divisor, 2 * width))
    fits = t.eq(t.sext(t.extract(quotient, 0, width), 2 * width), quotient)
    return t.or_(zero, t.not_(fits))


def _resized(a: Term, width: int) -> Term:
    """Cut, or extended with zeros."""
    return t.extract(a, 0, width) if width < a.width else t.zext(a, width)


def _same(a: Term, width: int) -> Term:
    """``a``, which has that width: p-code knows no such operation that changes it."""
    if a.width != width:
        raise MeaninglessError(f"operands of {a.width} bits with a result of {width}")
    return a


def _resized_signed(a: Term, width: int) -> Term:
    return t.extract(a, 0, width) if width < a.width else t.sext(a, width)


Shift = Callable[[Term, Term], Term]


def _shift(by: Shift, beyond: Callable[[Term], Term]) -> Shift:
    """A shift whose count may have another width than the operand; ``beyond`` is what counts of the width or more
    give."""

    def shift(a: Term, count: Term) -> Term:
        if count.width <= a.width:
            return by(a, t.zext(count, a.width))
        inside = t.ult(count, t.const(a.width, count.width))
        return t.ite(inside, by(a, t.extract(count, 0, a.width)), beyond(a))

    return shift


def _zero(a: Term) -> Term:
    return t.const(0, a.width)


def _sign(a: Term) -> Term:
    return t.sext(t.extract(a, a.width - 1, 1), a.width)


_SHIFTS: dict[OpCode, Shift] = {
    OpCode.INT_LEFT: _shift(t.shl, _zero),
    OpCode.INT_RIGHT: _shift(t.lshr, _zero),
    OpCode.INT_SRIGHT: _shift(t.ashr, _sign),
}

_RELATION: dict[OpCode, Callable[[Term, Term], Term]] = {
    OpCode.INT_EQUAL: t.eq,
    OpCode.INT_NOTEQUAL: t.ne,
    OpCode.INT_LESS: t.ult,
    OpCode.INT_LESSEQUAL: t.ule,
    OpCode.INT_SLESS: t.slt,
    OpCode.INT_SLESSEQUAL: t.sle,
    OpCode.INT_CARRY: lambda a, b: t.ult(t.add(a, b), a),
    OpCode.INT_SCARRY: lambda a, b: carries_signed(a, b),
    OpCode.INT_SBORROW: lambda a, b: borrows_signed(a, b),
    OpCode.FLOAT_EQUAL: ieee.equal,
    OpCode.FLOAT_NOTEQUAL: lambda a, b: t.not_(ieee.equal(a, b)),
    OpCode.FLOAT_LESS: ieee.less,
    OpCode.FLOAT_LESSEQUAL: ieee.less_or_equal,
    OpCode.FLOAT_UNORDERED: lambda a, b: t.or_(ieee.is_nan(a), ieee.is_nan(b)),
}
"""Truth values, of width 1."""


def _negative(a: Term) -> Term:
    return t.slt(a, _zero(a))


def borrows_signed(a: Term, b: Term) -> Term:
    """Whether ``a - b`` overflows as signed numbers: where its sign is not the order of ``a`` and ``b``. Spelled so,
    ``SF != OF`` after a comparison becomes that order by cancelling."""
    return t.xor(t.slt(a, b), _negative(t.sub(a, b)))


def carries_signed(a: Term, b: Term) -> Term:
    """Whether ``a + b`` overflows as signed numbers."""
    if a.is_const:
        a, b = b, a
    if b.is_const and b.value != 1 << b.width - 1:
        return borrows_signed(a, t.neg(b))
    total = t.add(a, b)
    return t.and_(t.eq(_negative(a), _negative(b)), t.ne(_negative(a), _negative(total)))


def _clamped(a: Term, low: int, high: int, *, signed: bool = True) -> Term:
    """The nearest number of a range; bounds are within the width."""
    bottom, top = t.const(low, a.width), t.const(high, a.width)
    less = t.slt if signed else t.ult
    return t.ite(less(a, bottom), bottom, t.ite(less(top, a), top, a))


def _saturated_signed(combine: Callable[[Term, Term], Term]) -> Callable[[Term, Term], Term]:
    def compute(a: Term, b: Term) -> Term:
        n = a.width
        exact = combine(t.sext(a, n + 1), t.sext(b, n + 1))
        return t.extract(_clamped(exact, -(1 << n - 1), (1 << n - 1) - 1), 0, n)

    return compute


def _saturated_add(a: Term, b: Term) -> Term:
    total = t.add(a, b)
    return t.ite(t.ult(total, a), t.const(-1, a.width), total)


def _saturated_sub(a: Term, b: Term) -> Term:
    return t.ite(t.ult(a, b), _zero(a), t.sub(a, b))


def _average(a: Term, b: Term) -> Term:
    n = a.width
    total = t.add(t.zext(a, n + 1), t.zext(b, n + 1), t.const(1, n + 1))
    return t.extract(total, 1, n)


_BINARY: dict[OpCode, Callable[[Term, Term], Term]] = {
    OpCode.INT_ADD: t.add,
    OpCode.INT_SUB: t.sub,
    OpCode.INT_MULT: t.mul,
    OpCode.INT_XOR: t.xor,
    OpCode.INT_AND: t.and_,
    OpCode.INT_OR: t.or_,
    OpCode.INT_DIV: t.udiv,
    OpCode.INT_REM: t.urem,
    OpCode.INT_SDIV: t.sdiv,
    OpCode.INT_SREM: t.srem,
    OpCode.BOOL_XOR: t.xor,
    OpCode.BOOL_AND: t.and_,
    OpCode.BOOL_OR: t.or_,
    OpCode.INT_SMIN: lambda a, b: t.ite(t.slt(b, a), b, a),
    OpCode.INT_SMAX: lambda a, b: t.ite(t.slt(a, b), b, a),
    OpCode.INT_UMIN: lambda a, b: t.ite(t.ult(b, a), b, a),
    OpCode.INT_UMAX: lambda a, b: t.ite(t.ult(a, b), b, a),
    OpCode.INT_SADDSAT: _saturated_signed(t.add),
    OpCode.INT_UADDSAT: _saturated_add,
    OpCode.INT_SSUBSAT: _saturated_signed(t.sub),
    OpCode.INT_USUBSAT: _saturated_sub,
    OpCode.INT_UAVG: _average,
    OpCode.FLOAT_MIN: lambda a, b: t.ite(ieee.less(a, b), a, b),
    OpCode.FLOAT_MAX: lambda a, b: t.ite(ieee.less(b, a), a, b),
    **{
        opcode: (lambda a, b, name=opcode.name: t.floating(name, a.width, a.width, a, b))
        for opcode in (OpCode.FLOAT_ADD, OpCode.FLOAT_SUB, OpCode.FLOAT_MULT, OpCode.FLOAT_DIV)
    },
}


def _swapped(a: Term) -> Term:
    return t.concat(*(t.extract(a, low, 8) for low in range(0, a.width, 8)))


def _narrowed_signed(a: Term, width: int) -> Term:
    return t.extract(_clamped(a, -(1 << width - 1), (1 << width - 1) - 1), 0, width)


def _narrowed_unsigned(a: Term, width: int) -> Term:
    return t.extract(_clamped(a, 0, (1 << width) - 1), 0, width)


def _converted(name: str) -> Callable[[Term, int], Term]:
    return lambda a, width: t.floating(name, a.width, width, a)


_UNARY: dict[OpCode, Callable[[Term, int], Term]] = {
    OpCode.INT_ZEXT: _resized,
    OpCode.INT_SEXT: _resized_signed,
    OpCode.INT_2COMP: lambda a, m: t.neg(_same(a, m)),
    OpCode.INT_NEGATE: lambda a, m: t.not_(_same(a, m)),
    OpCode.BOOL_NEGATE: lambda a, m: t.xor(_same(a, m), t.const(1, m)),
    OpCode.POPCOUNT: lambda a, m: _resized(t.popcount(a), m),
    OpCode.LZCOUNT: lambda a, m: _resized(t.clz(a), m),
    OpCode.TZCOUNT: lambda a, m: _resized(t.ctz(a), m),
    OpCode.BSWAP: lambda a, m: _resized(_swapped(a), m),
    OpCode.NARROW: _resized,
    OpCode.NARROW_SSAT: _narrowed_signed,
    OpCode.NARROW_USAT: _narrowed_unsigned,
    OpCode.FLOAT_NEG: lambda a, m: t.xor(_same(a, m), t.const(1 << m - 1, m)),
    OpCode.FLOAT_ABS: lambda a, m: t.and_(_same(a, m), t.const((1 << m - 1) - 1, m)),
    OpCode.FLOAT_SQRT: lambda a, m: t.floating("FLOAT_SQRT", m, m, _same(a, m)),
    OpCode.FLOAT_NAN: lambda a, m: t.zext(ieee.is_nan(a), m),
    OpCode.FLOAT_INT2FLOAT: _converted("FLOAT_INT2FLOAT"),
    OpCode.FLOAT_FLOAT2FLOAT: lambda a, m: (
        a if m == a.width else t.floating("FLOAT_FLOAT2FLOAT", a.width, m, a)
    ),
    OpCode.FLOAT_TRUNC: _converted("FLOAT_TRUNC"),
    OpCode.FLOAT_TRUNC_INT: _converted("FLOAT_TRUNC"),
    OpCode.FLOAT_ROUND_INT: _converted("FLOAT_ROUND_INT"),
}
"""``(a, width of the output)``, in each lane."""


def _scalar(operation: Operation, arguments: Sequence[Term], width: int) -> Term:
    opcode = operation.opcode
    if opcode in _SHIFTS:
        return _same(_SHIFTS[opcode](arguments[0], arguments[1]), width)
    if opcode in _BINARY:
        return _same(_BINARY[opcode](arguments[0], arguments[1]), width)
    if opcode in _RELATION:
        return t.zext(_RELATION[opcode](arguments[0], arguments[1]), width)
    if opcode in _UNARY:
        return _UNARY[opcode](arguments[0], width)
    match opcode:
        case OpCode.PIECE:
            return _resized(t.concat(arguments[0], arguments[1]), width)
        case OpCode.SUBPIECE:
            return _part(arguments[0], arguments[1], width)
        case OpCode.SELECT:
            return t.ite(truth(arguments[0]), arguments[1], arguments[2])
        case OpCode.ADDRESS:
            return arguments[0]
        case OpCode.WIDE_DIV | OpCode.WIDE_SDIV | OpCode.WIDE_REM | OpCode.WIDE_SREM:
            return _wide(opcode, *arguments)
        case _:
            raise MeaninglessError(opcode.name)


def _part(a: Term, offset: Term, width: int) -> Term:
    if not offset.is_const:
        raise MeaninglessError("SUBPIECE of an unknown part")
    low = 8 * offset.value
    if low >= a.width:
        return t.const(0, width)
    return _resized(t.extract(a, low, min(width, a.width - low)), width)


def _wide(opcode: OpCode, high: Term, low: Term, divisor: Term) -> Term:
    """Of ``high:low``; where the upper half only extends the lower, of the lower: the low half of the result is the
    same, for divisors of zero too."""
    n = divisor.width
    unsigned = opcode in (OpCode.WIDE_DIV, OpCode.WIDE_REM)
    divide = {
        OpCode.WIDE_DIV: t.udiv,
        OpCode.WIDE_REM: t.urem,
        OpCode.WIDE_SDIV: t.sdiv,
        OpCode.WIDE_SREM: t.srem,
    }[opcode]
    extend = t.zext if unsigned else t.sext
    dividend = t.concat(high, low)
    if dividend is extend(low, 2 * n):
        return divide(low, divisor)
    return t.extract(divide(dividend, extend(divisor, 2 * n)), 0, n)


_BITWISE = frozenset((OpCode.INT_AND, OpCode.INT_OR, OpCode.INT_XOR))


def split(a: Term, bits: int) -> list[Term]:
    """Lanes of ``bits`` bits, lowest first."""
    return [t.extract(a, low, bits) for low in range(0, a.width, bits)]


def join(lanes: Sequence[Term]) -> Term:
    """The term made of lanes, lowest first."""
    return t.concat(*reversed(lanes))


def _lanes(operation: Operation, arguments: Sequence[Term], width: int) -> Term:
    opcode, bits = operation.opcode, 8 * operation.lane
    first = split(arguments[0], bits)
    if opcode in _SHIFTS:
        return join([_SHIFTS[opcode](a, arguments[1]) for a in first])
    if opcode in _BITWISE:
        return _BINARY[opcode](arguments[0], arguments[1])
    if opcode in _UNARY:
        return join([_UNARY[opcode](a, width // len(first)) for a in first])
    if opcode is OpCode.MASK:
        return _resized(join([t.extract(a, bits - 1, 1) for a in first]), width)
    if opcode is OpCode.SHUFFLE:
        return _shuffled(operation, [*first, *split(arguments[1], bits)])
    second = split(arguments[1], bits) if len(arguments) > 1 else []
    if opcode in _RELATION:
        return join([t.sext(_RELATION[opcode](a, b), bits) for a, b in zip(first, second, strict=True)])
    if opcode in _BINARY:
        return join([_BINARY[opcode](a, b) for a, b in zip(first, second, strict=True)])
    raise MeaninglessError(f"{opcode.name} in lanes")


def _shuffled(operation: Operation, lanes: Sequence[Term]) -> Term:
    picked: list[Term] = []
    for node in operation.inputs[2:]:
        zero = node.offset == (1 << 8 * node.size) - 1
        picked.append(_zero(lanes[0]) if zero else lanes[node.offset])
    return join(picked)
