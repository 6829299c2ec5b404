"""Two functions to be compared, and what the addresses in their code stand for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from burnish.core.code import Function, Label
from burnish.core.image import Image, ImageKind
from burnish.core.specification import Specification

LOWEST = 4096
"""Nothing is mapped below that address (vm.mmap_min_addr of Linux is at least that): an access there faults."""


@dataclass(frozen=True, slots=True)
class DataObject:
    """Memory that code refers to by its address. Objects of one ``name`` are one object for both sides, whatever
    their image addresses; all others are apart. ``data`` are the bytes where they are constant for ever, else None:
    then the content at entry is unknown, and the same for both."""

    name: str
    size: int
    alignment: int = 1
    data: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """An address as object and offset: the object's address plus ``offset``, modulo ``2 ** 64``. Compilers put the
    address of ``table[-4]`` into code; whether what is computed from it lies in the object is not said here."""

    data: DataObject
    offset: int


@dataclass(frozen=True, slots=True)
class Callee:
    """What a call leads to. Callees of one ``name`` are one function for both sides.

    ``arguments`` are the registers with the number of low bytes that it reads, None where that is not known: then
    every argument register that the caller did set counts. ``results`` are the registers (with sizes) in which it
    returns something. ``pure`` callees neither read nor write memory, ``reads_only`` ones do not write it.
    ``stack_bytes`` is the extent of its stack arguments, None when unknown. ``returns`` is False for ``abort``.
    ``returned`` names the argument register that it returns, as ``memcpy`` does; empty for others. ``variadic`` where
    it is declared with ``...``: then ``al`` bounds the number of vector registers with arguments (ABI, section 3.2.3).
    """

    name: str
    arguments: tuple[tuple[str, int], ...] | None = None
    results: tuple[tuple[str, int], ...] = (("rax", 8), ("rdx", 8), ("xmm0", 16), ("xmm1", 16))
    pure: bool = False
    reads_only: bool = False
    stack_bytes: int | None = None
    returns: bool = True
    returned: str = ""
    variadic: bool = False
    padding: frozenset[int] = frozenset()
    """Bytes of its stack arguments' extent, by offset, that are part of none: of an ``int`` only four are looked at."""
    format: str = ""
    """The argument register in which a variadic function has its last parameter with a name, if that is a string."""
    beyond: frozenset[str] = frozenset()
    """Registers that hold none of its arguments, where that is taken for granted (``engine.formats``)."""
    library: bool = False
    """True for a function of the C library, which does what the standard says."""


BY_ADDRESS = Callee("a function by its address")
"""What is called by an address of which nothing more is known."""
ANY_FUNCTION = 0x3280_0000
"""Where such a function is in tests: a callee that is stood for as others are."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What the debug information says of a function that is called by its address: the arguments that it takes, as in
    ``Callee``. ``through`` is the variable or the member of a structure that holds the address."""

    through: str
    arguments: tuple[tuple[str, int], ...]
    stack_bytes: int

    def is_alike(self, other: Declared) -> bool:
        """True where both take the same."""
        return (self.arguments, self.stack_bytes) == (other.arguments, other.stack_bytes)


@dataclass(frozen=True, slots=True)
class Unseen:
    """Which stores of the original its loads are taken not to read, by the addresses of the instructions: a load is of
    a class, and a store is not seen by some classes. What a load of such a class reads was last stored by another one,
    or before the function began."""

    loads: Mapping[int, int] = field(default_factory=dict[int, int])
    stores: Mapping[int, frozenset[int]] = field(default_factory=dict[int, "frozenset[int]"])
    members_loaded: Mapping[int, int] = field(default_factory=dict[int, int])
    members_stored: Mapping[int, int] = field(default_factory=dict[int, int])
    """Numbers of the members of structures that instructions access: a load is of all that a store to the same member
    wrote, or of nothing of it."""

    def first(self, count: int) -> Unseen:
        """So many classes alone."""
        hidden = {at: frozenset(one for one in kinds if one < count) for at, kinds in self.stores.items()}
        return replace(
            self, loads={at: kind for at, kind in self.loads.items() if kind < count}, stores=hidden
        )

    @property
    def classes(self) -> frozenset[int]:
        """All classes of loads."""
        return frozenset(self.loads.values())


ALL_SEEN = Unseen()
MOST_CLASSES = 8
"""Classes of loads that a proof tells apart: each has a memory of its own."""

Site = tuple[Label, int]
"""A call: its block, and the index of its operation there; the number of operations for a jump at the end."""


def _undeclared(_: Site) -> Declared | None:
    return None


def untyped(_: Iterable[int]) -> Unseen:
    """That all is seen."""
    return ALL_SEEN


def _all_set(_: Site) -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, slots=True)
class Local:
    """A variable in a frame: its ``offset`` from the stack pointer at entry, its size and alignment, in bytes.
    ``named`` is what its own type takes, where ``size`` has more."""

    offset: int
    size: int
    alignment: int = 1
    named: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        if not self.named:
            object.__setattr__(self, "named", self.size)

    @property
    def end(self) -> int:
        return self.offset + self.size


class Copy(NamedTuple):
    """A block of a callee that was put in place of a call: where that function begins, which of its copies it is,
    whether it is entered there, and the same two of the copy that calls it, None where the function does itself."""

    address: int
    number: int
    entry: bool
    caller: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class SharedLocal:
    """A local whose address is given away: one object for both sides, that lies at ``original`` and at ``rewrite`` in
    their frames. What knows several of them numbers them in their order."""

    original: int
    rewrite: int
    size: int


Shared = tuple[SharedLocal, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One of the two functions. All addresses are image addresses of ``image``."""

    name: str
    image: Image = field(repr=False)
    function: Function = field(repr=False)
    places: Mapping[int, Place] = field(repr=False)
    """Each address that occurs in the code as an address (operand of ``ADDRESS``, ``LOAD`` or ``STORE``), in an object
    or one past its end."""
    callees: Mapping[int, Callee] = field(repr=False)
    """Each address that a ``CALL`` or ``TailCall`` leads to, PLT stubs as what they lead to, and each GOT slot that an
    indirect call or jump loads its target from."""
    slots: Mapping[int, Place] = field(default_factory=dict[int, Place], repr=False)
    """Constant 8-byte words that hold an address (GOT slots, constant pointers): where each lies, and what it points
    to. What is loaded from there is that address at run time, whatever the image's bytes say."""
    bodies: Mapping[int, Function] = field(default_factory=dict[int, Function], repr=False)
    """Functions of the image that this one calls, directly or through others, by address: all that could be lifted."""
    locals: tuple[Local, ...] = field(default=(), repr=False)
    """Variables in the function's frame, as far as the file says where they are."""
    body_locals: Mapping[int, tuple[Local, ...]] = field(
        default_factory=dict[int, "tuple[Local, ...]"], repr=False
    )
    """Those of the functions in ``bodies``."""
    ceiling: int | None = None
    """Where the part of the frame ends, as an offset, in which there may be objects that the file does not tell of,
    since none of its variables is there; None where no address in the frame is taken, or nothing is known."""
    body_ceilings: Mapping[int, int] = field(default_factory=dict[int, int], repr=False)
    """The same of the functions in ``bodies``."""
    executed: frozenset[str] = frozenset()
    """Names of functions of the C library that are executed in line, where it can be said what they do
    (``engine.library``)."""
    copies: Mapping[Label, Copy] = field(default_factory=dict[Label, Copy], repr=False)
    """Blocks of ``function`` that are callees' code."""
    unset: Callable[[Site], frozenset[str]] = field(default=_all_set, repr=False)
    """Argument registers that nobody has set at a call of the function, or of one in ``bodies`` (``subject.unset``).
    For the original only."""
    declared: Callable[[Site], Declared | None] = field(default=_undeclared, repr=False)
    """What is called by its address, as far as the pointer's type says what it is (``subject.pointers``): the code may
    use it as one of another type."""
    unseen: Callable[[Iterable[int]], Unseen] = field(default=untyped, repr=False)
    """What the loads among the instructions at those addresses do not read of what the stores among them wrote, where
    C's rule on types is taken for granted. For the original only."""

    def is_replaceable(self, address: int) -> bool:
        """True where another file's function may be what is called at an image address."""
        bounds = self.image.bounds_at(address)
        weak = self.image.kind is ImageKind.OBJECT and bounds is not None and bounds.weak
        return weak or address in self.image.plt

    def bodies_of(self, names: frozenset[str]) -> list[Function]:
        """The code of callees of those names, as far as it is known."""
        known = {at: callee.name for at, callee in self.callees.items()}
        return [body for at, body in self.bodies.items() if known.get(at) in names]

    @property
    def constants(self) -> dict[str, bytes]:
        """The bytes of each constant object that the code refers to, by name."""
        placed = [*self.places.values(), *self.slots.values()]
        return {place.data.name: place.data.data for place in placed if place.data.data is not None}


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """The original, its rewrite, and what the rewrite must keep."""

    original: Side
    rewrite: Side
    specification: Specification
    shared: Shared = ()
