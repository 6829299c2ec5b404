"""The functions that the kernel puts into each process (vdso(7)), made visible in a copy."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from burnish.runtime.address_space import Mapping
from burnish.runtime.ptrace import Memory

_CALLS = {
    "__vdso_gettimeofday": 96,
    "__vdso_time": 201,
    "__vdso_clock_gettime": 228,
    "__vdso_clock_getres": 229,
    "__vdso_getcpu": 309,
    "__vdso_getrandom": 318,
}


@dataclass(slots=True)
class VdsoPatch:
    """Turns the kernel's functions in the process (vdso(7)) into real system calls, which can be seen.

    Keeps the places it found, since all processes have the same one.
    """

    places: dict[int, int] | None = None

    def apply(self, memory: Memory, mapping: Mapping) -> None:
        """Overwrites the functions in a copy."""
        if self.places is None:
            self.places = _vdso_functions(memory.read(mapping.start, mapping.end - mapping.start))
        for offset, number in self.places.items():
            memory.write(mapping.start + offset, b"\xb8" + struct.pack("<I", number) + b"\x0f\x05\xc3")


def _vdso_functions(data: bytes) -> dict[int, int]:
    elf: Any = ELFFile(BytesIO(data))
    found: dict[int, int] = {}
    for section in elf.iter_sections():
        if isinstance(section, SymbolTableSection):
            for symbol in section.iter_symbols():
                number = _CALLS.get(symbol.name)
                if number is not None:
                    found[symbol["st_value"]] = number
    return found
