"""What terms are worth on many inputs at once: random tests that tell terms apart before a solver is asked.

Bit-vectors of up to 64 bits are arrays of uint64. Memories, and uninterpreted functions, are what the caller says, or
else fixed pseudo-random functions of address and operands: one of the things that they may be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from burnish.domains.smt.evaluate import number
from burnish.domains.smt.terms import Op, Term, subterms

Array = NDArray[np.uint64]
Function = Callable[[Sequence[Array]], Array]
"""An uninterpreted function, of arrays of operands; or what a memory holds, of one array of addresses."""
_Layers = tuple[Function, tuple[tuple[Array, Array], ...]]
"""A memory: what lies beneath, and ``(addresses, bytes)`` written, the oldest first."""

_U = np.uint64


class TooWideError(Exception):
    """A term has no array: it is wider than 64 bits, or compares memories. The message says which."""


_NONE: Mapping[str, Function] = {}


def evaluate_many(
    roots: Sequence[Term],
    values: Mapping[str, Array],
    memories: Mapping[str, Function] = _NONE,
    functions: Mapping[str, Function] = _NONE,
) -> list[Array]:
    """The values of terms, an array each; ``values`` has one of the same length for each variable, cut here to its
    width; ``memories`` and ``functions`` say what some memories hold, and what functions are, by name. Raises
    ``TooWideError``, and ``KeyError`` for a variable without values."""
    count = len(next(iter(values.values()))) if values else 1
    known: dict[Term, Array | _Layers] = {}
    for term in subterms(*roots):
        operands = [known[arg] for arg in term.args]
        if term.op is Op.MEMORY:
            known[term] = memories.get(term.name) or _random(term.name, count, 0xFF), ()
        elif term.op is Op.APPLY and term.name in functions:
            known[term] = functions[term.name](_arrays(term, operands)) & _mask(term.width)
        else:
            known[term] = _value(term, operands, values, count)
    found: list[Array] = []
    for root in roots:
        value = known[root]
        if isinstance(value, tuple):
            raise TooWideError("a memory")
        found.append(value)
    return found


def _value(
    term: Term, operands: Sequence[Array | _Layers], values: Mapping[str, Array], count: int
) -> Array | _Layers:
    if term.width > 64:
        raise TooWideError(f"{term.op.name} of {term.width} bits")
    match term.op:
        case Op.CONST:
            return np.full(count, term.value, _U)
        case Op.VAR:
            return values[term.name] & _mask(term.width)
        case Op.STORE:
            return _stored(operands)
        case Op.SELECT:
            return _selected(operands)
        case Op.ITE if term.width == 0:
            return _chosen(operands), ()
        case _:
            return _computed(term, _arrays(term, operands), count) & _mask(term.width)


def _arrays(term: Term, operands: Sequence[Array | _Layers]) -> list[Array]:
    arrays = [operand for operand in operands if not isinstance(operand, tuple)]
    if len(arrays) < len(operands) or term.width == 0:
        raise TooWideError(f"{term.op.name} of memories")
    return arrays


def _random(name: str, count: int, mask: int) -> Function:
    """Pseudo-random numbers, made of the operands and a name."""
    seed = crc32(name.encode())
    return lambda operands: mixed(seed, operands, count) & _U(mask)


def _mask(width: int) -> np.uint64:
    return _U((1 << width) - 1)


def _stored(operands: Sequence[Array | _Layers]) -> _Layers:
    layers, address, byte = operands
    assert isinstance(layers, tuple)
    assert not isinstance(address, tuple)
    assert not isinstance(byte, tuple)
    return layers[0], (*layers[1], (address, byte))


def _selected(operands: Sequence[Array | _Layers]) -> Array:
    layers, address = operands
    assert isinstance(layers, tuple)
    assert not isinstance(address, tuple)
    return _read(layers, address)


def _read(layers: _Layers, address: Array) -> Array:
    found = layers[0]([address])
    for where, byte in layers[1]:
        found = np.where(where == address, byte, found)
    return found


def _chosen(operands: Sequence[Array | _Layers]) -> Function:
    """What a choice between memories holds."""
    condition, then, other = operands
    assert not isinstance(condition, tuple)
    assert isinstance(then, tuple)
    assert isinstance(other, tuple)
    first = condition != 0
    # Choices lie on choices: what one address holds is looked up once in each. Arrays of addresses stay alive.
    known: dict[int, Array] = {}

    def read(addresses: Sequence[Array]) -> Array:
        address = addresses[0]
        found = known.get(id(address))
        if found is None:
            found = known[id(address)] = np.where(first, _read(then, address), _read(other, address))
        return found

    return read


def mixed(seed: int, operands: Sequence[Array], count: int) -> Array:
    """A pseudo-random function of numbers (the finaliser of splitmix64 after each)."""
    state = np.full(count, seed, _U)
    for operand in operands:
        state = (state ^ operand) + _U(0x9E3779B97F4A7C15)
        state = (state ^ state >> _U(30)) * _U(0xBF58476D1CE4E5B9)
        state = (state ^ state >> _U(27)) * _U(0x94D049BB133111EB)
        state ^= state >> _U(31)
    return state


def _signed(value: Array, width: int) -> NDArray[np.int64]:
    shift = np.int64(64 - width)
    return (value << _U(64 - width)).view(np.int64) >> shift


def _fold(combine: Callable[[Array, Array], Array]) -> Callable[[Term, Sequence[Array]], Array]:
    def compute(term: Term, arrays: Sequence[Array]) -> Array:
        total = arrays[0]
        for array in arrays[1:]:
            total = combine(total, array)
        return total

    return compute


def _shift(by: Callable[[Array, Array], Array]) -> Callable[[Term, Sequence[Array]], Array]:
    def compute(term: Term, arrays: Sequence[Array]) -> Array:
        inside = arrays[1] < _U(term.width)
        return np.where(inside, by(arrays[0], np.where(inside, arrays[1], _U(0))), _U(0))

    return compute


def _ashr(term: Term, arrays: Sequence[Array]) -> Array:
    count = np.minimum(arrays[1], _U(term.width - 1)).astype(np.int64)
    return (_signed(arrays[0], term.width) >> count).view(_U)


def _concat(term: Term, arrays: Sequence[Array]) -> Array:
    total = arrays[0]
    for part, array in zip(term.args[1:], arrays[1:], strict=True):
        total = total << _U(part.width) | array
    return total


def _extract(term: Term, arrays: Sequence[Array]) -> Array:
    assert isinstance(term.payload, int)
    return arrays[0] >> _U(term.payload)


def _divided(term: Term, arrays: Sequence[Array]) -> Array:
    a, b = arrays
    safe = np.where(b == 0, _U(1), b)
    if term.op is Op.UDIV:
        return np.where(b == 0, _U(0xFFFF_FFFF_FFFF_FFFF), a // safe)
    return np.where(b == 0, a, a % safe)


_Arrays = Callable[[Term, Sequence[Array]], Array]

_COMPUTE: dict[Op, _Arrays] = {
    Op.NOT: lambda term, v: ~v[0],
    Op.AND: _fold(np.bitwise_and),
    Op.OR: _fold(np.bitwise_or),
    Op.XOR: _fold(np.bitwise_xor),
    Op.ADD: _fold(np.add),
    Op.MUL: _fold(np.multiply),
    Op.UDIV: _divided,
    Op.UREM: _divided,
    Op.SHL: _shift(np.left_shift),
    Op.LSHR: _shift(np.right_shift),
    Op.ASHR: _ashr,
    Op.CONCAT: _concat,
    Op.EXTRACT: _extract,
    Op.ZEXT: lambda term, v: v[0],
    Op.SEXT: lambda term, v: _signed(v[0], term.args[0].width).view(_U),
    Op.EQ: lambda term, v: (v[0] == v[1]).astype(_U),
    Op.ULT: lambda term, v: (v[0] < v[1]).astype(_U),
    Op.SLT: lambda term, v: (_signed(v[0], term.args[0].width) < _signed(v[1], term.args[0].width)).astype(
        _U
    ),
    Op.ITE: lambda term, v: np.where(v[0] != 0, v[1], v[2]),
}


def _computed(term: Term, arrays: Sequence[Array], count: int) -> Array:
    if term.op is Op.APPLY:
        return mixed(crc32(term.name.encode()), arrays, count)
    if term.op in _COMPUTE:
        return _COMPUTE[term.op](term, arrays)
    rows = zip(*(array.tolist() for array in arrays), strict=True)
    return np.array([number(term, list(row)) for row in rows], _U)
