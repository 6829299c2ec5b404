"""What is not known of two files, so that a difference between their functions may not be one.

Things that two files name alike are one, and others are apart. That holds where both have names. Of a variable or a
function without a name (in a stripped file) nobody knows which of the other file's it is, and what a callee does whose
code cannot be read is made up in tests: where only one of the two calls it, the other may have it in line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, product

from burnish.core.pcode import OpCode, Space
from burnish.recompile.calls import IMPORTS
from burnish.verify.jump_tables import switch_targets, table_at
from burnish.verify.pair import DataObject, Side
from burnish.verify.subject.libc import LIBC
from burnish.verify.subject.naming import UNBOUNDED, Home, called
from burnish.verify.subject.places import InRegion
from burnish.verify.subject.regions import plain_name

_FUNCTION = "function "
_UNNAMED_FUNCTION = re.compile(r"fn_[0-9a-f]+")
_ADDRESSED = frozenset((OpCode.LOAD, OpCode.STORE, OpCode.ADDRESS))


@dataclass(frozen=True, slots=True)
class _Thing:
    """Something of one side, by the name that it has in the pair, and its names in the file, none if it has none."""

    name: str
    labels: frozenset[str] = field(default_factory=frozenset[str])
    unknown: bool = False
    """True where its content is not known."""
    imported: bool = False
    """True for what another file defines, which may be a function, too."""

    def may_be(self, other: _Thing) -> bool:
        """True where nothing says that it is another thing than one of the other side."""
        return not self.labels or not other.labels or not self.labels.isdisjoint(other.labels)


def doubts_of(homes: Sequence[Home], sides: Sequence[Side]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Phrases on what may or may not be so, and if it is, the two differ; and the constants of the original that may be
    some of the rewrite's, of which only the addresses may be the same or not."""
    named = [_objects(side) for side in sides]
    only = [named[0].keys() - named[1].keys(), named[1].keys() - named[0].keys()]
    found = list(_of_callees(sides))
    apart: frozenset[str] = frozenset()
    if all(only):
        data = [list(_data(*row)) for row in zip(homes, sides, only, strict=True)]
        functions = [_functions(names) for names in only]
        for one, other in product(*data):
            if (one.unknown or other.unknown) and one.may_be(other):
                found.append(f"{one.name} and {other.name} are not one object")
        imported = [[thing for thing in things if thing.imported] for things in data]
        rows = ((functions[0], [*functions[1], *imported[1]]), (imported[0], functions[1]))
        for one, other in chain.from_iterable(product(*row) for row in rows):
            if one.may_be(other):
                found.append(f"{one.name} and {other.name} are not one function")
        known = [{thing.name for thing in things if not thing.unknown} for things in data]
        if all(known) and any(name.startswith(f"{UNBOUNDED} ") for name in (*known[0], *known[1])):
            apart = frozenset(known[0])
    return tuple(dict.fromkeys(found)), apart


def _objects(side: Side) -> dict[str, DataObject]:
    return {place.data.name: place.data for place in (*side.places.values(), *side.slots.values())}


def _functions(names: set[str]) -> list[_Thing]:
    return [_function(name.removeprefix(_FUNCTION)) for name in sorted(names) if name.startswith(_FUNCTION)]


def _function(name: str) -> _Thing:
    plain = name.partition("@")[0]
    return _Thing(name, frozenset(() if _UNNAMED_FUNCTION.fullmatch(plain) else (plain,)))


def _data(home: Home, side: Side, names: set[str]) -> Iterator[_Thing]:
    """Those of the objects with these names that code reads or writes, or whose addresses it takes: no jump tables, and
    no words of the GOT."""
    switches = switch_targets((side.function, *side.bodies.values()))
    seen: dict[str, _Thing] = {}
    rows = [(home.references.targets, side.places), (home.references.slots, side.slots)]
    for targets, places in rows:
        for address, place in sorted(places.items()):
            name = place.data.name
            if name not in names or name.startswith(_FUNCTION) or name in seen:
                continue
            target = targets.get(address)
            region = target.region if isinstance(target, InRegion) else None
            labels = (name,) if region is None else (plain_name(label) for label, _ in region.labels)
            thing = _Thing(name, frozenset(labels), place.data.data is None, region is None)
            hidden = thing.unknown and not thing.labels and places is side.places
            if hidden and (_is_table(side, address, switches) or _is_pointer(side, address)):
                continue
            seen[name] = thing
    yield from seen.values()


def _is_table(side: Side, address: int, switches: Sequence[frozenset[int]]) -> bool:
    return any(table_at(side.image, address, targets) is not None for targets in switches)


def _is_pointer(side: Side, address: int) -> bool:
    """True for a word that code does nothing with but to load it, and of which it is known what it points to."""
    known = address in side.slots or address in side.callees
    if not known and side.image.bound_import(address) is None:
        return False
    for function in (side.function, *side.bodies.values()):
        for block in function.blocks:
            for operation in block.operations:
                node = operation.inputs[0] if operation.inputs else None
                if operation.opcode not in _ADDRESSED or node is None or node.space is not Space.CONST:
                    continue
                whole = operation.output is not None and operation.output.size == 8
                if node.offset == address and not (operation.opcode is OpCode.LOAD and whole):
                    return False
    return True


def _of_callees(sides: Sequence[Side]) -> Iterator[str]:
    names = [{callee.name: address for address, callee in side.callees.items()} for side in sides]
    unread = [_unread(side) for side in sides]
    for mine, theirs in ((0, 1), (1, 0)):
        for name in sorted(unread[mine].keys() - names[theirs].keys()):
            yield f"the code of {name}, which only one of them calls and which cannot be read, does something else"
        for name in sorted(names[mine].keys() - names[theirs].keys()):
            if not _UNNAMED_FUNCTION.fullmatch(name):
                continue
            for other in sorted(names[theirs].keys() - names[mine].keys()):
                if _is_elsewhere(sides[theirs], names[theirs][other]) and not _has_name(sides[mine], other):
                    yield f"{name} and {other} are not one function"
    for name in sorted(unread[0].keys() & unread[1].keys()):
        if unread[0][name] != unread[1][name]:
            yield f"the code of {name}, which they call in different places and which cannot be read, is not in line"


def _unread(side: Side) -> Counter[str]:
    """How often a side calls each function whose code is in its file and cannot be read."""
    found: Counter[str] = Counter()
    known = {side.callees[address].name for address in side.bodies if address in side.callees}
    for function in (side.function, *side.bodies.values()):
        for address in called(function):
            callee = side.callees[address]
            if (
                address != side.function.address
                and callee.name not in known
                and not _is_elsewhere(side, address)
            ):
                found[callee.name] += 1
    return found


def _is_elsewhere(side: Side, address: int) -> bool:
    """True for a callee of another file."""
    image = side.image
    return address in image.plt or address in image.got or image.bounds_at(address) is None


def _has_name(side: Side, name: str) -> bool:
    """True where a side would have a callee by its name: one of the C library, in a file that takes some from there, or
    that is done for real in tests."""
    linked = bool(side.image.plt or side.image.got)
    return linked and (name in LIBC or name in IMPORTS)
