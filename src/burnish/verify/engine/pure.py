"""Calls of functions whose results depend on their arguments alone, and that change nothing.

Such a call is no event that both sides have to come to together: it is one more thing that a side computes. Compilers
move it past other calls, make it once for twice, or leave it out. It must be sure that it returns, which all do that
are known to be ``pure``, and that it finds its stack as the ABI promises; else it stays a call as any other.
"""

from __future__ import annotations

from burnish.domains.smt.build import apply
from burnish.verify.engine.addresses import mentions_frame
from burnish.verify.engine.compare import after_call
from burnish.verify.engine.execute import Names
from burnish.verify.engine.frames import View
from burnish.verify.engine.points import AtCall
from burnish.verify.engine.state import State, depth
from burnish.verify.pair import Callee


def is_computation(callee: Callee) -> bool:
    """True for a callee whose calls may be looked at so."""
    return callee.pure and callee.returns and callee.arguments is not None and callee.stack_bytes == 0


def is_framed(call: AtCall, state: State, view: View) -> bool:
    """True where a callee finds its stack as the ABI promises, with nothing in it that is somebody's."""
    bottom = depth(state)
    aligned = bottom % 16 == 8 if call.resume is not None else bottom == 0
    # What it does to its own frame would be done to a local that lies there.
    return aligned and not any(start < bottom or call.resume is None for start in view.starts)


def computed(call: AtCall, state: State, names: Names, view: View) -> State | None:
    """The state after a call, or, of a jump, when what was jumped to is about to return; None where it is a call as any
    other. Results are the same function of the same arguments on both sides."""
    callee = call.callee
    if not is_computation(callee) or callee.arguments is None:
        return None
    if not is_framed(call, state, view):
        return None
    arguments = [view.outward(state.register(*argument)) for argument in callee.arguments]
    if any(map(mentions_frame, arguments)):
        return None
    results = {name: apply(f"{callee.name} in {name}", 8 * size, *arguments) for name, size in callee.results}
    return after_call(call, state, names, results, state.memory)
