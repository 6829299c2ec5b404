"""Constructors of memory: bytes that are read and written, and words made of them.

Writes at constant distances from one address stand in the order of their addresses, each address once; so the order in
which a program wrote them does not matter.
"""

from __future__ import annotations

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
def _base(address: Term) -> tuple[Term | None, int]:
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
    one, other = _base(a), _base(b)
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
    if byte.op is Op.SELECT and byte.args == (array, address):
        return array
    base, offset = _base(address)
    above: list[tuple[Term, Term]] = []
    beneath = array
    while beneath.op is Op.STORE and len(above) < _MOVED:
        under, where, value = beneath.args
        other, distance = _base(where)
        if other is not base or distance < offset:
            break
        if distance != offset:
            above.append((where, value))
        beneath = under
        if distance == offset:
            break
    found = make(Op.STORE, 0, (beneath, address, byte))
    for where, value in reversed(above):
        found = make(Op.STORE, 0, (found, where, value))
    return found


def load(array: Term, address: Term, size: int) -> Term:
    """``size`` bytes from an address on, the first the least significant; what was written as a word is that word."""
    return concat(*(select(array, _after(address, k)) for k in reversed(range(size))))


def store_word(array: Term, address: Term, value: Term) -> Term:
    """A memory with the bytes of ``value`` (whole bytes, the least significant first) from an address on."""
    for k in range(value.width // 8):
        array = store(array, _after(address, k), extract(value, 8 * k, 8))
    return array


def _after(address: Term, distance: int) -> Term:
    return add(address, const(distance, address.width)) if distance else address


plain(Op.SELECT, select)
plain(Op.STORE, store)
