"""Shared locals in runs: each side has them elsewhere in its frame, and what is learnt is of neither place."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from burnish.machine.registers import GPR_NAMES
from burnish.verify.engine.addresses import LOCAL_BASES, OBJECT
from burnish.verify.loops.surroundings import FilledMemory, Surroundings, word
from burnish.verify.pair import Shared

_WRITTEN = 0.8
"""How likely a callee writes a word that it is given."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The shared locals of one side in one run. ``number`` is 0 for the original, 1 for the rewrite."""

    shared: Shared
    surroundings: Surroundings
    number: int

    @property
    def names(self) -> dict[str, int]:
        """Where each is said to lie, by the name of its base."""
        names = [base.name for base, _ in zip(LOCAL_BASES, self.shared, strict=False)]
        return {name: self.surroundings.address_of(name.removeprefix(OBJECT)) for name in names}

    def outward(self, value: int) -> int:
        """An address in a local as the place that both sides know; any other number as it is."""
        return next(
            (there + value - start for start, size, there in self._spans() if 0 <= value - start < size),
            value,
        )

    def registers(self, values: Mapping[str, int]) -> dict[str, int]:
        """As ``outward``, for all general registers but the stack pointer."""
        plain = ("rsp", *(name for name in values if name not in GPR_NAMES))
        return {name: value if name in plain else self.outward(value) for name, value in values.items()}

    def frame(self, held: Mapping[int, int]) -> dict[int, int]:
        """The same for the words of a frame, of which each byte is given by its offset."""
        found = dict(held)
        for offset in [offset for offset in held if offset % 8 == 0] if self.shared else ():
            places = range(offset, offset + 8)
            if all(place in held for place in places):
                word = int.from_bytes(bytes(held[place] for place in places), "little")
                moved = self.outward(word)
                if moved != word:
                    found.update(zip(places, moved.to_bytes(8, "little"), strict=True))
        return found

    def fill(self, pointers: Iterable[int], mark: int, memory: FilledMemory) -> None:
        """What a callee, told by ``mark``, that is given ``pointers`` leaves in the locals that they point to: the same
        on both sides."""
        given = list(pointers)
        for index, (start, size, _) in enumerate(self._spans()):
            if not any(0 <= pointer - start < size for pointer in given):
                continue
            source = random.Random(mark ^ index)
            for at in range(0, size, 8):
                part = min(8, size - at)
                value = word(source, part, self.surroundings.numbers)
                if source.random() < _WRITTEN:
                    memory.store(start + at, value, part)

    def _spans(self) -> Iterator[tuple[int, int, int]]:
        """Where each lies in this side's frame, its size, and where it is said to lie."""
        top = self.surroundings.start.top
        for one, there in zip(self.shared, self.names.values(), strict=True):
            yield top + (one.rewrite if self.number else one.original), one.size, there
