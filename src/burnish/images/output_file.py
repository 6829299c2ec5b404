"""Writes a file so that it appears whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from burnish.core.errors import HostError


@contextmanager
def output_file(path: Path, source: Path | None = None, *, in_place: bool = False) -> Generator[BinaryIO]:
    """A file to write that becomes ``path`` when the block ends without an exception.

    It is written under a temporary name in the same directory, flushed to the disk and renamed; on any
    exception, Ctrl-C included, the temporary is removed and ``path`` is as it was. The permissions are those
    of ``source`` without set-user-id and set-group-id (see ``dropped_privileges``), and so is the owner where
    that is permitted; without ``source`` they are a new file's. Only with ``in_place`` may ``path`` be
    ``source``. Raises ``HostError`` with one sentence where the file cannot be written.
    """
    refuse_unsuitable(path, *(() if in_place or source is None else (source,)))
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if source is None:
                os.fchmod(file.fileno(), 0o666 & ~_umask())
            else:
                _take_attributes(file.fileno(), source)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        temporary = None
        _flush_directory(path.parent)
    except OSError as error:
        raise HostError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()


def dropped_privileges(source: Path) -> tuple[str, ...]:
    """Sentences about the privileges of ``source`` that a copy of it does not get: a program that somebody
    else rebuilt must be given them on purpose."""
    found: list[str] = []
    mode = source.stat().st_mode
    for bit, name in ((stat.S_ISUID, "set-user-id"), (stat.S_ISGID, "set-group-id")):
        if mode & bit:
            found.append(f"{source} is {name}; the copy is not.")
    with suppress(OSError):
        if "security.capability" in os.listxattr(source):
            found.append(f"{source} has file capabilities; the copy has none.")
    return tuple(found)


def refuse_unsuitable(path: Path, *sources: Path) -> None:
    """Raises ``HostError`` where ``path`` is not to be written: a directory, a device, one of ``sources``. For whoever
    wants to say so before the work and not after."""
    if path.is_dir():
        raise HostError(f"{path} is a directory; name the file to write.")
    if not path.parent.is_dir():
        raise HostError(f"The directory {path.parent} does not exist.")
    if path.exists():
        if any(source.exists() and path.samefile(source) for source in sources):
            raise HostError(f"{path} is the input; name another file to write.")
        if not path.is_file():
            raise HostError(f"{path} is not a regular file; name another file to write.")


def _umask() -> int:
    """The process's mask of permissions, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _take_attributes(descriptor: int, source: Path) -> None:
    status = source.stat()
    with suppress(PermissionError):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & ~(stat.S_ISUID | stat.S_ISGID))


def _flush_directory(directory: Path) -> None:
    """Makes the rename last; file systems that cannot flush a directory are left to themselves."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
