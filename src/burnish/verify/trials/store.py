"""Inputs that told rewrites of a function apart, kept from run to run.

A folder for each function, by a hash of its code; a file for each input, by a hash of its content. Files are written
beside their place and then moved there, so that several writers lose nothing and readers see whole files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from burnish.core.verdict import Counterexample
from burnish.verify.pair import Side

_PER_FUNCTION = 32
_FOLDERS = 32
"""Functions for each of the 256 first bytes of their hash: the oldest are forgotten."""


def default_folder() -> Path:
    """``burnish/tests`` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "burnish" / "tests"


def function_key(side: Side) -> str:
    """A hash of the machine code of a function, wherever it lies and whatever it is called."""
    digest = hashlib.sha256()
    start = side.function.address
    for instruction in sorted(side.function.instructions, key=lambda one: one.address):
        data = side.image.read(instruction.address, instruction.size) or b""
        digest.update(f"{instruction.address - start}:{data.hex()};".encode())
    return digest.hexdigest()[:40]


class TestStore:
    """Inputs on disk. Everything is as good as it can be made and no more: what cannot be read is not there, what
    cannot be written is not kept."""

    __test__ = False  # no class of tests

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_folder() if folder is None else folder

    def read(self, side: Side) -> list[Counterexample]:
        """The inputs that are kept for a function, the newest first."""
        found: list[tuple[float, str, Counterexample]] = []
        with suppress(OSError):
            for path in self._place(side).glob("*.json"):
                with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                    read = Counterexample.from_json(json.loads(path.read_text()))
                    found.append((path.stat().st_mtime, path.name, read))
        found.sort(key=lambda row: (-row[0], row[1]))
        return [read for _, _, read in found]

    def add(self, side: Side, counterexample: Counterexample) -> None:
        """Keeps the input of a counterexample; the oldest make room."""
        kept = replace(counterexample, differing=(), address=0, seed=0, source="an input of an earlier test")
        text = json.dumps(kept.to_json(), sort_keys=True)
        place = self._place(side)
        path = place / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.json"
        with suppress(OSError):
            if path.exists():
                return
            if not place.exists():
                self._make_room(place.parent)
            place.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=place, prefix=".", suffix=".part")
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(text)
                Path(name).replace(path)
            finally:
                Path(name).unlink(missing_ok=True)
            for old in _oldest(list(place.glob("*.json")), _PER_FUNCTION):
                old.unlink(missing_ok=True)

    def _place(self, side: Side) -> Path:
        key = function_key(side)
        return self.folder / key[:2] / key

    @staticmethod
    def _make_room(bucket: Path) -> None:
        if bucket.exists():
            for old in _oldest(list(bucket.iterdir()), _FOLDERS - 1):
                shutil.rmtree(old, ignore_errors=True)


def _oldest(paths: list[Path], limit: int) -> list[Path]:
    """What is over the limit; the oldest first."""
    dated: list[tuple[float, Path]] = []
    for path in paths:
        with suppress(OSError):
            dated.append((path.stat().st_mtime, path))
    dated.sort()
    return [path for _, path in dated[: max(0, len(dated) - limit)]]
