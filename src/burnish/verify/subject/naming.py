"""One name on both sides for what is one thing: objects and functions that the two functions refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from burnish.core.code import Function, Refused, TailCall
from burnish.core.image import FunctionBounds
from burnish.core.pcode import OpCode, Space
from burnish.images.no_return import no_return
from burnish.recompile.bits import ARGUMENTS, cells_in
from burnish.recompile.calls import IMPORTS, CallSummary
from burnish.verify.pair import Callee, DataObject, Place
from burnish.verify.subject.inputs import Input
from burnish.verify.subject.libc import LIBC
from burnish.verify.subject.places import (
    CodeAddress,
    Finder,
    Imported,
    InRegion,
    References,
    Target,
    UnclearError,
)
from burnish.verify.subject.regions import Region, plain_name
from burnish.verify.subject.same import SameCode
from burnish.verify.subject.types import FunctionType, UnreadableTypeError

_KNOWN_IMPORTS = {
    "stdin": 8, "stdout": 8, "stderr": 8, "environ": 8, "__environ": 8, "optarg": 8, "optind": 4, "opterr": 4,
    "optopt": 4, "timezone": 8, "daylight": 4, "program_invocation_name": 8,
}  # fmt: skip
"""Sizes of the C library's variables. Of other imports it is only sure that they have what is declared, or a byte."""


_BODIES = 2000
"""Instructions of called functions that may be executed in line, in all."""


UNBOUNDED = "constants"
"""Begins the names of constants of which it is not known where they end: of one side there may be more of them than
of the other, and some of them the same."""


class Home:
    """One side's file and function while names are given; ``tag`` tells it from the other."""

    def __init__(self, tag: str, source: Input, finder: Finder, function: Function) -> None:
        self.tag = tag
        self.source = source
        self.finder = finder
        self.function = function
        self.bodies = _bodies(source, finder, function)
        every = [finder.references(one) for one in (function, *self.bodies.values())]
        self.references = References(
            _merged(one.targets for one in every),
            _merged(one.slots for one in every),
        )

    @property
    def image_name(self) -> str:
        return self.source.name

    def imports(self, name: str) -> bool:
        """True if the file takes ``name`` from elsewhere."""
        image = self.source.image
        taken = {imported.name for imported in (*image.plt.values(), *image.got.values())}
        return name in taken and self.finder.defined(name) is None

    def defined_function(self, name: str) -> FunctionBounds | None:
        """The function that the file itself has under a name."""
        found = self.finder.defined(name)
        return self.source.image.bounds_at(found.address) if isinstance(found, CodeAddress) else None


def _merged(tables: Iterable[dict[int, Target]]) -> dict[int, Target]:
    """What addresses mean in several functions, of which none may mean something else. Raises ``UnclearError``."""
    found: dict[int, Target] = {}
    for table in tables:
        for address, target in table.items():
            if found.setdefault(address, target) != target:
                raise UnclearError(
                    f"the address {address:#x} is one thing in one function, another in another"
                )
    return found


def _bodies(source: Input, finder: Finder, function: Function) -> dict[int, Function]:
    """Functions that ``function`` calls, directly or through others, as far as their code can be read and what it
    refers to be told."""
    found: dict[int, Function] = {}
    waiting = [function]
    left = _BODIES
    while waiting:
        for address in called(waiting.pop()):
            bounds = source.image.bounds_at(address)
            known = address in found or address == function.address or address in source.image.plt
            if known or bounds is None or bounds.address != address or bounds.has_handler or bounds.is_part:
                continue
            body = source.summaries.lift(source.image, bounds)
            if isinstance(body, Refused) or len(body.instructions) > left:
                continue
            try:
                finder.references(body)
            except UnclearError:
                continue
            left -= len(body.instructions)
            found[address] = body
            waiting.append(body)
    return found


def called(function: Function) -> Iterator[int]:
    """Image addresses that direct calls and jumps to other functions lead to."""
    for block in function.blocks:
        for operation in block.operations:
            if operation.opcode is OpCode.CALL:
                yield operation.inputs[0].offset
        if isinstance(block.terminator, TailCall) and block.terminator.target.space is Space.RAM:
            yield block.terminator.target.offset


class Naming:
    """Names for one side (``home``), in view of the other. Notes say what was held apart, and why."""

    def __init__(self, home: Home, other: Home, self_name: str, same: SameCode, trusted: bool) -> None:
        self.home = home
        self.other = other
        self._self_name = self_name
        self._same = same
        self._trusted = trusted
        self.notes: list[str] = []
        self.assumed: dict[str, None] = {}
        """Functions whose addresses count as the same in both files by their names alone."""
        self._same_file = home.source.elf == other.source.elf
        self._twins = _twins(home.references)

    def place(self, target: Target) -> Place:
        """The object and offset for what an address points to. Raises ``UnclearError``."""
        match target:
            case Imported(name, offset):
                return self._imported(name, offset)
            case CodeAddress(address):
                name = self.function_name(address)
                self._note_assumed(address, name)
                return Place(DataObject(f"function {name}", 1), 0)
            case InRegion(region, offset):
                return Place(self._object(region), offset)

    def callee(self, address: int) -> Callee:
        """What a call of an image address leads to."""
        imported = self.home.source.image.plt.get(address)
        if imported is not None:
            return self.imported_callee(imported.name)
        return self._own_callee(address)

    def imported_callee(self, name: str) -> Callee:
        """What a call of an import leads to."""
        own = self.home.defined_function(name)
        if own is not None:
            return self._own_callee(own.address)
        there = self.other.defined_function(name)
        if there is not None:
            return _by_summary(name, self.other, there.address)
        if name in LIBC:
            return LIBC[name]
        summary = IMPORTS.get(name)
        if summary is not None:
            return _callee(name, summary, True)
        found = self._declared(name) or Callee(name)
        return replace(found, returns=found.returns and name not in self.home.source.image.never_return)

    def _declared(self, name: str) -> Callee | None:
        """A function of neither file, by its prototype, if both sides that have one have the same."""
        found = [made for home in (self.home, self.other) if (made := _by_prototype(name, home)) is not None]
        return found[0] if found and all(one == found[0] for one in found) else None

    def function_name(self, address: int) -> str:
        """The name of a function of this file, or of an import's stub."""
        imported = self.home.source.image.plt.get(address)
        if imported is not None:
            own = self.home.defined_function(imported.name)
            return imported.name if own is None else self.function_name(own.address)
        if address == self.home.function.address:
            return self._self_name
        bounds = self.home.source.image.bounds_at(address)
        if bounds is None or bounds.address != address:
            raise UnclearError(f"the code calls {address:#x}, where no function begins")
        names = (bounds.name, *bounds.aliases)
        if self._same_file:
            return bounds.name
        for name in names:
            there = self.other.defined_function(name)
            if there is None:
                continue
            if self._trusted or self._is_same(address, there.address):
                return name
            self.notes.append(f"{name} is not the same code in both files (--assume-same-callees trusts it)")
            return f"{name}@{self.home.tag}"
        return next((name for name in names if self.other.imports(name)), bounds.name)

    def _is_same(self, address: int, there: int) -> bool:
        if self.home.tag == "original":
            return self._same.functions(address, there)
        return self._same.functions(there, address)

    def _own_callee(self, address: int) -> Callee:
        name = self.function_name(address)
        found = _by_summary(name, self.home, address)
        bounds = self.home.source.image.bounds_at(address)
        there = None if bounds is None else self.other.defined_function(bounds.name)
        if name == self._self_name and address == self.home.function.address:
            return _joined(found, _by_summary(name, self.other, self.other.function.address))
        if there is not None and "@" not in name:
            return _joined(found, _by_summary(name, self.other, there.address))
        return found

    def _imported(self, name: str, offset: int) -> Place:
        there = self.other.finder.defined(name)
        if isinstance(there, InRegion):
            made = Naming(self.other, self.home, self._self_name, self._same, self._trusted)
            return Place(made._object(there.region), there.offset + offset)
        if isinstance(there, CodeAddress) or name in LIBC or name in IMPORTS:
            return Place(DataObject(f"function {name}", 1), offset)
        return Place(DataObject(name, _KNOWN_IMPORTS.get(name) or self._declared_size(name)), offset)

    def _declared_size(self, name: str) -> int:
        """Bytes of a variable of another file, as both files declare it; 1 where none says more."""
        sizes = [home.source.types.extent(name) for home in (self.home, self.other)]
        return min((size for size in sizes if size), default=1)

    def _object(self, region: Region) -> DataObject:
        name = self._constant_name(region) if region.constant else self._variable_name(region)
        return DataObject(name, region.size, region.alignment, region.data)

    def _constant_name(self, region: Region) -> str:
        label = "" if region.anonymous else plain_name(region.label)
        digest = self._digest(region)
        if digest is None:
            place = f"{region.address:#x}" if self._same_file else f"{region.address:#x}@{self.home.tag}"
            return f"{label or UNBOUNDED} at {place}"
        number = self._twins.get(region.address, 0) if region.anonymous else 0
        kind = "constant" if region.bounded else UNBOUNDED
        return f"{label or kind} {digest[:24]}" + (f" #{number + 1}" if number else "")

    def _variable_name(self, region: Region) -> str:
        if self._same_file:
            return f"{region.label} at {region.address:#x}"
        private = f"{region.label} at {region.address:#x}@{self.home.tag}"
        for name, offset in sorted(region.labels, key=lambda row: (row[1], row[0])):
            if self.other.imports(name):
                return f"{name}-{offset:#x}" if offset else name
            there = self.other.finder.regions.named(name)
            if there is None:
                continue
            twin, twin_offset = there
            if region.is_global and twin.is_global:
                if twin.size != region.size or twin_offset != offset or twin.constant:
                    raise UnclearError(
                        f"the variable {name} is {region.size} bytes in {self.home.image_name}"
                        f" and {twin.size} in {self.other.image_name}"
                    )
                return f"{name}-{offset:#x}" if offset else name
            break
        return self._static_name(region) or (region.label if region.is_global else private)

    def _static_name(self, region: Region) -> str | None:
        """The name that a static variable has in both files: where it is the only one of it in each, with the same
        size and the same first content."""
        name = plain_name(region.label)
        mine, theirs = _statics(self.home, name), _statics(self.other, name)
        if region.is_global or not region.labels or len(mine) != 1 or len(theirs) != 1:
            return None
        there = self.other.finder.regions.at(theirs[0])
        if there is None or mine[0] != region.address or there[1]:
            return None
        twin = there[0]
        alike = twin.size == region.size and not twin.constant and not twin.is_global
        known = self._digest(region)
        return f"static {name}" if alike and known is not None and twin.digest == known else None

    def _digest(self, region: Region) -> str | None:
        """What tells a region's content, where the functions that it has the addresses of are known to be the same in
        the other file as those of their names there."""
        if all(self._is_known(address) for address in region.functions):
            return region.digest
        return None

    def _is_known(self, address: int) -> bool:
        bounds = self.home.source.image.bounds_at(address)
        there = None if bounds is None else self.other.defined_function(bounds.name)
        if there is None or bounds is None:
            return False
        if self._trusted:
            self._note_assumed(address, bounds.name)
            return True
        return self._is_same(address, there.address)

    def _note_assumed(self, address: int, name: str) -> None:
        there = self.other.defined_function(name)
        if self._trusted and there is not None and not self._is_same(address, there.address):
            self.assumed[name] = None


def _statics(home: Home, name: str) -> list[int]:
    """Addresses of the variables whose name without the compiler's number is ``name``."""
    found = (s for s in home.source.data.symbols if plain_name(s.name) == name)
    return sorted({symbol.address for symbol in found})


def _twins(references: References) -> dict[int, int]:
    """Constants without a name that have equal content are numbered by their addresses."""
    by_digest: dict[str, set[int]] = {}
    for target in (*references.targets.values(), *references.slots.values()):
        if isinstance(target, InRegion) and target.region.anonymous and target.region.digest is not None:
            by_digest.setdefault(target.region.digest, set()).add(target.region.address)
    return {a: k for group in by_digest.values() for k, a in enumerate(sorted(group))}


def _by_summary(name: str, home: Home, address: int) -> Callee:
    """A function of a file, by its type, or by what its code reads and leaves."""
    returns = not no_return(home.source.image).never_returns(address)
    bounds = home.source.image.bounds_at(address)
    try:
        kind = None if bounds is None or bounds.address != address else home.source.types.of(bounds)
        if kind is not None and not kind.variadic:
            results = tuple((part.register, part.size) for part in kind.live_outs)
            return Callee(
                name,
                kind.arguments,
                results,
                stack_bytes=kind.stack_bytes,
                returns=returns,
                padding=kind.padding,
            )
    except UnreadableTypeError:
        pass  # what its code does is known all the same
    return _callee(name, home.source.summaries.at(address), returns)


def _by_prototype(name: str, home: Home) -> Callee | None:
    try:
        kind = home.source.types.declared(name)
        if kind is None:
            return None
        if kind.variadic:
            return Callee(name, variadic=True, format=_format(kind))
        results = tuple((part.register, part.size) for part in kind.live_outs)
        return Callee(name, kind.arguments, results, stack_bytes=kind.stack_bytes, padding=kind.padding)
    except UnreadableTypeError:
        return None


def _format(kind: FunctionType) -> str:
    """The register of the last parameter with a name, if that is a string."""
    text = kind.parameters[-1].text if kind.parameters else ""
    return kind.in_integer_registers[-1] if text in ("const char *", "char *") else ""


def _callee(name: str, summary: CallSummary, returns: bool) -> Callee:
    known = not (summary.arguments == ARGUMENTS or summary.variadic)
    arguments = tuple((cell.name, part.bit_length()) for cell, part in cells_in(summary.arguments))
    results = tuple((cell.name, part.bit_length()) for cell, part in cells_in(summary.results))
    return Callee(
        name, arguments if known else None, results, stack_bytes=summary.stack_bytes, returns=returns
    )


def _joined(one: Callee, other: Callee) -> Callee:
    """A function by what two bodies of it read and leave: an argument that either reads counts, a result that both
    leave."""
    arguments = None
    if one.arguments is not None and other.arguments is not None:
        arguments = _each(max, (*one.arguments, *other.arguments))
    both = {name for name, _ in one.results} & {name for name, _ in other.results}
    results = _each(min, (row for row in (*one.results, *other.results) if row[0] in both))
    sizes = (one.stack_bytes, other.stack_bytes)
    stack = None if None in sizes else max(size for size in sizes if size is not None)
    return replace(
        one,
        arguments=arguments,
        results=results,
        stack_bytes=stack,
        returns=one.returns or other.returns,
        padding=one.padding & other.padding,
    )


def _each(choose: Callable[[int, int], int], rows: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """One size for each register."""
    found: dict[str, int] = {}
    for name, size in rows:
        found[name] = choose(found.get(name, size), size)
    return tuple(sorted(found.items()))
