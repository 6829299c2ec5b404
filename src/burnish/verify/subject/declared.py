"""The functions that a side calls by their addresses, as the types of the pointers declare them."""

from __future__ import annotations

from collections.abc import Callable

from burnish.core.code import Function
from burnish.core.image import FunctionBounds, ImageKind
from burnish.verify.pair import Declared
from burnish.verify.subject.debug_pointers import Pointee
from burnish.verify.subject.naming import Home
from burnish.verify.subject.places import Imported, InRegion
from burnish.verify.subject.pointers import called_through, calls_by_address
from burnish.verify.subject.types import UnreadableTypeError
from burnish.verify.subject.unset import Site


def arguments_of(home: Home, bounds: FunctionBounds) -> tuple[str, ...] | None:
    """The registers in which a function has its arguments; None where nobody says so whose word counts here: compilers
    other than gcc may give a function others than its type has."""
    if bounds.source != "symbol" or not home.source.types.by_gcc(bounds):
        return None
    kind = home.source.types.of(bounds)
    return None if kind is None or kind.variadic else tuple(name for name, _ in kind.arguments)


def declared_calls(home: Home) -> dict[Site, Declared]:
    """All calls by an address in a side's function, and in those that it calls, of which a type is known."""
    found: dict[Site, Declared] = {}
    for function in (*home.bodies.values(), home.function):
        bounds = home.source.image.bounds_at(function.address)
        if bounds is not None and calls_by_address(function):
            found.update(_in_function(home, bounds, function))
    return found


def _in_function(home: Home, bounds: FunctionBounds, function: Function) -> dict[Site, Declared]:
    types = home.source.types
    try:
        known = arguments_of(home, bounds)
        at_entry = {} if known is None else types.pointers(bounds)
    except UnreadableTypeError:
        at_entry = {}
    found: dict[Site, Declared] = {}
    for site, pointee in called_through(function, at_entry, _variables(home, bounds)):
        try:
            kind = types.called(pointee)
            if kind is not None:
                found[site] = Declared(pointee.name, kind.arguments, kind.stack_bytes)
        except UnreadableTypeError:
            continue
    return found


def _variables(home: Home, bounds: FunctionBounds) -> Callable[[int], Pointee | None]:
    """What lies at an image address, for variables of which the unit of a function has the type."""
    alone = home.source.image.kind is ImageKind.OBJECT

    def variable(address: int) -> Pointee | None:
        match home.references.targets.get(address):
            case Imported(name, offset):
                names = ((name, 0),)
            case InRegion(region, offset) if region.is_global or alone:
                names = region.labels
            case _:
                return None
        for name, start in names:
            found = home.source.types.variable(bounds, name)
            if found is not None:
                return found.moved(offset - start)
        return None

    return variable
