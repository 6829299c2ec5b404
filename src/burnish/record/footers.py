"""Checksums of the footers of a recording's Parquet files.

Parquet has checksums of pages, not of the footer that says where they are, and a reader in native code may crash where
that is damaged. So a recording has those of its footers beside its tables, and they are looked at first.
"""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from burnish.core.errors import RecordingError
from burnish.record.container import Files

FOOTERS = "footers.json"
_TAIL = 8
"""Bytes at the end of a Parquet file: the size of the footer before them, and a magic number."""


def footers_text(folder: Path) -> str:
    """The checksums of all Parquet files under a folder, as JSON: CRC-32 by name."""
    found: dict[str, int] = {}
    for path in sorted(folder.rglob("*.parquet")):
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = _checksum(file)
    return json.dumps(found, indent=1)


def check_footer(path: Path, files: Files, name: str, source: Any) -> None:
    """Raises ``RecordingError`` where a footer is not what was written; nothing for a recording that has no checksum
    of it. ``source`` is the opened file."""
    expected = _known(path, files).get(name)
    if expected is not None and _checksum(source) != expected:
        raise RecordingError(f"{path / name} is damaged: its end is not what was written")


@lru_cache(maxsize=4)
def _known(path: Path, files: Files) -> dict[str, Any]:
    if FOOTERS not in files.names:
        return {}
    try:
        found: Any = json.loads(files.read(FOOTERS))
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{path / FOOTERS} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise RecordingError(f"{path / FOOTERS} is damaged: it has no checksums by name")
    return cast("dict[str, Any]", found)


def _checksum(file: Any) -> int:
    """That of the footer and what follows it."""
    file.seek(0, 2)
    size = file.tell()
    tail = _read(file, max(size - _TAIL, 0), _TAIL)
    length = int.from_bytes(tail[:4], "little") + _TAIL
    return zlib.crc32(_read(file, max(size - length, 0), min(length, size)))


def _read(file: Any, at: int, size: int) -> bytes:
    file.seek(at)
    return bytes(file.read(size))
