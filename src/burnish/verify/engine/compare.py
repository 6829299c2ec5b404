"""What must be equal where both sides leave, or call: pairs of terms, each with its name."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.core.specification import Specification
from burnish.domains.smt.build import (
    FALSE,
    TRUE,
    and_,
    apply,
    const,
    extract,
    ne,
    not_,
    or_,
    select,
    sub,
    ule,
    var,
    zext,
)
from burnish.domains.smt.known import largest, least
from burnish.domains.smt.terms import Op, Term
from burnish.machine.registers import CALLEE_SAVED, CALLER_SAVED, CELLS, INTEGER_ARGUMENTS, VECTOR_ARGUMENTS
from burnish.verify.engine.addresses import ENTRY_RSP, LOCAL_BASES, UndecidedAccessError
from burnish.verify.engine.escape import EscapeError, given_away, leaving
from burnish.verify.engine.execute import Names, UnmodelledError
from burnish.verify.engine.frames import View, keeps_locals
from burnish.verify.engine.points import AtCall
from burnish.verify.engine.state import RETURN_ADDRESS, State, depth
from burnish.verify.pair import Callee, Shared, SharedLocal

PROBE = var("probe", 64)
"""Any address: memory is equal where it is equal there."""
_STACK_ARGUMENTS = 48
"""Bytes of stack arguments that are looked at where their extent is not known."""
_MERGED = 8
"""Choices inside of choices that are looked into."""


Views = tuple[View, View]
"""How each side looks at its frame."""
OWN_VIEWS: Views = (View(), View(second=True))

_BELOW = "a local that lies below the stack pointer at a call"
_DEAD = "an address of a local that is no more is passed to a function"


@dataclass(frozen=True, slots=True)
class Difference:
    """``where`` the two may differ (a phrase), and the condition under which they do."""

    where: str
    condition: Term


class MismatchError(Exception):
    """The two differ whatever the input is; a phrase."""


def _differ(where: str, first: Term, second: Term) -> list[Difference]:
    return [] if first is second else [Difference(where, ne(first, second))]


def _memory(original: State, rewrite: State, ended: Shared = ()) -> list[Difference]:
    """``ended`` are locals that are no more, and not compared."""
    if original.memory is rewrite.memory:
        return []
    found = _differ("memory", select(original.memory, PROBE), select(rewrite.memory, PROBE))
    outside = [
        ule(const(one.size, 64), sub(PROBE, base)) for base, one in zip(LOCAL_BASES, ended, strict=False)
    ]
    return [Difference(one.where, and_(one.condition, *outside)) for one in found]


def at_return(
    original: State, rewrite: State, specification: Specification, views: Views = OWN_VIEWS
) -> list[Difference]:
    """What a caller may see after the return. Raises ``MismatchError`` and ``UnmodelledError``."""
    shared = views[0].shared
    for state, view, error in ((original, views[0], UnmodelledError), (rewrite, views[1], MismatchError)):
        if state.register("rsp") is not ENTRY_RSP:
            raise error("a return with a stack pointer that is not the one at entry")
        if state.frame_value(0, 8) is not RETURN_ADDRESS:
            raise error("a return to another address than the caller's")
        if shared and leaving(map(view.outward, _leaves(state, specification)), shared, ended=True):
            raise UnmodelledError("an address in its frame is returned, or left in memory")
    found: list[Difference] = []
    for part in specification.live_outs:
        found += _differ(
            part.register,
            views[0].outward(original.register(part.register, part.size)),
            views[1].outward(rewrite.register(part.register, part.size)),
        )
    for name in (*CALLEE_SAVED, "df"):
        found += _differ(
            name, views[0].outward(original.register(name)), views[1].outward(rewrite.register(name))
        )
    if specification.memory:
        found += _memory(original, rewrite, shared)
    return found


def _leaves(state: State, specification: Specification) -> list[Term]:
    """What a caller sees after a return."""
    names = (*(part.register for part in specification.live_outs), *CALLEE_SAVED)
    return [*map(state.register, names), state.memory]


def at_call(
    original: tuple[AtCall, State],
    rewrite: tuple[AtCall, State],
    specification: Specification,
    views: Views = OWN_VIEWS,
    given: frozenset[int] | None = None,
    unset: frozenset[str] = frozenset(),
) -> list[Difference]:
    """What a callee, the same for both, may see. ``given`` are the shared locals of which callees may know an address,
    None for any; ``unset`` registers that hold no argument, where it is not known which do. Raises ``MismatchError``,
    ``UnmodelledError``, ``UndecidedAccessError`` and ``EscapeError``."""
    (call, before), (other, after) = original, rewrite
    shared = views[0].shared
    callee = call.callee
    depths = depth(before), depth(after)
    bottoms = [d if c.resume is not None else 8 for d, c in zip(depths, (call, other), strict=True)]
    # The callee finds the return address below its arguments; 16 divides the address of those.
    if bottoms[1] % 16 != 8 and bottoms[1] % 16 != bottoms[0] % 16:
        raise MismatchError("a call with a stack that is not aligned")
    # A rewrite that is at its end needs no more of its locals than the callee may reach.
    all_count = given is None or other.resume is not None
    reached = [one for number, one in enumerate(shared) if all_count or (given and number in given)]
    if not keeps_locals(bottoms[0], bottoms[1], tuple(reached)):
        raise MismatchError(_BELOW)
    if callee.pure or callee.reads_only:
        # Its own frame takes their place, whatever memory of others it leaves alone.
        goes_on = [(side, at) for side, at in enumerate(depths) if (call, other)[side].resume is not None]
        if any(start < at for side, at in goes_on for start in views[side].starts):
            raise UnmodelledError(_BELOW)
    for state, at, one in ((before, depths[0], call), (after, depths[1], other)):
        if one.resume is None and (at != 0 or state.frame_value(0, 8) is not RETURN_ADDRESS):
            raise UnmodelledError(
                "a jump to another function with a stack pointer that is not the one at entry"
            )
    escaping(before.memory, after.memory, shared)
    left = _left(bottoms, shared)
    if left is not None and leaving((before.memory, after.memory), shared, ended=True):
        raise UnmodelledError(_DEAD)
    found: list[Difference] = []
    if call.target is not None or other.target is not None:
        assert call.target is not None and other.target is not None
        found += _passed("the called address", call.target, other.target, views)
    for register, size in _arguments(callee, before, unset):
        values = before.register(register, size), after.register(register, size)
        seen = [view.outward(value) for view, value in zip(views, values, strict=True)]
        if left is not None and leaving(seen, left):
            raise UnmodelledError(_DEAD)
        found += _passed(f"{register} at the call of {callee.name}", *values, views)
    if callee.arguments is None and "rax" not in unset:
        found += _vector_count(callee, before.register("rax", 1), after.register("rax", 1))
    for k in range(0, callee.stack_bytes or 0, 8):
        found += _stack_argument(callee, (before, bottoms[0]), (after, bottoms[1]), k, views)
    if not callee.pure and specification.memory:
        found += _memory(before, after)
    return found


def given_at_call(
    original: tuple[AtCall, State], rewrite: tuple[AtCall, State], views: Views
) -> frozenset[int]:
    """The shared locals of which this call gives addresses to the callee, if only in memory."""
    if not views[0].shared:
        return frozenset()
    callee = original[0].callee
    arguments = _arguments(callee, original[1], frozenset())
    values: list[Term] = []
    for view, (call, state) in zip(views, (original, rewrite), strict=True):
        bottom = 8 if call.resume is None else depth(state)
        on_stack = _STACK_ARGUMENTS if callee.stack_bytes is None else callee.stack_bytes
        words = [state.frame_value(bottom + k, 8) for k in range(0, on_stack, 8)]
        values += map(view.outward, [*(state.register(*one) for one in arguments), *words])
    return given_away(values, [original[1].memory, rewrite[1].memory])


def _left(bottoms: list[int], shared: Shared) -> Shared | None:
    """The locals that a callee may be given: nothing of those that lie below the stack pointer at the call, in either
    frame, for its own frame may take their place. None where there are no such."""
    lost = [one.original < bottoms[0] or one.rewrite < bottoms[1] for one in shared]
    if not any(lost):
        return None
    return tuple(
        SharedLocal(one.original, one.rewrite, 0) if gone else one
        for one, gone in zip(shared, lost, strict=True)
    )


def _passed(where: str, first: Term, second: Term, views: Views) -> list[Difference]:
    """How two values that are given to a callee may differ."""
    first, second = views[0].outward(first), views[1].outward(second)
    escaping(first, second, views[0].shared)
    return _differ(where, first, second)


def escaping(first: Term, second: Term, shared: Shared) -> None:
    """Addresses in the frame go to a callee, or to memory that callees see, only where they are those of locals that
    are shared. Raises ``UnmodelledError`` and ``EscapeError``."""
    mine, theirs = leaving([first], shared), leaving([second], shared)
    if mine.odd or theirs.odd:
        raise UnmodelledError("something computed from an address in its frame is passed to a function")
    places = dict.fromkeys((*mine.pointers, *theirs.pointers))
    if places:
        raise EscapeError((mine.pointers.get(place), theirs.pointers.get(place)) for place in places)


def _arguments(callee: Callee, before: State, unset: frozenset[str]) -> list[tuple[str, int]]:
    if callee.arguments is not None:
        return list(callee.arguments)
    count = before.register("rax", 1)
    vectors = VECTOR_ARGUMENTS[: count.value] if callee.variadic and count.is_const else VECTOR_ARGUMENTS
    found = [(name, 8) for name in INTEGER_ARGUMENTS] + [(name, 16) for name in vectors]
    hidden = unset | callee.beyond
    sized = ((name, _set_bytes(before.register(name, size))) for name, size in found if name not in hidden)
    return [(name, size) for name, size in sized if size]


def _set_bytes(value: Term) -> int:
    """How many bytes of a register, from the lowest on, are not what a call left there: all, the half, a quarter."""
    size = value.width // 8
    while size >= 8 and _is_garbage(extract(value, 4 * size, 4 * size)):
        size //= 2
    return 0 if _is_garbage(extract(value, 0, 8 * size)) else size


def _vector_count(callee: Callee, first: Term, second: Term) -> list[Difference]:
    """How the numbers of vector registers with arguments may differ, which ``al`` tells functions with variable
    arguments. Compilers set it to a constant, so that where the original has anything else there it is none."""
    found = _differ(f"rax at the call of {callee.name}", first, second)
    counts = _is_vector_count(first) if found else FALSE
    return [] if counts is FALSE else [Difference(one.where, and_(counts, one.condition)) for one in found]


def _is_vector_count(value: Term, depth: int = 0) -> Term:
    """Where a byte is one of the constants that can be a number of vector registers, which may depend on the path."""
    if value.op is not Op.ITE:
        # A constant made from a condition, 0 or 1, is not known above its lowest bit.
        return (
            TRUE
            if largest(value) < 2 * len(VECTOR_ARGUMENTS) and least(value) <= len(VECTOR_ARGUMENTS)
            else FALSE
        )
    if depth == _MERGED:
        return TRUE
    chosen, *ways = value.args
    one, other = (_is_vector_count(way, depth + 1) for way in ways)
    return or_(and_(chosen, one), and_(not_(chosen), other))


def _is_garbage(value: Term) -> bool:
    """True for what a call left in a register that is not its result."""
    if value.op is Op.EXTRACT:
        value = value.args[0]
    return value.op is Op.VAR and value.name.partition(".")[2].startswith("garbage")


def perhaps_on_stack(
    original: tuple[AtCall, State], rewrite: tuple[AtCall, State], views: Views = OWN_VIEWS
) -> list[Difference] | None:
    """How arguments on the stack may differ, for a callee of which it is not known whether it has any: as far as either
    side has written what lies there. None where that cannot be compared."""
    callee = original[0].callee
    if callee.stack_bytes is not None:
        return []
    bottoms = [8 if call.resume is None else depth(state) for call, state in (original, rewrite)]
    places = (original[1], bottoms[0]), (rewrite[1], bottoms[1])
    found: list[Difference] = []
    for k in range(0, _STACK_ARGUMENTS, 8):
        both = [_held(bottoms[side] + k, view) for side, view in enumerate(views)]
        if both[0] is not None and both[0] is both[1] is not ENTRY_RSP:
            continue  # part of a local that is compared
        if both != [None, None]:
            return None
        if all(state.cells.byte(bottom + k) is None for state, bottom in places):
            break
        try:
            found += _stack_argument(callee, *places, k, views)
        except UnmodelledError:
            return None
    return found


def _held(offset: int, view: View) -> Term | None:
    """The place in a shared local that a word of the frame is; the stack pointer for one that is partly in one, None
    where it is in none."""
    try:
        return view.place(offset, 8)
    except UndecidedAccessError:
        return ENTRY_RSP


def _stack_argument(
    callee: Callee, original: tuple[State, int], rewrite: tuple[State, int], offset: int, views: Views
) -> list[Difference]:
    starts = [
        (bottom + offset, start)
        for one in views[0].shared
        for bottom, start in ((original[1], one.original), (rewrite[1], one.rewrite))
        if start < bottom + offset + 8 and bottom + offset < start + one.size
    ]
    if starts:
        raise UnmodelledError("a local whose address is passed lies where arguments are")
    size = next((k for k in range(1, 8) if offset + k in callee.padding), 8)
    values = [state.frame_value(bottom + offset, size) for state, bottom in (original, rewrite)]
    return _passed(f"stack argument {offset // 8} of {callee.name}", values[0], values[1], views)


def result_terms(callee: Callee, before: State, view: View, number: int) -> dict[str, Term]:
    """What is in the result registers of a call, the same for both sides. ``before`` is the original's state, as its
    ``view`` has it, and ``number`` that of the call."""
    found: dict[str, Term] = {}
    arguments = callee.arguments if callee.pure else None
    for name, size in callee.results:
        if arguments is not None:
            values = [view.outward(before.register(*argument)) for argument in arguments]
            found[name] = apply(f"{callee.name} in {name}", 8 * size, *values)
        else:
            found[name] = var(f"{callee.name} in {name}, call {number}", 8 * size)
    if callee.returned:
        found["rax"] = view.outward(before.register(callee.returned))
    return found


def after_call(
    call: AtCall,
    state: State,
    names: Names,
    results: dict[str, Term],
    memory: Term,
    kept: frozenset[str] = frozenset(),
    perhaps: frozenset[str] = frozenset(),
) -> State:
    """The state when a call has returned. ``results`` has the low part of each result register, the same for both
    sides, ``memory`` what the callee left; what else it may change is unknown, but for the registers ``kept``.
    Those that ``perhaps`` are kept as well are no garbage, for another callee may be given them."""
    after = state.copy()
    after.temporaries = {}
    after.leave(memory)
    for name in CALLER_SAVED:
        cell = CELLS[name]
        if name in ("cf", "pf", "af", "zf", "sf", "of"):
            after.set_register(name, zext(names.fresh("garbage", 1), 8))
            continue
        known = results.get(name)
        if known is None and name in kept:
            continue
        what = "left by a call" if name in perhaps else "garbage"
        if known is None:
            after.set_register(name, names.fresh(what, 8 * cell.size))
            continue
        pieces = [(0, known.width // 8, known)]
        if known.width < 8 * cell.size:
            rest = names.fresh("garbage", 8 * cell.size - known.width)
            pieces.append((known.width // 8, rest.width // 8, rest))
        after.registers[cell] = pieces
    if call.resume is not None:
        bottom = depth(state)
        after.cells.drop(min([bottom, *after.cells.offsets()]), bottom)
        mark = after.garbage_below
        after.garbage_below = bottom if mark is None else max(mark, bottom)
        for k in range(bottom, bottom + (call.callee.stack_bytes or 0)):
            after.cells.put(k, names.fresh("garbage", 8))
    return after
