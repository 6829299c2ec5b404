"""What a loaded image is: bytes at addresses, names, and the facts that the loader found."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum, IntFlag
from pathlib import Path

from burnish.core.code import Refused


class ImageKind(Enum):
    """What sort of file an image came from."""

    EXECUTABLE = "executable"
    PIE = "position-independent executable"
    SHARED = "shared library"
    OBJECT = "relocatable object"

    @property
    def is_interposable(self) -> bool:
        """True where another object may take the place of an exported function at run time."""
        return self is ImageKind.SHARED


class Access(IntFlag):
    """Memory protection, with the values of ELF ``p_flags``."""

    EXECUTE = 1
    WRITE = 2
    READ = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes mapped at ``address``. ``data`` is zero-filled to the size in memory."""

    address: int
    data: bytes = field(repr=False)
    access: Access

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True, slots=True)
class Section:
    """A named part of the mapped memory."""

    name: str
    address: int
    size: int

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class FunctionBounds:
    """Where a function lies, and how that is known."""

    name: str
    address: int
    size: int
    source: str
    """``symbol``, ``eh_frame``, ``call`` (target of a direct call) or ``entry``."""
    exported: bool = False
    has_handler: bool = False
    """True where ``.eh_frame`` names a language-specific data area: unwinding runs code of this function."""
    aliases: tuple[str, ...] = ()
    is_part: bool = False
    """True for a piece of another function that lies apart (``name.cold``): entered by jumps only, never called."""
    weak: bool = False
    """True where one of its names is weak: before an object is linked, another function may take its place."""

    @property
    def end(self) -> int:
        return self.address + self.size


@dataclass(frozen=True, slots=True)
class Import:
    """A function or object that the image takes from elsewhere; ``offset`` is what is added to its address."""

    name: str
    version: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Image:
    """A loaded image; compared and hashed by identity. All addresses are image addresses (as
    linked; a PIE or library starts near 0).

    ``plt`` maps the address of each PLT stub to what it calls; ``got`` maps the address of each GOT slot (and of
    each other location that the loader fills with an import's address) to the import. ``relative`` maps each
    location that holds a relocated image address to that address.
    """

    path: Path
    kind: ImageKind
    segments: tuple[Segment, ...]
    functions: tuple[FunctionBounds, ...]
    """Sorted by address, without overlap."""
    entry: int = 0
    build_id: str = ""
    plt: dict[int, Import] = field(default_factory=dict[int, Import])
    got: dict[int, Import] = field(default_factory=dict[int, Import])
    relative: dict[int, int] = field(default_factory=dict[int, int])
    ifuncs: dict[int, int] = field(default_factory=dict[int, int])
    """Each location that the loader fills with what a resolver returns (IRELATIVE), to that resolver's address."""
    constant: tuple[tuple[int, int], ...] = ()
    """``(start, end)`` of memory that is writable only until relocation is done (RELRO)."""
    sections: tuple[Section, ...] = ()
    """The section table as far as it describes mapped memory; empty where it was stripped."""
    unwind_table: int = 0
    """Address of ``.eh_frame_hdr``, or 0."""
    needed: tuple[str, ...] = ()
    soname: str = ""
    never_return: frozenset[str] = frozenset()
    """Names of imports that somebody has declared never to return, beside those of which everybody knows it."""

    def segment_at(self, address: int) -> Segment | None:
        """The segment that holds ``address``, or None."""
        for segment in self.segments:
            if segment.address <= address < segment.end:
                return segment
        return None

    def read(self, address: int, size: int) -> bytes | None:
        """``size`` bytes at ``address``, or None if they are not all in one segment."""
        segment = self.segment_at(address)
        if segment is None or address + size > segment.end:
            return None
        start = address - segment.address
        return segment.data[start : start + size]

    def is_code(self, address: int) -> bool:
        """True if ``address`` lies in an executable segment."""
        segment = self.segment_at(address)
        return segment is not None and Access.EXECUTE in segment.access

    def is_constant(self, address: int, size: int) -> bool:
        """True if nothing in the running program may write to those bytes."""
        segment = self.segment_at(address)
        if segment is None or address + size > segment.end:
            return False
        if Access.WRITE not in segment.access:
            return True
        return any(start <= address and address + size <= end for start, end in self.constant)

    def bound_import(self, slot: int) -> Import | None:
        """The import whose very address the 8 bytes at ``slot`` hold whenever code reads them: a slot of the GOT, or
        constant memory. None for a variable that only begins with it."""
        found = self.got.get(slot)
        if found is None or found.offset:
            return None
        in_got = any(s.name.startswith(".got") and s.address <= slot < s.end for s in self.sections)
        return found if in_got or self.is_constant(slot, 8) else None

    def bounds_at(self, address: int) -> FunctionBounds | None:
        """The function whose bytes include ``address``, or None."""
        index = bisect_right(self.functions, address, key=lambda bounds: bounds.address) - 1
        if index < 0:
            return None
        bounds = self.functions[index]
        return bounds if address < bounds.address + max(bounds.size, 1) else None


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of source, from DWARF."""

    path: str
    line: int


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """Whether one function lifts; ``refused`` is None when it does."""

    function: FunctionBounds
    instructions: int
    refused: Refused | None
