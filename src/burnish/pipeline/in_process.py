"""Rebuilt code in this process, beside the library whose function it replaces, as something that Python can call."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burnish.core.deployment import ObjectCode
from burnish.core.errors import HostError, UsageError
from burnish.core.image import Image, ImageKind
from burnish.images.link import Layout, image_resolver
from burnish.runtime.memory import CodeMemory, LoadedLibrary, allocate_near, function_pointer, load_library


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class PlacedFunction:
    """A rebuilt function at ``address`` of this process. Its code is unmapped when nothing refers to this object any
    more."""

    name: str
    address: int
    memory: CodeMemory = field(repr=False)
    library: LoadedLibrary = field(repr=False)


@dataclass(frozen=True, slots=True)
class NativeFunction:
    """A placed function with a C type; calls it. Keeps its code alive, but C code that stores the function's address
    does not."""

    pointer: Callable[..., Any] = field(repr=False)
    placed: PlacedFunction

    def __call__(self, *arguments: Any) -> Any:
        """Calls with arguments as ctypes takes them. What crashes the original crashes this process."""
        return self.pointer(*arguments)


def place_in_process(image: Image, code: ObjectCode, name: str) -> PlacedFunction:
    """Loads the shared library ``image`` into this process and puts ``code`` within its reach. What it calls and
    the data that it uses are the library's.

    Raises ``UsageError`` for an image that is no shared library, ``ImageError`` where it cannot be loaded,
    ``HostError`` where another file of its name is loaded already or executable memory cannot be had, ``LinkError``.
    """
    if image.kind is not ImageKind.SHARED:
        raise UsageError(
            f"{name} cannot be called here: {image.path.name} is no shared library, so it cannot be loaded into "
            "this process."
        )
    path = image.path.resolve()
    library = load_library(path)
    if not _same(library.path, path):
        raise HostError(f"{name} cannot be called here: {library.path} is loaded in the place of {path}.")
    layout = Layout.of([code])
    memory = allocate_near(library.base, layout.size)
    try:
        linked = layout.place(memory.address, image_resolver(library.base))
        memory.write(0, linked.data)
    except BaseException:
        memory.close()
        raise
    placed = PlacedFunction(name, linked.entry(code.address), memory, library)
    # At the interpreter's end other threads may still run in it.
    weakref.finalize(placed, memory.close).atexit = False
    return placed


def typed(placed: PlacedFunction, result: Any, *arguments: Any) -> NativeFunction:
    """The function with the given ctypes types; ``result`` None means that it returns nothing."""
    return NativeFunction(function_pointer(placed.address, result, *arguments), placed)


def call_untyped(placed: PlacedFunction, arguments: tuple[object, ...]) -> int:
    """Calls with arguments whose C types follow from their Python types; the whole of ``rax`` as an unsigned number.

    Integers and None travel as 64 bits, ``bytes`` and ``bytearray`` as the address of their contents (which C may
    change only in a ``bytearray``), floats as ``double``; ctypes objects as they are. Raises ``TypeError`` for others.
    """
    converted = [_converted(argument) for argument in arguments]
    # The pointers in ``converted`` keep alive what they point to.
    return int(typed(placed, ctypes.c_uint64)(*converted))


def _converted(argument: object) -> object:
    match argument:
        case None:
            return ctypes.c_void_p(None)
        case int():
            if not -(1 << 63) <= argument < 1 << 64:
                raise TypeError(f"{argument} does not fit into 64 bits")
            return ctypes.c_uint64(argument & (1 << 64) - 1)
        case float():
            return ctypes.c_double(argument)
        case bytes():
            return ctypes.c_char_p(argument)
        case bytearray():
            return (ctypes.c_char * len(argument)).from_buffer(argument)
        case str():
            raise TypeError(
                "a string has no address of its own: encode it, or give ctypes types to as_function"
            )
        case _:
            return argument


def _same(found: Path, wanted: Path) -> bool:
    try:
        return found.samefile(wanted)
    except OSError:
        return False
