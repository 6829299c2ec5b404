"""From two inputs and the names of two functions to a ``Pair``, or to why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from burnish.core.code import Function, Instruction, Reason, Refused
from burnish.core.errors import FunctionNotFoundError, UsageError
from burnish.core.image import FunctionBounds
from burnish.core.pcode import OpCode, Space
from burnish.core.verdict import Unknown
from burnish.images.no_return import no_return
from burnish.recompile import Summaries
from burnish.verify.collecting import seldom_collected
from burnish.verify.pair import Callee, DataObject, Local, Pair, Place, Side
from burnish.verify.subject.declared import DeclaredCalls, arguments_of
from burnish.verify.subject.doubts import doubts_of
from burnish.verify.subject.frame_extents import aligns_calls, ceiling, widened
from burnish.verify.subject.inputs import Input
from burnish.verify.subject.naming import Home, Naming, called
from burnish.verify.subject.places import CodeAddress, Finder, Imported, UnclearError
from burnish.verify.subject.same import SameCode
from burnish.verify.subject.specify import Overrides, prototype, specify
from burnish.verify.subject.typed import TypedAccesses
from burnish.verify.subject.types import UnreadableTypeError
from burnish.verify.subject.unset import UnsetAtCalls

_NOT_BY_THE_RULE = (
    "does not tell that gcc compiled it from C under the rule on types: nothing is assumed of it"
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A pair, and what a reader should know of how it was read: functions of one name that are held apart, for
    example. ``doubts`` say what a difference may rest on that is not known, as phrases (``subject.doubts``): while
    there are any no input refutes. ``apart`` are constants of the original that may be some of the rewrite's: a
    difference in addresses of them refutes nothing, either."""

    pair: Pair
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    apart: frozenset[str] = frozenset()
    assumed: tuple[str, ...] = ()
    """Functions of which only the addresses are used, and that count as the same in both by their names alone."""


def choose_functions(
    original: Input, rewrite: Input, function: str | None = None, against: str | None = None
) -> tuple[tuple[FunctionBounds, FunctionBounds], ...]:
    """The functions to compare: those named, or all of one name in both files, or the only one of each.

    Raises ``FunctionNotFoundError`` and ``UsageError``.
    """
    if function is not None:
        return ((original.function(function), rewrite.function(against or function)),)
    if against is not None:
        raise UsageError("--against names the function in the second file; name the first's with --function")
    theirs = {name: bounds for bounds in rewrite.functions for name in (*bounds.aliases, bounds.name)}
    pairs = [
        (bounds, theirs[name])
        for bounds in original.functions
        for name in [next((n for n in (bounds.name, *bounds.aliases) if n in theirs), None)]
        if name is not None
    ]
    if pairs:
        return tuple(pairs)
    if len(original.functions) == len(rewrite.functions) == 1:
        return ((original.functions[0], rewrite.functions[0]),)
    raise FunctionNotFoundError(_no_common_name(original, rewrite))


def _no_common_name(original: Input, rewrite: Input) -> str:
    mine, theirs = [b.name for b in original.functions], [b.name for b in rewrite.functions]
    close = [(name, found[0]) for name in mine if (found := get_close_matches(name, theirs, n=1))]
    hint = f" (compare {close[0][0]} with --against {close[0][1]}?)" if close else ""
    return (
        f"{original.name} and {rewrite.name} have no function of one name; use --function and --against{hint}"
    )


def _arguments(
    home: Home, bounds: FunctionBounds, overrides: Overrides
) -> Callable[[int], tuple[str, ...] | None]:
    """The registers in which the original, and each function that it calls, has its arguments; None where that is not
    known."""
    given = None if overrides.prototype is None else prototype(overrides.prototype)

    def of(address: int) -> tuple[str, ...] | None:
        if address == bounds.address and given is not None:
            return None if given.variadic else tuple(name for name, _ in given.arguments)
        found = home.source.image.bounds_at(address)
        try:
            return None if found is None else arguments_of(home, found)
        except UnreadableTypeError:
            return None

    return of


@seldom_collected()
def read_pair(
    original: Input,
    rewrite: Input,
    functions: tuple[FunctionBounds, FunctionBounds],
    overrides: Overrides | None = None,
) -> Reading | Unknown:
    """Two functions as a pair. ``Unknown`` where one cannot be lifted or refers to what cannot be told.

    Raises ``UsageError`` for functions of different types, and for overrides that make no sense.
    """
    overrides = overrides or Overrides()
    first, second = functions
    if _runs_on(original, first) or _runs_on(rewrite, second):
        original, rewrite = _informed(original), _informed(rewrite)
    try:
        specification = specify(original, first, rewrite, second, overrides)
        lifted = [_lifted(original, first), _lifted(rewrite, second)]
        finders = (Finder(original), Finder(rewrite))
        homes = (
            Home("original", original, finders[0], lifted[0]),
            Home("rewrite", rewrite, finders[1], lifted[1]),
        )
        same = SameCode(*finders, original.elf == rewrite.elf)
        trusted = overrides.same_callees
        namings = (
            Naming(homes[0], homes[1], first.name, same, trusted),
            Naming(homes[1], homes[0], first.name, same, trusted),
        )
        sides = _unified([_side(naming) for naming in namings])
        known = _arguments(homes[0], first, overrides)
        sides[0] = replace(sides[0], unset=UnsetAtCalls(sides[0], known))
        if overrides.types:
            if not original.types.by_strict_gcc(first):
                namings[0].notes.append(f"{first.name} in {original.name} {_NOT_BY_THE_RULE}")
            sides[0] = replace(sides[0], unseen=TypedAccesses(homes[0]))
    except UnreadableTypeError as error:
        return Unknown(str(error))
    except UnclearError as error:
        return Unknown(str(error))
    notes = dict.fromkeys(note for naming in namings for note in naming.notes)
    doubts, apart = doubts_of(homes, sides)
    assumed = dict.fromkeys(name for naming in namings for name in naming.assumed)
    return Reading(Pair(sides[0], sides[1], specification), tuple(notes), doubts, apart, tuple(assumed))


def _runs_on(source: Input, bounds: FunctionBounds) -> bool:
    """True where the code seems to run on into other code."""
    found = source.summaries.lift(source.image, bounds)
    return isinstance(found, Refused) and found.reason is Reason.RUNS_ON


def _informed(source: Input) -> Input:
    """The file with what it says of functions that never return."""
    names = {one.name for one in (*source.image.plt.values(), *source.image.got.values())}
    never = frozenset(name for name in names if source.types.never_returns(name))
    if not never:
        return source
    image = replace(source.image, never_return=never)
    return replace(source, image=image, summaries=Summaries(image))


def _lifted(source: Input, bounds: FunctionBounds) -> Function:
    """The function's control flow. Raises ``UnclearError`` with the reason of the refusal."""
    if bounds.has_handler:
        raise UnclearError(f"{bounds.name} in {source.name} has an exception handler")
    found = source.summaries.lift(source.image, bounds)
    if isinstance(found, Refused):
        raise UnclearError(f"{bounds.name} in {source.name}: {found}")
    return found


def _side(naming: Naming) -> Side:
    home = naming.home
    references = home.references
    own = _frame(home, home.function)
    frames = {address: _frame(home, body) for address, body in home.bodies.items()}
    return Side(
        home.function.name,
        home.source.image,
        home.function,
        {address: naming.place(target) for address, target in references.targets.items()},
        _callees(naming),
        {address: naming.place(target) for address, target in references.slots.items()},
        home.bodies,
        own[0],
        {address: frame[0] for address, frame in frames.items()},
        own[1],
        {address: frame[1] for address, frame in frames.items() if frame[1] is not None},
        declared=DeclaredCalls(home),
    )


def _frame(home: Home, function: Function) -> tuple[tuple[Local, ...], int | None]:
    """The variables in a function's frame, and where the part below them ends."""
    bounds = home.source.image.bounds_at(function.address)
    if bounds is None:
        return (), ceiling((), function)
    types = home.source.types
    found = types.locals(bounds)
    stubs = {address for address, one in home.source.image.plt.items() if home.imports(one.name)}
    aligned = bool(found) and aligns_calls(function, home.bodies, stubs) and types.by_gcc(bounds)
    return widened(found, function, aligned=aligned), ceiling(found, function, aligned=aligned)


def _callees(naming: Naming) -> dict[int, Callee]:
    home = naming.home
    found: dict[int, Callee] = {}
    functions = (home.function, *home.bodies.values())
    for address in (address for function in functions for address in called(function)):
        found[address] = naming.callee(address)
    for instruction in (one for function in functions for one in function.instructions):
        slot = _called_slot(instruction)
        callee = None if slot is None else _slot_callee(naming, slot)
        if slot is not None and callee is not None:
            found[slot] = callee
    return found


def _called_slot(instruction: Instruction) -> int | None:
    """The fixed address from which an indirect call or jump loads its target."""
    if not any(o.opcode in (OpCode.CALLIND, OpCode.BRANCHIND) for o in instruction.operations):
        return None
    for operation in instruction.operations:
        if operation.opcode is OpCode.LOAD and operation.inputs[0].space is Space.CONST:
            return operation.inputs[0].offset
    return None


def _slot_callee(naming: Naming, slot: int) -> Callee | None:
    image = naming.home.source.image
    imported = image.bound_import(slot)
    if imported is not None:
        found = naming.imported_callee(imported.name)
        return replace(found, returns=found.returns and not no_return(image).slot_never_returns(slot))
    match naming.home.finder.pointee(slot):
        case CodeAddress(address):
            return naming.callee(address)
        case Imported(name, 0):
            return naming.imported_callee(name)
        case _:
            return None


def _unified(sides: Iterable[Side]) -> list[Side]:
    """Sides whose objects of one name are equal: what both files promise of an object holds."""
    found = list(sides)
    known: dict[str, DataObject] = {}
    for side in found:
        for place in (*side.places.values(), *side.slots.values()):
            other = known.setdefault(place.data.name, place.data)
            known[place.data.name] = _joined(other, place.data)
    return [
        replace(side, places=_renamed(side.places, known), slots=_renamed(side.slots, known))
        for side in found
    ]


def _joined(one: DataObject, other: DataObject) -> DataObject:
    if one.size != other.size or (one.data is not None and other.data is not None and one.data != other.data):
        raise UnclearError(f"{one.name} is not the same in both files")
    data = one.data if one.data is not None else other.data
    return replace(one, alignment=min(one.alignment, other.alignment), data=data)


def _renamed(places: Mapping[int, Place], known: Mapping[str, DataObject]) -> dict[int, Place]:
    return {address: Place(known[place.data.name], place.offset) for address, place in places.items()}
