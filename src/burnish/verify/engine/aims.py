"""How calls come out in tests, where models are to come true: what is called by an address is where tests have such a
function, and functions of the C library do what they do for real, as far as that is said in few terms.

These are preferences on inputs, and no facts: nothing is proved with them.
"""

from __future__ import annotations

from burnish.domains.smt.build import TRUE, and_, const, eq, ne, or_, select, sub, ule, var, zext
from burnish.domains.smt.terms import Term
from burnish.verify.engine.cover import mappable
from burnish.verify.engine.execute import Access
from burnish.verify.engine.frames import View
from burnish.verify.engine.points import AtCall
from burnish.verify.engine.state import State
from burnish.verify.pair import ANY_FUNCTION

_COPIES = frozenset({"memcpy", "memmove"})
_COMPARES = frozenset({"memcmp", "strcmp", "strncmp"})
_LENGTHS = frozenset({"strlen"})
_MOST = 64
"""Bytes that are copied, at most."""


def aims(call: AtCall, state: State, view: View, number: int) -> list[Term]:
    """What should hold where a call is made in a state, the one with that number."""
    found: list[Term] = []
    if call.target is not None:
        found.append(eq(call.target, const(ANY_FUNCTION, 64)))
    name = call.callee.name
    first, second, third = (view.outward(state.register(cell)) for cell in ("rdi", "rsi", "rdx"))
    if name in _COPIES or name == "memset":
        found.append(ule(third, const(_MOST, 64)))
        found += _mapped(first, *(() if name == "memset" else (second,)))
    elif name in _COMPARES:
        left, right = (select(state.memory, one) for one in (first, second))
        result = var(f"{name} in rax, call {number}", 32)
        differ = and_(ne(left, right), eq(result, sub(zext(left, 32), zext(right, 32))))
        both = and_(eq(left, right), eq(result, const(0, 32)))
        if name == "memcmp":
            found.append(or_(differ, and_(both, ule(third, const(1, 64)))))
        else:
            found.append(or_(differ, and_(both, eq(left, const(0, 8)))))
        found += _mapped(first, second)
    elif name in _LENGTHS:
        found.append(eq(select(state.memory, first), const(0, 8)))
        found.append(eq(var(f"{name} in rax, call {number}", 64), const(0, 64)))
        found += _mapped(first)
    return found


def _mapped(*addresses: Term) -> list[Term]:
    """That memory can lie there."""
    return mappable([Access(TRUE, address, 1, False, False) for address in addresses])
