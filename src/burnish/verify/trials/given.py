"""One input of a pair: registers, memory, and where the objects lie that code refers to by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from burnish.core.entry import EntryState
from burnish.core.image import Access
from burnish.core.state import DEFAULT_MXCSR, FLAGS_MASK, MemoryRegion
from burnish.core.verdict import Counterexample
from burnish.machine.registers import GPR_NAMES
from burnish.runtime.batch import StateBatch, Window

_WORD = (1 << 64) - 1
_WRITABLE = Access.READ | Access.WRITE


@dataclass(frozen=True, slots=True)
class GivenInput:
    """An input that was not drawn: a captured entry, a solver's model, a counterexample.

    ``registers`` are values by name (``rax`` … ``r15``, ``xmm0`` … ``xmm15``, ``eflags``, ``mxcsr``, ``fs_base``);
    those that are missing are 0, but ``mxcsr``, which is as a process starts. ``rsp`` points at the return address.
    ``memory`` does not overlap. ``places`` has the addresses of objects by name; those that are missing lie where
    there is room.
    """

    registers: Mapping[str, int] = field(default_factory=dict[str, int])
    memory: tuple[MemoryRegion, ...] = field(default=(), repr=False)
    places: Mapping[str, int] = field(default_factory=dict[str, int], repr=False)
    source: str = "an input"

    @classmethod
    def of_counterexample(cls, counterexample: Counterexample) -> GivenInput:
        """The input of a counterexample."""
        return cls(
            counterexample.registers, counterexample.memory, counterexample.places, counterexample.source
        )

    @classmethod
    def of_entry(cls, entry: EntryState, places: Mapping[str, int]) -> GivenInput:
        """A captured entry. ``places`` has the addresses that objects had in that process."""
        state = entry.state
        registers = dict(zip(GPR_NAMES, state.gpr, strict=True))
        registers |= {f"xmm{number}": value for number, value in enumerate(state.xmm)}
        registers |= {"eflags": state.flags, "mxcsr": state.mxcsr, "fs_base": state.fs_base}
        memory = tuple(
            MemoryRegion(region.address, region.data, region.access & _WRITABLE | Access.READ)
            for region in state.memory
        )
        return cls(registers, memory, places, "a captured input")

    @classmethod
    def of_model(
        cls, registers: Mapping[str, int], octets: Mapping[int, int], places: Mapping[str, int] | None = None
    ) -> GivenInput:
        """A solver's model: entry registers, and bytes of memory by address."""
        return cls(registers, _regions(octets), places or {}, "a solver's input")

    @classmethod
    def of_row(cls, states: StateBatch, row: int, places: Mapping[str, int], source: str) -> GivenInput:
        """One of a batch's states, with the memory that can be written."""
        registers = {name: int(states.gpr[row, number]) for number, name in enumerate(GPR_NAMES)}
        for number in range(16):
            low, high = states.xmm[row, number].tolist()
            registers[f"xmm{number}"] = low | high << 64
        registers["eflags"] = int(states.flags[row])
        registers["mxcsr"] = DEFAULT_MXCSR if states.mxcsr is None else int(states.mxcsr[row])
        registers["fs_base"] = states.fs_base
        memory = tuple(
            MemoryRegion(
                window.address,
                (window.contents if window.contents.ndim == 1 else window.contents[row]).tobytes(),
                window.access,
            )
            for window in states.windows
            if Access.WRITE in window.access
        )
        return cls(registers, memory, places, source)

    def states(self, copies: int = 1) -> StateBatch:
        """The input as a batch of ``copies`` equal states."""
        gpr = np.array([[self._value(name) & _WORD for name in GPR_NAMES]], np.uint64)
        halves = [
            half
            for number in range(16)
            for half in (self._value(f"xmm{number}") & _WORD, self._value(f"xmm{number}") >> 64 & _WORD)
        ]
        xmm = np.array(halves, np.uint64).reshape(1, 16, 2)
        flags = np.array([self._value("eflags") & FLAGS_MASK], np.uint64)
        mxcsr = np.array([self.registers.get("mxcsr", DEFAULT_MXCSR) & 0xFFFF], np.uint32)
        windows = tuple(
            Window(region.address, np.frombuffer(region.data, np.uint8), region.access)
            for region in self.memory
            if region.data
        )
        return StateBatch(
            np.repeat(gpr, copies, 0),
            np.repeat(xmm, copies, 0),
            np.repeat(flags, copies),
            windows,
            np.repeat(mxcsr, copies),
            self._value("fs_base"),
        )

    def _value(self, name: str) -> int:
        return self.registers.get(name, 0)

    def counterexample(
        self, function: str, address: int, differing: tuple[str, ...], seed: int
    ) -> Counterexample:
        """This input as one on which two functions differ."""
        return Counterexample(
            function,
            address,
            self.registers,
            differing,
            seed=seed,
            memory=self.memory,
            places=self.places,
            source=self.source,
        )


def _regions(octets: Mapping[int, int]) -> tuple[MemoryRegion, ...]:
    """Runs of bytes."""
    runs: list[tuple[int, bytearray]] = []
    for address, value in sorted(octets.items()):
        if runs and runs[-1][0] + len(runs[-1][1]) == address:
            runs[-1][1].append(value)
        else:
            runs.append((address, bytearray([value])))
    return tuple(MemoryRegion(address, bytes(data)) for address, data in runs)
