"""Where the files of a recording lie: in a folder, or as stored members of one zip file that is read in place."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from burnish.core.errors import RecordingError

pa: Any = import_module("pyarrow")

MANIFEST = "manifest.json"
ZIP = ".zip"
"""How the name of a recording ends that is one file."""
_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Of a member: magic, and the sizes of its name and of what follows that (PKWARE's APPNOTE, 4.3.7)."""
_LOCAL_MAGIC = b"PK\x03\x04"
_UTF8 = 1 << 11
_ENCRYPTED = 1


class Files(Protocol):
    """The files of a recording, by names with ``/`` in them. ``open`` gives a file that pyarrow reads, ``read`` all of
    its bytes, ``size`` how many it takes on disk. Each raises ``RecordingError`` for what cannot be read."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def open(self, name: str) -> Any: ...

    def read(self, name: str) -> bytes: ...

    def size(self, name: str) -> int: ...


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class FolderFiles:
    """The files of a folder."""

    path: Path

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(
            sorted(file.relative_to(self.path).as_posix() for file in self.path.rglob("*") if file.is_file())
        )

    def open(self, name: str) -> Any:
        """A file of pyarrow."""
        try:
            return pa.OSFile(str(self.path / name))
        except OSError as error:
            raise RecordingError(_unreadable(self.path / name, error)) from error

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise RecordingError(_unreadable(self.path / name, error)) from error

    def size(self, name: str) -> int:
        """Bytes."""
        return (self.path / name).stat().st_size


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ZipFiles:
    """The members of a zip file under ``root``, the folder in it that has the manifest (empty, or ending in ``/``)."""

    path: Path
    root: str
    members: Mapping[str, zipfile.ZipInfo]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.members))

    def open(self, name: str) -> Any:
        """A file of pyarrow over the member's part of the zip file; over its bytes where it is compressed."""
        member = self._member(name)
        if member.compress_type != zipfile.ZIP_STORED:
            return pa.BufferReader(self.read(name))
        try:
            file = self.path.open("rb")
            try:
                return pa.PythonFile(_Part(file, self._start(file, member), member.file_size), "r")
            except BaseException:
                file.close()
                raise
        except zipfile.BadZipFile as error:
            raise self._damaged(name) from error
        except OSError as error:
            raise RecordingError(_unreadable(self.path, error)) from error

    def read(self, name: str) -> bytes:
        """The bytes of a member, whose checksum must be right."""
        member = self._member(name)
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(member)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
            raise self._damaged(name) from error
        except OSError as error:
            raise RecordingError(_unreadable(self.path, error)) from error

    def _member(self, name: str) -> zipfile.ZipInfo:
        member = self.members.get(name)
        if member is None:
            raise RecordingError(f"{self.path} is damaged: it has no {name}.")
        return member

    def _damaged(self, name: str) -> RecordingError:
        return RecordingError(f"{self.path} is damaged: {name} in it cannot be read.")

    def _start(self, file: BinaryIO, member: zipfile.ZipInfo) -> int:
        header = os.pread(file.fileno(), _LOCAL_HEADER.size, member.header_offset)
        if len(header) < _LOCAL_HEADER.size:
            raise zipfile.BadZipFile
        magic, name, extra = _LOCAL_HEADER.unpack(header)
        start = member.header_offset + _LOCAL_HEADER.size + name + extra
        if magic != _LOCAL_MAGIC or start + member.file_size > os.fstat(file.fileno()).st_size:
            raise zipfile.BadZipFile
        return start

    def size(self, name: str) -> int:
        """Bytes that it takes in the file."""
        return self.members[name].compress_size


class _Part(io.RawIOBase):
    """The bytes of a file from ``start`` on, ``size`` of them, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence])
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._size - self._at)
        wanted = left if size < 0 else min(size, left)
        data = os.pread(self._file.fileno(), wanted, self._start + self._at)
        self._at += len(data)
        return data

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def open_files(path: Path) -> Files:
    """The files at ``path``. Raises ``RecordingError`` where there is neither a folder nor a zip file with a manifest
    in it."""
    begins = b""
    try:
        if path.is_dir():
            return FolderFiles(path)
        if not path.exists():
            raise RecordingError(f"{path} does not exist.")
        if not path.is_file():
            raise RecordingError(f"{path} is not a recording: it is neither a folder nor a {ZIP} file.")
        with path.open("rb") as file:
            begins = file.read(4)
            return _zip_files(path, file)
    except zipfile.BadZipFile as error:
        if begins == _LOCAL_MAGIC:
            raise RecordingError(f"{path} is damaged: it is a zip file whose end is missing.") from error
        raise RecordingError(
            f"{path} is not a recording: it is neither a folder nor a {ZIP} file."
        ) from error
    except OSError as error:
        raise RecordingError(_unreadable(path, error)) from error


def _zip_files(path: Path, file: BinaryIO) -> ZipFiles:
    try:
        with zipfile.ZipFile(file) as archive:
            listed = archive.infolist()
            if any(not _is_named_twice(file, member) for member in listed):
                raise RecordingError(f"{path} is damaged: what it lists is not what is in it.")
    except (NotImplementedError, UnicodeDecodeError, struct.error) as error:
        raise zipfile.BadZipFile from error
    found = {member.filename: member for member in listed if not member.is_dir()}
    roots = sorted(
        (name for name in found if name.rpartition("/")[2] == MANIFEST), key=lambda n: n.count("/")
    )
    root = roots[0].removesuffix(MANIFEST) if roots else ""
    members = {name.removeprefix(root): m for name, m in found.items() if name.startswith(root)}
    if MANIFEST not in members:
        raise RecordingError(f"{path} is not a recording: it has no {MANIFEST}.")
    if any(member.flag_bits & _ENCRYPTED for member in members.values()):
        raise RecordingError(f"{path} is encrypted; unpack it first, and name the folder.")
    return ZipFiles(path, root, members)


def _is_named_twice(file: BinaryIO, member: zipfile.ZipInfo) -> bool:
    """Whether a member's own header agrees with the list at the end about its name: a name that has changed would pass
    for a member that is not there."""
    header = os.pread(file.fileno(), _LOCAL_HEADER.size, member.header_offset)
    if len(header) < _LOCAL_HEADER.size:
        return False
    length = _LOCAL_HEADER.unpack(header)[1]
    name = os.pread(file.fileno(), length, member.header_offset + _LOCAL_HEADER.size)
    encoding = "utf-8" if member.flag_bits & _UTF8 else "cp437"
    return name == member.orig_filename.encode(encoding, errors="replace")


def pack(folder: Path, file: Path) -> None:
    """Move all that is in ``folder`` into a new zip file. Tables and traces are compressed already, so members are
    stored as they are; each file goes when it is packed, so that little more than its size is needed beside it.
    Raises ``OSError``."""
    names = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(file, "x", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for path in names:
            archive.write(path, path.relative_to(folder).as_posix())
            path.unlink()


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror or error}."
