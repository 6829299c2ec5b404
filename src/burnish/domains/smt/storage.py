"""Constructors of memory: bytes that are read and written, and words made of them.

Writes at constant distances from one address stand in the order of their addresses, each address once; so the order in
which a program wrote them does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from burnish.domains.smt.compare import eq
from burnish.domains.smt.dispatch import plain
from burnish.domains.smt.leaves import FALSE, const
from burnish.domains.smt.sums import add
from burnish.domains.smt.terms import Op, Term, make
from burnish.domains.smt.words import concat, extract

_MOVED = 128
"""Writes that a new one is moved past, at most."""


@lru_cache(maxsize=1 << 15)
def based(address: Term) -> tuple[Term | None, int]:
    """An address as a term without a constant, and a constant."""
    if address.op is Op.CONST:
        return None, address.value
    if address.op is Op.ADD and address.args[-1].op is Op.CONST:
        rest = address.args[:-1]
        base = rest[0] if len(rest) == 1 else make(Op.ADD, address.width, rest)
        return base, address.args[-1].value
    return address, 0


def apart(a: Term, b: Term) -> bool:
    """True where two addresses surely differ."""
    one, other = based(a), based(b)
    if one[0] is other[0]:
        return one[1] != other[1]
    return eq(a, b) is FALSE


def select(array: Term, address: Term) -> Term:
    """The byte of a memory at an address (64 bits)."""
    while array.op is Op.STORE:
        beneath, where, byte = array.args
        if where is address:
            return byte
        if not apart(where, address):
            break
        array = beneath
    return make(Op.SELECT, 8, (array, address))


def store(array: Term, address: Term, byte: Term) -> Term:
    """A memory with one byte (8 bits) changed."""
    base, offset = based(address)
    above: list[tuple[Term, Term]] = []
    beneath = array
    while beneath.op is Op.STORE and len(above) < _MOVED:
        under, where, value = beneath.args
        other, distance = based(where)
        if other is not base or distance < offset:
            break
        if distance != offset:
            above.append((where, value))
        beneath = under
        if distance == offset:
            break
    kept = byte.op is Op.SELECT and byte.args == (beneath, address)
    found = beneath if kept else make(Op.STORE, 0, (beneath, address, byte))
    for where, value in reversed(above):
        found = make(Op.STORE, 0, (found, where, value))
    return found


def load(array: Term, address: Term, size: int) -> Term:
    """``size`` bytes from an address on, the first the least significant; what was written as a word is that word."""
    parts = [select(array, _after(address, k)) for k in range(size)]
    return _word(parts) or concat(*reversed(parts))


def _word(parts: Sequence[Term]) -> Term | None:
    """The word, or its part, that the bytes were taken from, if they all were."""
    for k, part in enumerate(parts):
        if part.origin is not None:
            word, low = part.origin
            low -= 8 * k
            if low < 0 or low + 8 * len(parts) > word.width:
                return None
            same = all(extract(word, low + 8 * k, 8) is part for k, part in enumerate(parts))
            return extract(word, low, 8 * len(parts)) if same else None
    return None


def store_word(array: Term, address: Term, value: Term) -> Term:
    """A memory with the bytes of ``value`` (whole bytes, the least significant first) from an address on."""
    for low in range(0, value.width, 8):
        byte = extract(value, low, 8)
        if byte is not value and byte.args:
            byte.origin = (value, low)
        array = store(array, _after(address, low // 8), byte)
    return array


def _after(address: Term, distance: int) -> Term:
    return add(address, const(distance, address.width)) if distance else address


plain(Op.SELECT, select)
plain(Op.STORE, store)
