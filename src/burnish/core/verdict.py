"""How far a candidate was checked: the ordered verdicts, and the counterexample of a refuted one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self, assert_never

from burnish.core.image import Access
from burnish.core.state import MemoryRegion


@dataclass(frozen=True, slots=True)
class Counterexample:
    """An input on which a candidate differs from the original.

    ``registers`` are the entry values by name (general registers and ``rip``; ``xmm0`` … as 128-bit integers;
    ``eflags``, ``mxcsr`` and ``fs_base`` where they are known). ``differing`` says what differs, a sentence an item,
    the first that does first; ``changed`` says what was changed of the captured input, empty where it is as captured.
    ``seed`` repeats the changes.

    Where the input is not of a recorded run, ``memory`` is all memory that it has, but for constant objects, and
    ``places`` the addresses of the objects that the two functions refer to by name; ``source`` says where it is from.
    """

    function: str
    address: int
    registers: Mapping[str, int] = field(repr=False)
    differing: tuple[str, ...]
    changed: tuple[str, ...] = ()
    seed: int = 0
    memory: tuple[MemoryRegion, ...] = field(default=(), repr=False)
    places: Mapping[str, int] = field(default_factory=dict[str, int], repr=False)
    source: str = "a captured input"

    def __str__(self) -> str:
        source = f"{self.source} with changes (seed {self.seed})" if self.changed else self.source
        return f"{self.function} on {source}: {' '.join(self.differing)}"

    def to_json(self) -> dict[str, Any]:
        """The same as JSON data; register values as hexadecimal text, since JSON's numbers are 53 bits wide."""
        return {
            "function": self.function,
            "address": self.address,
            "registers": {name: hex(value) for name, value in self.registers.items()},
            "differing": list(self.differing),
            "changed": list(self.changed),
            "seed": self.seed,
            "memory": [
                {"address": hex(region.address), "data": region.data.hex(), "access": int(region.access)}
                for region in self.memory
            ],
            "places": {name: hex(address) for name, address in self.places.items()},
            "source": self.source,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """From what ``to_json`` gave. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else."""
        return cls(
            str(data["function"]),
            int(data["address"]),
            {str(name): int(value, 16) for name, value in data["registers"].items()},
            tuple(str(sentence) for sentence in data["differing"]),
            tuple(str(change) for change in data["changed"]),
            int(data["seed"]),
            tuple(
                MemoryRegion(int(item["address"], 16), bytes.fromhex(item["data"]), Access(item["access"]))
                for item in data.get("memory", ())
            ),
            {str(name): int(value, 16) for name, value in data.get("places", {}).items()},
            str(data.get("source", "a captured input")),
        )


@dataclass(frozen=True, slots=True)
class Proved:
    """Equal on every input."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """Equal on every input that goes round no loop more than ``bound`` times."""

    bound: int


@dataclass(frozen=True, slots=True)
class Tested:
    """Equal on ``tests`` inputs (at least one)."""

    tests: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not decided, with the reason as a phrase. Never a pass."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refuted:
    """Differs, on an input that is known."""

    counterexample: Counterexample


Verdict = Proved | Bounded | Tested | Unknown | Refuted


class Accept(Enum):
    """The weakest verdict that is good enough."""

    PROVED = "proved"
    BOUNDED = "bounded"
    TESTED = "tested"

    def allows(self, verdict: Verdict) -> bool:
        """True if a verdict is as strong as that."""
        weakest = {Accept.PROVED: Proved(), Accept.BOUNDED: Bounded(1), Accept.TESTED: Tested(1)}[self]
        return strength(verdict)[0] >= strength(weakest)[0]


def strength(verdict: Verdict) -> tuple[int, int]:
    """Orders verdicts: the larger, the stronger. ``Proved`` > ``Bounded`` (by its bound) > ``Tested`` (by its
    number) > ``Unknown`` > ``Refuted``. The verdict of a whole is the weakest of its parts:
    ``min(verdicts, key=strength)``."""
    match verdict:
        case Proved():
            return (4, 0)
        case Bounded(bound):
            return (3, bound)
        case Tested(tests):
            return (2, tests)
        case Unknown():
            return (1, 0)
        case Refuted():
            return (0, 0)
        case _:
            assert_never(verdict)


def label(verdict: Verdict) -> str:
    """The words that a report shows: ``PROVED``, ``BOUNDED(8)``, ``TESTED(120)``, ``UNKNOWN(reason)``,
    ``REFUTED(what differs)``."""
    match verdict:
        case Proved():
            return "PROVED"
        case Bounded(bound):
            return f"BOUNDED({bound})"
        case Tested(tests):
            return f"TESTED({tests})"
        case Unknown(reason):
            return f"UNKNOWN({reason})"
        case Refuted(counterexample):
            return f"REFUTED({counterexample})"
        case _:
            assert_never(verdict)


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """JSON data with ``kind`` (the label's first word, in lower case) and the verdict's own fields."""
    match verdict:
        case Proved():
            return {"kind": "proved"}
        case Bounded(bound):
            return {"kind": "bounded", "bound": bound}
        case Tested(tests):
            return {"kind": "tested", "tests": tests}
        case Unknown(reason):
            return {"kind": "unknown", "reason": reason}
        case Refuted(counterexample):
            return {"kind": "refuted", "counterexample": counterexample.to_json()}
        case _:
            assert_never(verdict)
