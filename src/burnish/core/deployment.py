"""What is put in place of a function, and what became of it: the data of linking, patching and deploying."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from burnish.core.code import Refused


@dataclass(frozen=True, slots=True)
class ObjectCode:
    """A rebuilt function: a relocatable x86-64 ELF object that defines the global function ``symbol``.

    ``address`` is the image address of the function that it replaces. The object may refer to
    ``__burnish_image`` (image address 0), ``__burnish_at_<hex>`` (that image address) and the memory
    functions that a code generator introduces (``memcpy``, ``memmove``, ``memset``, ``memcmp``, ``bcmp``).
    """

    data: bytes = field(repr=False)
    symbol: str
    address: int


@dataclass(frozen=True, slots=True)
class LinkedFunction:
    """Where one object's function was placed. ``original`` is the image address that it replaces; ``size`` is
    in bytes."""

    symbol: str
    original: int
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One unwind record: the code that it describes and the address of its ``FDE``."""

    start: int
    size: int
    record: int


@dataclass(frozen=True, slots=True)
class LinkedCode:
    """Code with its constants and unwind records, ready to be copied to ``address`` and made executable.

    ``data`` holds the code (``text_size`` bytes), then read-only constants, then at ``frames_offset`` a
    zero-terminated ``.eh_frame`` (as ``__register_frame`` takes it). Nothing in it needs to be writable.
    """

    address: int
    data: bytes = field(repr=False)
    functions: tuple[LinkedFunction, ...]
    text_size: int
    frames_offset: int
    frames: tuple[Frame, ...] = ()

    @property
    def symbols(self) -> dict[str, int]:
        """Address of each function by its symbol; of several with one name, the first."""
        return {function.symbol: function.address for function in reversed(self.functions)}

    def entry(self, original: int) -> int:
        """Address of what replaces the function at image address ``original``; raises ``KeyError``."""
        for function in self.functions:
            if function.original == original:
                return function.address
        raise KeyError(hex(original))


@dataclass(frozen=True, slots=True)
class Replacement:
    """A function of a file, and the code to run instead.

    ``size`` is the number of bytes of the original function from ``code.address``. ``jump_targets`` are
    addresses that code other than the function's callers may jump to (loop heads near the entry, parts shared
    with other functions): a jump may not be written over one. ``strategy`` and ``verdict`` are for the note.
    """

    name: str
    code: ObjectCode
    size: int
    strategy: str
    verdict: str
    jump_targets: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PatchedFunction:
    """A replaced function in a patched file. Addresses are image addresses, sizes bytes."""

    name: str
    address: int
    size: int
    new_address: int
    new_size: int
    strategy: str
    verdict: str


@dataclass(frozen=True, slots=True)
class PatchedImage:
    """A patched copy that was written. ``refused`` has the functions that were left as they were."""

    path: Path
    source: Path
    functions: tuple[PatchedFunction, ...]
    refused: tuple[Refused, ...] = ()
    warnings: tuple[str, ...] = ()
    added: int = 0
    """Bytes that the file grew by, holes included."""


class Method(Enum):
    """How a run of the output finds the patched code. The value is the phrase that the report uses."""

    EXECUTABLE = "in the executable itself"
    RPATH = "libraries found through DT_RPATH of the copy"
    RUNPATH = "libraries found through DT_RUNPATH of the copy"
    PRELOAD = "libraries named by LD_PRELOAD"


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that was written for one program.

    ``command`` runs the copy: words for a shell, to which the program's arguments are appended;
    ``environment`` is what must be set for it (empty but for ``Method.PRELOAD``).
    """

    output: Path
    method: Method
    images: tuple[PatchedImage, ...]
    command: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    warnings: tuple[str, ...] = ()
