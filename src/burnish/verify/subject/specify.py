"""What a pair must keep: what the type says, what the command line says of it, and what neither may contradict."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from burnish.core.code import Refused
from burnish.core.errors import CompileError, UsageError
from burnish.core.image import FunctionBounds
from burnish.core.specification import LiveOut, Specification
from burnish.images.source import compile_c
from burnish.machine.registers import CELLS, register_part
from burnish.verify.conditions import check_condition
from burnish.verify.subject.inputs import Input, InputKind, from_elf
from burnish.verify.subject.types import FunctionType, UnreadableTypeError

_HEADERS = ("stddef", "stdint", "stdbool", "stdio", "wchar", "sys/types", "complex", "emmintrin")


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the user says beyond the functions. ``live_out`` are registers (``eax``, ``xmm0``, ``xmm0:8``), None for
    those of the type; ``prototype`` a C declaration; ``assume`` conditions on the entry state."""

    live_out: tuple[str, ...] | None = None
    memory: bool = True
    assume: tuple[str, ...] = ()
    prototype: str | None = None
    same_callees: bool = False
    types: bool = False
    """True where the original is taken to access objects as its pointers declare them (``subject.typed``)."""


def specify(
    original: Input, first: FunctionBounds, rewrite: Input, second: FunctionBounds, overrides: Overrides
) -> Specification:
    """The specification of a pair of functions. Raises ``UsageError`` for what does not fit together, and
    ``UnreadableTypeError`` for types that the ABI places where nothing is compared."""
    found = _by_type(original, first, rewrite, second, overrides)
    for text in overrides.assume:
        check_condition(text)
    if overrides.live_out is not None:
        found = replace(found, live_outs=live_outs(overrides.live_out), source="option")
    return replace(
        found,
        memory=overrides.memory,
        assumptions=overrides.assume,
        same_callees=overrides.same_callees,
        types=overrides.types,
    )


def _by_type(
    original: Input, first: FunctionBounds, rewrite: Input, second: FunctionBounds, overrides: Overrides
) -> Specification:
    if overrides.prototype is not None:
        return _of(prototype(overrides.prototype), "prototype")
    types = [original.types.of(first), rewrite.types.of(second)]
    known = [one for one in types if one is not None]
    if not known:
        plan = original.summaries.plan(first)
        stack = 0 if isinstance(plan, Refused) or plan.layout.open_ended else plan.layout.stack_bytes
        return Specification(stack_bytes=stack)
    if len(known) == 2 and known[0].shape != known[1].shape and overrides.live_out is None:
        raise UsageError(
            f"the two functions have different types: {known[0]} in {original.name} and {known[1]} in "
            f"{rewrite.name}; say what counts with --live-out or --prototype"
        )
    return _of(known[0], "dwarf")


def _of(kind: FunctionType, source: str) -> Specification:
    return Specification(
        kind.live_outs, stack_bytes=kind.stack_bytes, source=source, preconditions=kind.preconditions
    )


def prototype(text: str) -> FunctionType:
    """The type that a C declaration of a function gives it, as gcc reads it. Raises ``UsageError``."""
    declared = text.strip().rstrip(";")
    includes = "".join(f"#include <{name}.h>\n" for name in _HEADERS)
    with tempfile.TemporaryDirectory(prefix="burnish-") as folder:
        made = Path(folder) / "prototype.o"
        source = f"{includes}{declared}\n{{ __builtin_trap(); }}\n"
        flags = ("-g", "-O0", "-w", "-std=gnu2x", "-ffunction-sections")
        try:
            compile_c(source, flags, output=made)
        except CompileError as error:
            lines = [line for line in error.stderr.splitlines() if "error:" in line]
            message = lines[0].partition("error:")[2].strip() if lines else "no message"
            raise UsageError(f"{text!r} is not the declaration of a C function: {message}") from None
        elf = made.read_bytes()
    home = from_elf(elf, "the prototype", InputKind.C)
    if len(home.functions) != 1:
        raise UsageError(f"{text!r} is not the declaration of one C function")
    try:
        found = home.types.of(home.functions[0])
    except UnreadableTypeError as error:
        raise UsageError(f"the prototype {text!r} has {error}, which is not compared") from None
    if found is None:
        raise UsageError(f"{text!r} is not the declaration of a C function")
    return found


def live_outs(names: Sequence[str]) -> tuple[LiveOut, ...]:
    """Registers as a user writes them: ``eax``, ``rdx``, ``xmm0`` (16 bytes), ``xmm0:8``. Raises ``UsageError``."""
    found: dict[str, int] = {}
    for name in names:
        match = re.fullmatch(r"([a-z0-9]+)(?::(\d+))?", name.strip().lower())
        part = None if match is None else register_part(match[1])
        if match is None or part is None or part[1]:
            raise UsageError(
                f"{name!r} is not a register that can be live-out; examples are eax, rdx, xmm0:8"
            )
        cell, _, size = part
        size = int(match[2]) if match[2] else size
        if not 0 < size <= CELLS[cell].size:
            raise UsageError(f"{name!r} asks for {size} bytes of a register of {CELLS[cell].size}")
        found[cell] = max(size, found.get(cell, 0))
    return tuple(LiveOut(cell, size) for cell, size in found.items())
