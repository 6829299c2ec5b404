"""Answers kept on disk, by what was asked.

A row says what one solver, in one version, answered to one query. The key is a hash of the query with its names
replaced in order of appearance, and of our own source: a query means something else after a change of ours. A model out
of the cache is evaluated like any other. A row with a wrong checksum is dropped; a file that others can write is not
used.
"""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.core.errors import HostError
from burnish.domains import smt
from burnish.verify.solve.flat import Flat

if TYPE_CHECKING:
    import sqlite3

DEFAULT_MAXIMUM_ROWS = 200_000
DEFAULT_MAXIMUM_ROW_BYTES = 1 << 20
_APPLICATION = 0x4275726E
_SQLITE = b"SQLite format 3\0"
_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION};
CREATE TABLE IF NOT EXISTS answers (
  key BLOB NOT NULL, solver TEXT NOT NULL, kind TEXT NOT NULL, model BLOB NOT NULL, checksum BLOB NOT NULL,
  PRIMARY KEY (key, solver)
);
"""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a solver (``"z3 5.4.1.0"``) said: ``unsat``, or ``sat`` with the three mappings of a model."""

    solver: str
    kind: str
    model: object = None


def default_path() -> Path:
    """``$XDG_CACHE_HOME/burnish/queries.sqlite``, by default below ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    # The convention asks for an absolute path, and for others to be ignored.
    base = Path(home) if home and Path(home).is_absolute() else Path.home() / ".cache"
    return base / "burnish" / "queries.sqlite"


@cache
def _source_hash() -> bytes:
    digest = hashlib.sha256()
    for folder in (Path(__file__).parent, Path(smt.__file__).parent):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.digest()


def content_key(flat: Flat) -> bytes:
    """The hash of a query whose names are canonical; 32 bytes."""
    # Version 0 of the format has one text for one value, whatever is shared in memory.
    text = marshal.dumps((flat.nodes, flat.roots), 0)
    return hashlib.sha256(_source_hash() + text).digest()


def _checksum(key: bytes, solver: str, kind: str, model: bytes) -> bytes:
    parts = (key, solver.encode(), kind.encode(), model)
    framed = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
    return hashlib.sha256(b"burnish answer\0" + framed).digest()


class QueryCache:
    """A file of answers; safe with several processes. A context manager.

    When the disk is full, or the file is damaged or locked for long, it forgets; it never fails a query. Raises
    ``HostError`` for a file that is no cache of Burnish, or that others can write.
    """

    def __init__(self, path: Path | None = None, *, maximum_rows: int = DEFAULT_MAXIMUM_ROWS) -> None:
        self.path = path or default_path()
        self.maximum_rows = maximum_rows
        self._puts = 0
        self._database: sqlite3.Connection | None = None
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HostError(f"The query cache {self.path} cannot be made: {error.strerror}.") from error
        self._guard()
        self._open()

    def __enter__(self) -> QueryCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; from then on nothing is remembered."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _guard(self) -> None:
        """Refuses a file that is not ours to use."""
        try:
            status = self.path.stat()
            with self.path.open("rb") as file:
                head = file.read(72)
        except FileNotFoundError:
            return
        except OSError as error:
            raise HostError(f"The query cache {self.path} cannot be read: {error.strerror}.") from error
        if head and (head[:16] != _SQLITE or int.from_bytes(head[68:72], "big") not in (0, _APPLICATION)):
            raise HostError(f"{self.path} is not a query cache of Burnish: give another path.")
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise HostError(
                f"The query cache {self.path} can be written by others: remove it, or `chmod go-w`."
            )

    def _open(self) -> None:
        import sqlite3

        for attempt in range(2):
            try:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
                os.close(descriptor)
                database = sqlite3.connect(self.path, timeout=2.0, isolation_level=None)
                # What power loss may do to the file, the checksums and the next lines find.
                database.execute("PRAGMA synchronous = OFF")
                database.executescript(_SCHEMA)
                self._database = database
                return
            except sqlite3.OperationalError:
                return
            except sqlite3.DatabaseError:
                if attempt == 0:
                    with suppress(OSError):
                        self.path.unlink()
            except OSError as error:
                raise HostError(f"The query cache {self.path} cannot be made: {error.strerror}.") from error

    def get(self, key: bytes, solvers: Iterable[str]) -> list[Remembered]:
        """What is remembered of a query, of these solvers."""
        rows = self._run("SELECT solver, kind, model, checksum FROM answers WHERE key = ?", (key,))
        wanted = set(solvers)
        found: list[Remembered] = []
        for solver, kind, model, checksum in rows:
            if not self._sound(key, solver, kind, model, checksum):
                self._run("DELETE FROM answers WHERE key = ? AND solver = ?", (key, solver))
            elif solver in wanted:
                found.append(Remembered(solver, kind, marshal.loads(model)))
        return found

    @staticmethod
    def _sound(key: bytes, solver: object, kind: object, model: object, checksum: object) -> bool:
        return (
            isinstance(solver, str)
            and isinstance(kind, str)
            and isinstance(model, bytes)
            and kind in ("sat", "unsat")
            and checksum == _checksum(key, solver, kind, model)
        )

    def put(self, key: bytes, answer: Remembered) -> None:
        """Remembers an answer. What is too large, or cannot be written, is forgotten."""
        plain: Any = answer.model
        model = marshal.dumps(plain)
        if len(model) > DEFAULT_MAXIMUM_ROW_BYTES:
            return
        checksum = _checksum(key, answer.solver, answer.kind, model)
        row = (key, answer.solver, answer.kind, model, checksum)
        self._run("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", row)
        if self._puts % 1000 == 0:
            self._shrink()
        self._puts += 1

    def _shrink(self) -> None:
        """Forgets the oldest rows beyond the limit, and an eighth more."""
        [(rows,)] = self._run("SELECT count(*) FROM answers", ()) or [(0,)]
        if rows > self.maximum_rows:
            gone = rows - self.maximum_rows + self.maximum_rows // 8
            self._run(
                "DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers ORDER BY rowid LIMIT ?)",
                (gone,),
            )

    def _run(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        import sqlite3

        if self._database is None:
            return []
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.OperationalError:
            # Locked for long, or a full disk: this once it does not work.
            return []
        except sqlite3.DatabaseError:
            self.close()
            with suppress(OSError):
                self.path.unlink()
            return []
