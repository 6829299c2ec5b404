"""The type of a function, and where the System V ABI puts what it takes and returns.

Source: System V ABI, AMD64 supplement, sections 3.2.3 and 3.5.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from burnish.core.specification import LiveOut
from burnish.machine.registers import INTEGER_ARGUMENTS, VECTOR_ARGUMENTS


class Class(Enum):
    """The classes of the psABI, section 3.2.3."""

    NONE = "none"
    INTEGER = "integer"
    SSE = "sse"
    SSE_UP = "upper half of a vector"
    MEMORY = "memory"
    X87 = "x87"


class UnreadableTypeError(Exception):
    """A type that is not understood, or whose values travel in registers that are not modelled; the message is a
    phrase."""


Part = tuple[int, int, Class]
"""(offset, size, class) of a scalar in a type, in bytes; each lies in one eightbyte."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A type as the ABI sees it: ``parts`` are the scalars in it (empty for what travels in memory), ``size`` and
    ``alignment`` are in bytes. ``text`` is how a reader writes it. ``by_reference``: a class of C++ whose copies are
    made by code, so that its address is passed instead."""

    text: str
    size: int
    alignment: int
    parts: tuple[Part, ...]
    is_bool: bool = False
    in_memory: bool = False
    by_reference: bool = False

    @property
    def classes(self) -> tuple[Class, ...]:
        """Those of its eightbytes, or one ``MEMORY``."""
        if self.in_memory:
            return (Class.MEMORY,)
        found = [Class.NONE] * -(-self.size // 8)
        for offset, _, kind in self.parts:
            at = offset // 8
            if found[at] is Class.NONE:
                found[at] = kind
            elif found[at] is not kind:
                found[at] = Class.X87 if Class.X87 in (found[at], kind) else Class.INTEGER
        return tuple(found)

    def filled(self, eightbyte: int) -> int:
        """How many low bytes of an eightbyte there are without the padding at its end."""
        start = 8 * eightbyte
        return max((at + size - start for at, size, _ in self.parts if at // 8 == eightbyte), default=0)


@dataclass(frozen=True, slots=True)
class FunctionType:
    """A function's type; ``result`` is None for ``void``."""

    name: str
    result: Layout | None
    parameters: tuple[Layout, ...]
    variadic: bool = False

    def __str__(self) -> str:
        taken = [parameter.text for parameter in self.parameters] + (["..."] if self.variadic else [])
        result = "void" if self.result is None else self.result.text
        return f"{result} {self.name}({', '.join(taken) or 'void'})"

    @property
    def shape(self) -> tuple[object, ...]:
        """What of the type matters to a caller's code: functions of one shape are called alike."""
        rows = [(p.size, p.classes, p.is_bool) for p in self.parameters]
        result = None if self.result is None else (self.result.size, self.result.classes, self.result.is_bool)
        return (result, tuple(rows), self.variadic)

    @property
    def live_outs(self) -> tuple[LiveOut, ...]:
        """Where the result is. Raises ``UnreadableTypeError`` for x87 registers."""
        if self.result is None:
            return ()
        if self.result.classes == (Class.MEMORY,):
            return (LiveOut("rax", 8),)
        integers, vectors = iter(("rax", "rdx")), iter(("xmm0", "xmm1"))
        found: list[LiveOut] = []
        for number, kind in enumerate(self.result.classes):
            size = self.result.filled(number)
            if kind is Class.X87:
                raise UnreadableTypeError(f"a result of type {self.result.text}, in an x87 register")
            if kind is Class.SSE_UP:
                found[-1] = LiveOut(found[-1].register, found[-1].size + size)
            elif kind is not Class.NONE:
                found.append(LiveOut(next(integers if kind is Class.INTEGER else vectors), size))
        return tuple(found)

    @property
    def stack_bytes(self) -> int:
        """Extent of the arguments on the stack."""
        return self._placed()[1]

    @property
    def padding(self) -> frozenset[int]:
        """The bytes of that extent, by offset, that belong to none."""
        found = set(range(self.stack_bytes))
        for place, parameter in zip(self._placed()[0], self.parameters, strict=True):
            if place.startswith("[rsp+"):
                start = int(place.removeprefix("[rsp+").partition("]")[0]) - 8
                found -= set(range(start, start + _as_passed(parameter).size))
        return frozenset(found)

    @property
    def preconditions(self) -> tuple[str, ...]:
        """Conditions on the entry state that callers keep: a ``_Bool`` is 0 or 1."""
        return tuple(
            f"{where} < 2"
            for where, parameter in zip(self._placed()[0], self.parameters, strict=True)
            if parameter.is_bool
        )

    @property
    def arguments(self) -> tuple[tuple[str, int], ...]:
        """The registers that carry arguments, with the number of their low bytes."""
        return self._placed()[2]

    @property
    def in_integer_registers(self) -> tuple[str, ...]:
        """For each parameter the integer register that has it, or its beginning; empty for others."""
        names = {low: name for name, low in _LOW_BYTE.items()}
        return tuple(names.get(place, "") for place in self._placed()[0])

    def _placed(self) -> tuple[list[str], int, tuple[tuple[str, int], ...]]:
        """Where each parameter is (for what fits one register; empty for others), the extent of those on the stack, and
        the registers of the others."""
        integers, vectors = list(INTEGER_ARGUMENTS), list(VECTOR_ARGUMENTS)
        registers: list[tuple[str, int]] = []
        if self.result is not None and self.result.in_memory:
            registers.append((integers.pop(0), 8))
        stack = 0
        places: list[str] = []
        for parameter in map(_as_passed, self.parameters):
            classes = parameter.classes
            wanted, vector = classes.count(Class.INTEGER), classes.count(Class.SSE)
            on_stack = Class.MEMORY in classes or Class.X87 in classes
            if on_stack or wanted > len(integers) or vector > len(vectors):
                alignment = max(8, min(parameter.alignment, 16))
                stack += -stack % alignment
                places.append(f"[rsp+{8 + stack}]:{parameter.size}")
                stack += parameter.size + -parameter.size % 8
                continue
            places.append(_LOW_BYTE[integers[0]] if wanted else "")
            for number, kind in enumerate(classes):
                size = parameter.filled(number)
                if kind is Class.SSE_UP:
                    registers[-1] = (registers[-1][0], registers[-1][1] + size)
                elif kind is not Class.NONE:
                    registers.append(((integers if kind is Class.INTEGER else vectors).pop(0), size))
        return places, stack, tuple(registers)


def _as_passed(parameter: Layout) -> Layout:
    return scalar(parameter.text, 8, Class.INTEGER) if parameter.by_reference else parameter


def scalar(text: str, size: int, kind: Class, is_bool: bool = False) -> Layout:
    """A type of one value, or, for more than 8 bytes, of several of one class."""
    parts = tuple((offset, min(size - offset, 8), kind) for offset in range(0, size, 8))
    return Layout(text, size, size, parts, is_bool)


_LOW_BYTE = {"rdi": "dil", "rsi": "sil", "rdx": "dl", "rcx": "cl", "r8": "r8b", "r9": "r9b"}
