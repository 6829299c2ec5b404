"""Random recordings that no program made, for tests of the walk: functions with any edges, so that loops are
irreducible too, calls, recursion, tail calls, and accesses of any size and place. Like a ``Recording`` as far as the
walk and ``dependence_reference.py`` ask.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MARK = 0xFFFF << 48
_MEMORY = 1 << 40
_BYTES = 24
_DEEPEST = 6


@dataclass(frozen=True, slots=True)
class Rows:
    """A table."""

    rows: list[dict[str, Any]]

    def to_pylist(self) -> list[dict[str, Any]]:
        """Its rows."""
        return self.rows


@dataclass(slots=True)
class MadeRecording:
    """Tables and traces, as of a recording."""

    functions: Rows
    blocks: Rows
    edges: Rows
    sites: Rows
    words: list[NDArray[np.uint64]]
    tables: tuple[str, ...] = ("sites",)
    manifest: Any = field(default_factory=lambda: SimpleNamespace(what=("memory",)))

    def to_arrow(self, table: str) -> Rows:
        """A table by name."""
        return getattr(self, table)

    def traced_threads(self) -> list[tuple[int, int]]:
        """Each trace is a thread's."""
        return [(1, thread) for thread in range(len(self.words))]

    def record_chunks(self, process: int, thread: int) -> Iterator[NDArray[np.uint64]]:
        """The trace, in two pieces."""
        words = self.words[thread]
        yield words[: len(words) // 3]
        yield words[len(words) // 3 :]

    def accesses(self, process: int, thread: int) -> dict[str, NDArray[np.uint64]]:
        """Their sites."""
        words = self.words[thread]
        return {"site": words[words >> 48 != 0xFFFF] >> 48}


@dataclass(slots=True)
class _Block:
    number: int
    items: list[tuple[str, int]]
    """Sites and functions that it calls, in order."""
    following: list[int] = field(default_factory=list[int])
    tail: int | None = None


@dataclass(slots=True)
class _Made:
    """A recording being made. ``functions`` are lists of blocks; sites have their access and size."""

    source: random.Random
    functions: list[list[_Block]] = field(default_factory=list[list[_Block]])
    sites: list[tuple[int, str, int]] = field(default_factory=list[tuple[int, str, int]])
    words: list[int] = field(default_factory=list[int])
    left: int = 0

    def code(self, functions: int) -> None:
        """Functions, of which each calls later ones, and earlier ones and itself where it can do without."""
        number = 0
        for own in range(functions):
            size = self.source.randint(1, 7)
            blocks = [_Block(number + i, []) for i in range(size)]
            number += size
            for i, block in enumerate(blocks):
                again = i % 2 == 1 and i < size - 1
                block.items = self._items(block.number, own, functions, again)
                if i == size - 1:
                    if own + 1 < functions and self.source.random() < 0.2:
                        block.tail = self.source.randrange(own + 1, functions)
                    continue
                block.following = [blocks[i + 1].number]
                if i % 2 == 0 and i + 2 < size:
                    block.following.append(blocks[i + 2].number)
                while size > 1 and self.source.random() < 0.5:
                    block.following.append(blocks[self.source.randrange(1, size)].number)
                block.following = list(dict.fromkeys(block.following))
            self.functions.append(blocks)

    def _items(self, block: int, own: int, functions: int, again: bool) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        for _ in range(self.source.choice((0, 1, 1, 2, 3))):
            kind = self.source.random()
            if kind < 0.25 and (again or own + 1 < functions):
                found.append(("call", self.source.randrange(0 if again else own + 1, functions)))
            elif kind < 0.32:
                kinds = ("string target", "string source", "string bytes")
                for access in kinds if self.source.random() < 0.5 else kinds[::2]:
                    found.append(self._site(block, access, 0))
            else:
                access = self.source.choice(("load", "load", "store"))
                found.append(self._site(block, access, self.source.choice((1, 2, 4, 8))))
        return found

    def _site(self, block: int, access: str, size: int) -> tuple[str, int]:
        self.sites.append((block, access, size))
        return "site", len(self.sites)

    def run(self, function: int, depth: int = 0) -> None:
        """One call; blocks that may come again are avoided once it has become long."""
        blocks = self.functions[function]
        first = blocks[0].number
        at = first
        while True:
            block = blocks[at - first]
            self.words.append(_MARK | at)
            self.left -= 1
            for what, which in block.items:
                if what == "call":
                    self.run(which, depth + 1)
                else:
                    value = (
                        self.source.randrange(9)
                        if self.sites[which - 1][1] == "string bytes"
                        else self._place()
                    )
                    self.words.append(which << 48 | value)
            if block.tail is not None:
                self.run(block.tail, depth + 1)
                return
            if not block.following:
                return
            forward = max((b for b in block.following if b <= at + 2), default=at + 1)
            ends = self.left < 0 or depth > _DEEPEST
            at = forward if ends and forward > at else self.source.choice(block.following)

    def _place(self) -> int:
        return _MEMORY + self.source.randrange(_BYTES)

    def recording(self, words: Sequence[NDArray[np.uint64]]) -> MadeRecording:
        """The tables. An access is a byte of code, a call five."""
        functions: list[dict[str, Any]] = []
        blocks: list[dict[str, Any]] = []
        edges: list[dict[str, Any]] = []
        sites: list[dict[str, Any]] = []
        starts = [4096 * (number + 1) for number in range(len(self.functions))]
        for number, own in enumerate(self.functions):
            code = bytearray()
            for block in own:
                begin = len(code)
                for what, which in block.items:
                    here = starts[number] + len(code)
                    if what == "call":
                        code += b"\xe8" + (starts[which] - here - 5).to_bytes(4, "little", signed=True)
                        continue
                    _, access, size = self.sites[which - 1]
                    sites.append(
                        {
                            "site": which,
                            "block": block.number,
                            "address": here,
                            "access": access,
                            "size": size,
                        }
                    )
                    code += b"\x90"
                code += b"\x90"
                ending = "tail call" if block.tail is not None else "branch" if block.following else "return"
                blocks.append(
                    {
                        "block": block.number,
                        "function": number,
                        "address": starts[number] + begin,
                        "part": 0,
                        "size": len(code) - begin,
                        "instructions": len(block.items) + 1,
                        "ending": ending,
                    }
                )
                edges += [{"source": block.number, "target": target} for target in block.following]
            row = {
                "function": number,
                "image": 0,
                "name": f"f{number}",
                "address": starts[number],
                "size": len(code),
            }
            functions.append({**row, "code": bytes(code)})
        return MadeRecording(Rows(functions), Rows(blocks), Rows(edges), Rows(sites), list(words))


def made_recording(seed: int, threads: int = 1) -> MadeRecording:
    """The recording that a seed stands for."""
    made = _Made(random.Random(seed))
    made.code(made.source.randint(1, 4))
    traces: list[NDArray[np.uint64]] = []
    for _ in range(threads):
        made.words = []
        for _ in range(made.source.randint(1, 3)):
            made.left = made.source.randint(10, 120)
            made.run(made.source.randrange(len(made.functions)))
        traces.append(np.array(made.words, np.uint64))
    return made.recording(traces)
