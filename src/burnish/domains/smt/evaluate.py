"""What terms are worth when their variables are numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from burnish.domains.smt import floating
from burnish.domains.smt.terms import Op, Term, subterms


class Assignment(Protocol):
    """Values of variables, bytes of memories by address, and values of uninterpreted functions by operands. What is
    not named is 0. A mapping with ``__missing__`` says itself what else is there."""

    @property
    def variables(self) -> Mapping[str, int]: ...

    @property
    def memories(self) -> Mapping[str, Mapping[int, int]]: ...

    @property
    def functions(self) -> Mapping[str, Mapping[tuple[int, ...], int]]: ...


class MemoryValue:
    """What a memory holds: bytes by address beneath, and one byte that was written over them. Shared, never changed."""

    __slots__ = ("address", "base", "beneath", "byte")

    def __init__(
        self, base: Mapping[int, int], beneath: MemoryValue | None = None, address: int = 0, byte: int = 0
    ) -> None:
        self.base = base
        self.beneath = beneath
        self.address = address
        self.byte = byte

    def read(self, address: int) -> int:
        """The byte at an address."""
        layer = self
        while layer.beneath is not None:
            if layer.address == address:
                return layer.byte
            layer = layer.beneath
        try:
            return self.base[address]
        except KeyError:
            return 0

    def write(self, address: int, byte: int) -> MemoryValue:
        """The memory with one byte changed."""
        return MemoryValue(self.base, self, address, byte)

    def written(self) -> set[int]:
        """The addresses that were written."""
        found: set[int] = set()
        layer = self
        while layer.beneath is not None:
            found.add(layer.address)
            layer = layer.beneath
        return found

    def equals(self, other: MemoryValue) -> bool:
        """True where every byte is the same."""
        addresses = self.written() | other.written()
        if self.base is not other.base:
            addresses |= {*self.base, *other.base}
        return all(self.read(address) == other.read(address) for address in addresses)


Value = int | MemoryValue


def _signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> (width - 1) & 1 else value


def signed_quotient(a: int, b: int, width: int) -> int:
    """``bvsdiv``: toward zero; by zero, 1 for negative dividends, else -1."""
    x, y = _signed(a, width), _signed(b, width)
    if y == 0:
        return 1 if x < 0 else -1
    quotient = abs(x) // abs(y)
    return quotient if (x < 0) == (y < 0) else -quotient


def signed_remainder(a: int, b: int, width: int) -> int:
    """``bvsrem``: with the sign of the dividend; by zero, the dividend."""
    x, y = _signed(a, width), _signed(b, width)
    return x if y == 0 else abs(x) % abs(y) * (-1 if x < 0 else 1)


def _all(combine: Callable[[int, int], int]) -> Callable[[Term, list[int]], int]:
    def compute(term: Term, values: list[int]) -> int:
        total = values[0]
        for value in values[1:]:
            total = combine(total, value)
        return total

    return compute


def _concat(term: Term, values: list[int]) -> int:
    total = 0
    for part, value in zip(term.args, values, strict=True):
        total = total << part.width | value
    return total


def _extract(term: Term, values: list[int]) -> int:
    assert isinstance(term.payload, int)
    return values[0] >> term.payload


def _sext(term: Term, values: list[int]) -> int:
    return _signed(values[0], term.args[0].width)


def _ult(term: Term, values: list[int]) -> int:
    return int(values[0] < values[1])


def _slt(term: Term, values: list[int]) -> int:
    width = term.args[0].width
    return int(_signed(values[0], width) < _signed(values[1], width))


def _float(term: Term, values: list[int]) -> int:
    assert isinstance(term.payload, tuple)
    name, width = term.payload
    return floating.compute(name, width, term.width, values)


def _ctz(term: Term, values: list[int]) -> int:
    return (values[0] & -values[0]).bit_length() - 1 if values[0] else term.width


_COMPUTE: dict[Op, Callable[[Term, list[int]], int]] = {
    Op.NOT: lambda term, v: ~v[0],
    Op.AND: _all(lambda a, b: a & b),
    Op.OR: _all(lambda a, b: a | b),
    Op.XOR: _all(lambda a, b: a ^ b),
    Op.ADD: _all(lambda a, b: a + b),
    Op.MUL: lambda term, v: _product(v, (1 << term.width) - 1),
    Op.UDIV: lambda term, v: v[0] // v[1] if v[1] else -1,
    Op.UREM: lambda term, v: v[0] % v[1] if v[1] else v[0],
    Op.SDIV: lambda term, v: signed_quotient(v[0], v[1], term.width),
    Op.SREM: lambda term, v: signed_remainder(v[0], v[1], term.width),
    Op.SHL: lambda term, v: v[0] << v[1] if v[1] < term.width else 0,
    Op.LSHR: lambda term, v: v[0] >> v[1] if v[1] < term.width else 0,
    Op.ASHR: lambda term, v: _signed(v[0], term.width) >> min(v[1], term.width - 1),
    Op.CONCAT: _concat,
    Op.EXTRACT: _extract,
    Op.ZEXT: lambda term, v: v[0],
    Op.SEXT: _sext,
    Op.ULT: _ult,
    Op.SLT: _slt,
    Op.POPCOUNT: lambda term, v: v[0].bit_count(),
    Op.CLZ: lambda term, v: term.width - v[0].bit_length(),
    Op.CTZ: _ctz,
    Op.FLOAT: _float,
}


def _product(values: Sequence[int], mask: int) -> int:
    total = 1
    for value in values:
        total = total * value & mask
    return total


def number(term: Term, values: list[int]) -> int:
    """The value of a pure term whose operands are numbers; raises ``KeyError`` for leaves, memory and functions."""
    return _COMPUTE[term.op](term, values) & (1 << term.width) - 1


class Evaluator:
    """Terms that are evaluated many times, on one model after another."""

    def __init__(self, roots: Sequence[Term]) -> None:
        order = list(subterms(*roots))
        place = {term: index for index, term in enumerate(order)}
        self._steps = [(term, [place[arg] for arg in term.args]) for term in order]
        self._roots = [place[root] for root in roots]

    def __call__(self, model: Assignment) -> list[int]:
        """The values of the terms, as unsigned integers."""
        values: list[Value] = []
        for term, args in self._steps:
            values.append(_value(term, [values[index] for index in args], model))
        found: list[int] = []
        for index in self._roots:
            value = values[index]
            assert isinstance(value, int)
            found.append(value)
        return found

    def all_hold(self, model: Assignment) -> bool:
        """True if no term is 0: as far as the first that is."""
        conditions = set(self._roots)
        values: list[Value] = []
        for index, (term, args) in enumerate(self._steps):
            value = _value(term, [values[arg] for arg in args], model)
            if index in conditions and value == 0:
                return False
            values.append(value)
        return True


def evaluate(roots: Sequence[Term], model: Assignment) -> list[int]:
    """The values of terms that are bit-vectors, as unsigned integers."""
    return Evaluator(roots)(model)


def _value(term: Term, values: list[Value], model: Assignment) -> Value:
    match term.op:
        case Op.CONST:
            return term.value
        case Op.VAR:
            return model.variables.get(term.name, 0) & (1 << term.width) - 1
        case Op.MEMORY:
            return MemoryValue(model.memories.get(term.name, {}))
        case Op.APPLY:
            return _applied(term, values, model)
        case Op.ITE:
            return values[1] if values[0] else values[2]
        case Op.EQ:
            return _equal(values[0], values[1])
        case Op.SELECT | Op.STORE:
            return _memory(values)
        case _:
            return number(term, [value for value in values if isinstance(value, int)])


def _applied(term: Term, values: list[Value], model: Assignment) -> int:
    """Functions of memories are told apart by the other operands alone."""
    operands = tuple(value for value in values if isinstance(value, int))
    return model.functions.get(term.name, {}).get(operands, 0) & (1 << term.width) - 1


def _equal(a: Value, b: Value) -> int:
    if isinstance(a, MemoryValue) and isinstance(b, MemoryValue):
        return int(a.equals(b))
    return int(a == b)


def _memory(values: list[Value]) -> Value:
    array, address = values[0], values[1]
    assert isinstance(array, MemoryValue)
    assert isinstance(address, int)
    if len(values) == 2:
        return array.read(address)
    byte = values[2]
    assert isinstance(byte, int)
    return array.write(address, byte)
