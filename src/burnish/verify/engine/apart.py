"""Memory in which locals lie beside what a function was given: neither is the other.

No address that is made of what a function finds at entry points into its frame, and no local is in another. So a chain
of stores is kept with those to locals on top, and an access of one kind does not see the stores of the other: what
would else be a question of aliases for a solver is none. Addresses that come from a callee may be those of locals, and
are treated as any.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from burnish.domains.smt.build import add, const, extract, ite, select, store
from burnish.domains.smt.terms import Op, Term, subterms
from burnish.machine.registers import CELLS
from burnish.verify.engine.addresses import FRAME_BASES, OBJECT, differ, local_of
from burnish.verify.engine.cells import join_bytes
from burnish.verify.engine.state import ENTRY_MEMORY

_GIVEN = frozenset(name for name in CELLS if name != "rsp") | {"memory", "fs_base", "gs_base"}


@lru_cache(maxsize=1 << 14)
def is_given(address: Term) -> bool:
    """True where an address is made of what the function finds at entry, and not of its stack pointer."""
    return all(
        _name(part) in _GIVEN or _name(part).startswith((OBJECT, "stack ", "constant "))
        for part in subterms(address)
        if part.op in (Op.VAR, Op.MEMORY) and part not in FRAME_BASES
    ) and not any(part in FRAME_BASES for part in subterms(address))


def _name(leaf: Term) -> str:
    return str(leaf.payload)


@lru_cache(maxsize=1 << 14)
def is_local(address: Term) -> bool:
    """True for an address in a shared local."""
    return local_of(address) is not None


def read(memory: Term, address: Term, size: int, unwritten: Term = ENTRY_MEMORY) -> Term:
    """``size`` bytes at an address. Those that nobody has written since the function was entered are those of
    ``unwritten``."""
    hidden = is_local if is_given(address) else is_given if is_local(address) else _nothing
    return join_bytes(_byte(memory, add(address, const(k, 64)), hidden, unwritten) for k in range(size))


@lru_cache(maxsize=1 << 14)
def _byte(memory: Term, address: Term, hidden: Callable[[Term], bool], unwritten: Term) -> Term:
    """The byte at an address, past stores at addresses that are ``hidden`` from it."""
    beneath: dict[Term, Term] = {}
    waiting = [memory]
    while waiting:
        one = waiting.pop()
        if one not in beneath:
            found = beneath[one] = _past(one, address, hidden)
            if found.op is Op.ITE and not found.width and unwritten is not ENTRY_MEMORY:
                waiting += found.args[1:]
    bytes_: dict[Term, Term] = {}
    for one in sorted(beneath, key=lambda term: term.depth):  # ways before what chooses between them
        found = beneath[one]
        if found.width:
            bytes_[one] = found
        elif found.op is Op.ITE and unwritten is not ENTRY_MEMORY:
            condition, then, other = found.args
            bytes_[one] = ite(condition, bytes_[then], bytes_[other])
        else:
            bytes_[one] = select(unwritten if found is ENTRY_MEMORY else found, address)
    return bytes_[memory]


def _past(memory: Term, address: Term, hidden: Callable[[Term], bool]) -> Term:
    """The byte that was stored at an address last, or the memory beneath the stores that are not to it."""
    while memory.op is Op.STORE:
        under, where, byte = memory.args
        if where is address:
            return byte
        if not hidden(where) and not differ(where, address):
            break
        memory = under
    return memory


def _nothing(address: Term) -> bool:
    del address
    return False


def write(memory: Term, address: Term, value: Term, size: int) -> Term:
    """Memory with ``size`` bytes at an address changed. Those of locals are kept in order, so that it does not matter
    which was stored first."""
    above: list[tuple[Term, Term]] = []
    number = -1 if is_given(address) else local_of(address)
    if number is not None:
        while memory.op is Op.STORE and (found := local_of(memory.args[1])) is not None and found > number:
            memory, where, byte = memory.args
            above.append((where, byte))
    for k in range(size):
        memory = store(memory, add(address, const(k, 64)), extract(value, 8 * k, 8))
    for where, byte in reversed(above):
        memory = store(memory, where, byte)
    return memory
