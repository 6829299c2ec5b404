"""Loaded images and their functions as a person meets them in Python.

``burnish.load("libz.so.1").function("adler32")`` gives a function that shows its instructions, p-code and blocks,
and that ``recompile`` builds again.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from burnish.core.code import Block, Function, Instruction, Refused
from burnish.core.errors import RefusedError
from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import Operation
from burnish.images import control_flow, find_function
from burnish.images import load as load_image
from burnish.machine.disassemble import AssemblyLine, Syntax, disassemble
from burnish.pipeline.in_process import (
    NativeFunction,
    PlacedFunction,
    call_untyped,
    place_in_process,
    typed,
)
from burnish.pipeline.listing import ListingLine, object_listing
from burnish.recompile import Rebuilt, Summaries, Target, rebuild


@dataclass(frozen=True)
class RecompiledFunction:
    """A function that LLVM has built again. Where it comes from a shared library it can be called:

        adler32 = burnish.load("libz.so.1").function("adler32").recompile()
        adler32(1, b"abc", 3)

    It then runs in this process, with all that this means: a wrong argument can crash it.
    """

    image: Image = field(repr=False)
    rebuilt: Rebuilt

    @property
    def name(self) -> str:
        return self.rebuilt.bounds.name

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks that were rebuilt, the entry first."""
        return self.rebuilt.function.blocks

    @property
    def pcode(self) -> tuple[Operation, ...]:
        """All operations in the order of the blocks."""
        return tuple(op for block in self.blocks for op in block.operations)

    @property
    def emitted_ir(self) -> str:
        """The LLVM IR as it was emitted, before any optimisation."""
        return self.rebuilt.llvm_ir

    @property
    def llvm_ir(self) -> str:
        """The LLVM IR after LLVM's pipeline."""
        return self.rebuilt.optimised_ir

    def listing(self, syntax: Syntax = Syntax.ATT) -> tuple[ListingLine, ...]:
        """The new machine code, with the names of what it refers to. Addresses are offsets in its section."""
        return tuple(object_listing(self.image, self.rebuilt.object_code, syntax))

    def assembly(self, syntax: Syntax = Syntax.ATT) -> str:
        """``listing`` as text, one instruction a line."""
        return "\n".join(map(str, self.listing(syntax)))

    @cached_property
    def placed(self) -> PlacedFunction:
        """The code in this process, put there on first use. Raises ``UsageError`` for what is from no shared library,
        ``ImageError`` where the library cannot be loaded, ``HostError`` where the code cannot be placed."""
        return place_in_process(self.image, self.rebuilt.object_code, self.name)

    def as_function(self, restype: Any = ctypes.c_uint64, *argtypes: Any) -> NativeFunction:
        """The function with ctypes types, for results and arguments that are not whole 64-bit numbers:
        ``as_function(ctypes.c_int, ctypes.c_char_p)``. ``restype`` None: it returns nothing. Raises as ``placed``."""
        return typed(self.placed, restype, *argtypes)

    def __call__(self, *arguments: object) -> int:
        """Calls the rebuilt code in this process; the result is all of ``rax`` as an unsigned number.

        Integers and None travel as 64 bits, ``bytes`` and ``bytearray`` as the address of their contents, floats as
        ``double``, ctypes objects as they are. Raises ``TypeError`` for others, and as ``placed`` does.
        """
        return call_untyped(self.placed, arguments)


@dataclass(frozen=True, slots=True)
class LoadedFunction:
    """A function of a loaded image. Nothing is analysed until it is asked for."""

    image: Image = field(repr=False)
    bounds: FunctionBounds
    summaries: Summaries = field(repr=False, compare=False)
    """What is known of the image's other functions; shared by all functions of one ``load``."""

    @property
    def name(self) -> str:
        return self.bounds.name

    @property
    def code(self) -> bytes:
        """The machine code between the function's bounds."""
        return self.image.read(self.bounds.address, self.bounds.size) or b""

    def analyse(self) -> Function | Refused:
        """The control flow, or the reason why there is none."""
        return control_flow(self.image, self.bounds)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The basic blocks, the entry first. Raises ``RefusedError`` where the function cannot be lifted."""
        return self._function().blocks

    @property
    def pcode(self) -> tuple[Operation, ...]:
        """All operations in the order of the blocks. Raises ``RefusedError``."""
        return tuple(op for block in self.blocks for op in block.operations)

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """The machine instructions that control flow reaches. Raises ``RefusedError``."""
        return self._function().instructions

    def assembly(self, syntax: Syntax = Syntax.ATT) -> tuple[AssemblyLine, ...]:
        """The disassembly of ``code``; works for refused functions too."""
        return disassemble(self.code, self.bounds.address, syntax)

    def recompile(self, cpu: str = "native") -> RecompiledFunction:
        """Build the function again for ``cpu`` (``native`` or a name that LLVM knows).

        Raises ``RefusedError`` where that cannot be done, ``HostError`` for an unknown CPU.
        """
        rebuilt = rebuild(self.image, self.bounds, Target(cpu), self.summaries)
        if isinstance(rebuilt, Refused):
            raise RefusedError(rebuilt)
        return RecompiledFunction(self.image, rebuilt)

    def _function(self) -> Function:
        found = self.analyse()
        if isinstance(found, Refused):
            raise RefusedError(found)
        return found


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """A loaded file."""

    image: Image = field(repr=False)
    summaries: Summaries = field(repr=False, compare=False)

    @property
    def path(self) -> Path:
        return self.image.path

    @property
    def functions(self) -> tuple[LoadedFunction, ...]:
        """All functions, by address."""
        return tuple(self._function(bounds) for bounds in self.image.functions)

    def function(self, which: str | int) -> LoadedFunction:
        """The function of that name (or alias), or that holds that address (an integer or ``"0x…"``).

        Raises ``FunctionNotFoundError``, which names those that are spelled alike.
        """
        return self._function(find_function(self.image, which))

    def __iter__(self) -> Iterator[LoadedFunction]:
        return iter(self.functions)

    def _function(self, bounds: FunctionBounds) -> LoadedFunction:
        return LoadedFunction(self.image, bounds, self.summaries)


def load(file: str | os.PathLike[str]) -> LoadedImage:
    """Load an executable, shared library or object; a bare library name is looked up as the loader does.

    Raises ``ImageError`` for what is missing or is not x86-64 ELF.
    """
    image = load_image(file)
    return LoadedImage(image, Summaries(image))
