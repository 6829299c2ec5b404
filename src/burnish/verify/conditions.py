"""What conditions on the entry state mean: as terms, and on numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from burnish.core.conditions import (
    Binary,
    Expression,
    Memory,
    Number,
    Register,
    Unary,
    parse_condition,
)
from burnish.core.errors import UsageError
from burnish.domains.smt import build
from burnish.domains.smt.terms import Term
from burnish.machine.registers import CELLS, register_part

ReadRegister = Callable[[str], Term]
"""The entry value of a whole cell (``rax`` 64 bits, ``xmm0`` 128, flags 8)."""
ReadMemory = Callable[[Term, int], Term]
"""So many bytes at an address (64 bits), little end first."""

_ADDRESS = 64


def condition_term(text: str, register: ReadRegister, load: ReadMemory) -> Term:
    """The condition as a term of width 1. Operands of different widths are extended with zeros, numbers take the width
    of what they stand beside; a number of any other width is true where it is not 0.

    Raises ``UsageError`` for what is no condition.
    """
    return _Meaning(text, register, load).truth(parse_condition(text))


def check_condition(text: str) -> None:
    """Raises ``UsageError`` for what ``condition_term`` rejects."""
    condition_term(
        text,
        lambda name: build.var(name, 8 * CELLS[name].size),
        lambda address, size: build.var(f"memory {size}", 8 * size),
    )


def condition_holds(text: str, register: Callable[[str], int], read: Callable[[int, int], bytes]) -> bool:
    """Whether a condition holds on numbers: ``register`` gives the unsigned value of a whole cell, ``read`` bytes of
    memory (and may raise for what is not there)."""
    found = condition_term(
        text,
        lambda name: build.const(register(name), 8 * CELLS[name].size),
        lambda address, size: build.const(int.from_bytes(read(address.value, size), "little"), 8 * size),
    )
    return bool(found.value)


class _Meaning:
    """Terms of the parts of one condition. ``width`` is that of the context, for numbers."""

    def __init__(self, text: str, register: ReadRegister, load: ReadMemory) -> None:
        self._text = text
        self._register = register
        self._load = load

    def truth(self, expression: Expression) -> Term:
        """Width 1."""
        match expression:
            case Binary("&&", left, right):
                return build.and_(self.truth(left), self.truth(right))
            case Binary("||", left, right):
                return build.or_(self.truth(left), self.truth(right))
            case Unary("!", operand):
                return build.not_(self.truth(operand))
            case Binary(operator, left, right) if operator in _COMPARISONS:
                width = self._common(operator, left, right)
                return _COMPARISONS[operator](self._value(left, width), self._value(right, width))
            case _:
                width = self._width(expression) or _ADDRESS
                return build.ne(self._value(expression, width), build.const(0, width))

    def _width(self, expression: Expression) -> int | None:
        """The width that an expression has of itself, in bits; None for numbers, those that stand for
        truth among them."""
        match expression:
            case Number() | Unary("!", _):
                return None
            case Register(name):
                return 8 * self._part(name)[2]
            case Memory(_, size):
                return 8 * size
            case Unary("sext" | "zext", _):
                return _ADDRESS
            case Unary(_, operand):
                return self._width(operand)
            case Binary("<<" | ">>" | "s>>", left, _):
                return self._width(left)
            case Binary(operator, left, right):
                if operator in _COMPARISONS or operator in ("&&", "||"):
                    return None
                widths = [w for w in (self._width(left), self._width(right)) if w is not None]
                return max(widths) if widths else None
            case _:
                assert_never(expression)

    def _common(self, operator: str, left: Expression, right: Expression) -> int:
        widths = [w for w in (self._width(left), self._width(right)) if w is not None]
        if operator.startswith("s") and len(set(widths)) > 1:
            raise self._error(f"{operator} compares operands of one width; widen one with sext() or zext()")
        return max(widths) if widths else _ADDRESS

    def _value(self, expression: Expression, width: int) -> Term:
        """The expression extended to ``width`` bits."""
        own = self._width(expression)
        if own is not None and own < width:
            return build.zext(self._value(expression, own), width)
        match expression:
            case Number(value):
                if value >> width:
                    raise self._error(f"{value} does not fit {width} bits")
                return build.const(value, width)
            case Register(name):
                cell, offset, size = self._part(name)
                return build.extract(self._register(cell), 8 * offset, 8 * size)
            case Memory(address, size):
                return self._load(self._value(address, self._address_width(address)), size)
            case Unary("sext" | "zext" as operator, operand):
                extend = build.sext if operator == "sext" else build.zext
                return extend(self._value(operand, self._width(operand) or _ADDRESS), _ADDRESS)
            case Unary("~", operand):
                return build.not_(self._value(operand, width))
            case Unary("-", operand):
                return build.neg(self._value(operand, width))
            case Binary("<<" | ">>" | "s>>" as operator, left, right):
                return _SHIFTS[operator](self._value(left, width), self._count(right, width))
            case Binary(operator, left, right) if operator in _ARITHMETIC:
                return _ARITHMETIC[operator](self._value(left, width), self._value(right, width))
            case Unary() | Binary():
                return build.zext(self.truth(expression), width)
            case _:
                assert_never(expression)

    def _count(self, expression: Expression, width: int) -> Term:
        """A shift count in the width of what is shifted; one too large for that is all ones, which is too large
        for any shift."""
        own = self._width(expression)
        if own is None or own <= width:
            return self._value(expression, width)
        count = self._value(expression, own)
        fits = build.ult(count, build.const(1 << width - 1, own))
        return build.ite(fits, build.extract(count, 0, width), build.const(-1, width))

    def _address_width(self, expression: Expression) -> int:
        width = self._width(expression)
        if width is not None and width > _ADDRESS:
            raise self._error("an address has 64 bits")
        return _ADDRESS

    def _part(self, name: str) -> tuple[str, int, int]:
        found = register_part(name)
        if found is None:
            raise self._error(f"there is no register {name}")
        return found

    def _error(self, what: str) -> UsageError:
        return UsageError(f"the condition {self._text!r} has no meaning: {what}")


def _more(less: Callable[[Term, Term], Term]) -> Callable[[Term, Term], Term]:
    return lambda a, b: less(b, a)


_COMPARISONS: dict[str, Callable[[Term, Term], Term]] = {
    "==": build.eq,
    "!=": build.ne,
    "<": build.ult,
    "<=": build.ule,
    ">": _more(build.ult),
    ">=": _more(build.ule),
    "s<": build.slt,
    "s<=": build.sle,
    "s>": _more(build.slt),
    "s>=": _more(build.sle),
}
_SHIFTS: dict[str, Callable[[Term, Term], Term]] = {
    "<<": build.shl,
    ">>": build.lshr,
    "s>>": build.ashr,
}
_ARITHMETIC: dict[str, Callable[[Term, Term], Term]] = {
    "|": build.or_,
    "^": build.xor,
    "&": build.and_,
    "+": build.add,
    "-": build.sub,
    "*": build.mul,
    "/": build.udiv,
    "%": build.urem,
}
