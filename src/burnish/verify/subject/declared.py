"""The functions that a side calls by their addresses, as the types of the pointers declare them."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from burnish.core.code import Function
from burnish.core.image import FunctionBounds, ImageKind
from burnish.verify.pair import Declared, Site
from burnish.verify.subject.debug_pointers import Pointee
from burnish.verify.subject.naming import Home
from burnish.verify.subject.places import Imported, InRegion
from burnish.verify.subject.pointers import Known, called_through, calls_by_address
from burnish.verify.subject.types import UnreadableTypeError


def arguments_of(home: Home, bounds: FunctionBounds) -> tuple[str, ...] | None:
    """The registers in which a function has its arguments; None where nobody says so whose word counts here: compilers
    other than gcc may give a function others than its type has, and what has several names may have several types."""
    if bounds.source != "symbol" or bounds.aliases or not home.source.types.by_gcc(bounds):
        return None
    kind = home.source.types.of(bounds)
    return None if kind is None or kind.variadic else tuple(name for name, _ in kind.arguments)


class DeclaredCalls:
    """The calls by an address in a side's function, and in those that it calls, of which a type is known. Nothing is
    read before it is asked for."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def __call__(self, site: Site) -> Declared | None:
        return self.all.get(site)

    @cached_property
    def all(self) -> dict[Site, Declared]:
        """All of them."""
        home = self._home
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
    for site, pointee in called_through(function, at_entry, known_of(home, bounds)):
        try:
            kind = types.called(pointee)
            if kind is not None:
                found[site] = Declared(pointee.name or "a pointer", kind.arguments, kind.stack_bytes)
        except UnreadableTypeError:
            continue
    return found


def known_of(home: Home, bounds: FunctionBounds) -> Known:
    """What the unit of a function says of variables, and the file of the results of functions."""
    alone = home.source.image.kind is ImageKind.OBJECT

    def variable(address: int) -> Pointee | None:
        whole = False
        match home.references.targets.get(address):
            case Imported(name, offset):
                names = ((name, 0),)
                # What has no name of its own at that place may also be where another variable ends.
                whole = True
            case InRegion(region, offset) if region.is_global or alone:
                names = region.labels
            case _:
                return None
        for name, start in names:
            found = home.source.types.variable(bounds, name)
            if found is not None:
                return replace(found.moved(offset - start), whole=whole)
        return None

    def result(address: int) -> Pointee | None:
        imported = home.source.image.plt.get(address)
        if imported is not None:
            return home.source.types.result_of(imported.name)
        called = home.source.image.bounds_at(address)
        return None if called is None or called.address != address else home.source.types.result_of(called)

    return Known(variable, result)
