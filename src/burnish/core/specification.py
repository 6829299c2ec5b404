"""What a rewrite must keep of a function, and under which conditions it was looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class LiveOut:
    """The low ``size`` bytes of a register that a caller may look at after the return: ``rax``, ``xmm0`` …"""

    register: str
    size: int


ALL_LIVE_OUTS = (LiveOut("rax", 8), LiveOut("rdx", 8), LiveOut("xmm0", 16), LiveOut("xmm1", 16))
"""All in which the System V convention may return something, but for x87 registers, whose code is refused."""


@dataclass(frozen=True, slots=True)
class Specification:
    """The System V ABI for a function of a type, and what the user changed of it.

    Always kept: callee-saved registers, the stack pointer, the direction flag, the control bits of MXCSR, order and
    arguments of calls, termination; a rewrite faults only where the original does. ``live_outs`` are the results.
    ``memory`` is False where the user does not want memory compared. ``assumptions`` are conditions on the entry
    state, as the user wrote them (``rdi != 0``). ``stack_bytes`` is the extent of the arguments on the stack, which
    are the callee's own. ``source`` says where the live-outs come from: ``dwarf``, ``prototype``, ``default`` or
    ``option``. ``preconditions`` are conditions in the same language that the ABI promises for the function's type (a
    ``bool`` argument is 0 or 1): they hold, and nobody has to be told. ``same_callees`` is True where the user says
    that functions of one name in both files do the same, though their code differs; ``types`` where the user says that
    the original accesses objects as its pointers declare them (C's rule on types).
    """

    live_outs: tuple[LiveOut, ...] = ALL_LIVE_OUTS
    memory: bool = True
    assumptions: tuple[str, ...] = ()
    stack_bytes: int = 0
    source: str = "default"
    preconditions: tuple[str, ...] = ()
    same_callees: bool = False
    types: bool = False

    @property
    def conditions(self) -> tuple[str, ...]:
        """All that may be relied on at entry."""
        return self.preconditions + self.assumptions

    @property
    def overrides(self) -> tuple[str, ...]:
        """Phrases that stand beside every verdict: what the user took away from, or assumed beyond, the ABI."""
        found: list[str] = []
        if self.source == "option":
            names = ", ".join(_shown(part) for part in self.live_outs) or "nothing"
            found.append(f"for live-out {names}")
        if not self.memory:
            found.append("memory not compared")
        if self.assumptions:
            found.append("assuming " + " and ".join(self.assumptions))
        if self.same_callees:
            found.append("assuming that callees of one name do the same")
        if self.types:
            found.append("assuming that the original accesses objects as its pointers declare them")
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """JSON data; ``from_json`` reads it."""
        return {
            "live_outs": [{"register": part.register, "size": part.size} for part in self.live_outs],
            "memory": self.memory,
            "assumptions": list(self.assumptions),
            "stack_bytes": self.stack_bytes,
            "source": self.source,
            "preconditions": list(self.preconditions),
            "same_callees": self.same_callees,
            "types": self.types,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Specification:
        """What ``to_json`` gave. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        live_outs = tuple(LiveOut(str(part["register"]), int(part["size"])) for part in data["live_outs"])
        return cls(
            live_outs,
            bool(data["memory"]),
            tuple(map(str, data["assumptions"])),
            int(data["stack_bytes"]),
            str(data["source"]),
            tuple(map(str, data["preconditions"])),
            bool(data["same_callees"]),
            bool(data.get("types", False)),
        )


def _shown(part: LiveOut) -> str:
    """As assembly has it: ``eax`` and not ``rax:4``."""
    name = part.register
    whole = 16 if name.startswith("xmm") else 8
    if part.size == whole:
        return name
    if part.size == 4 and name.startswith("r"):
        return f"{name}d" if name[1:].isdigit() else f"e{name[1:]}"
    return f"{name}:{part.size}"
