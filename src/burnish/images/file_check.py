"""Reads a file and says in one sentence why it cannot be an image, before any parser sees it.

Field offsets are those of the ELF header and program header, System V ABI, generic part, chapters 4 and 5.
"""

from __future__ import annotations

import stat
import struct
from pathlib import Path

from burnish.core.errors import ImageError

_HEADER_SIZE = 64
_SEGMENT_SIZE = 56
_SECTION_SIZE = 64
_EM_X86_64 = 62
_PT_LOAD = 1
_SHT_NOBITS = 8
_TYPES = {1: "a relocatable object", 2: "an executable", 3: "a shared library", 4: "a core dump"}
_RELOCATABLE, _CORE = 1, 4
_MACHINES = {
    2: "SPARC", 3: "32-bit x86", 8: "MIPS", 20: "PowerPC", 21: "64-bit PowerPC", 22: "S/390", 40: "ARM",
    43: "64-bit SPARC", 50: "IA-64", 183: "AArch64", 243: "RISC-V", 258: "LoongArch",
}  # fmt: skip
_MAGICS = (
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"BZh", "bzip2-compressed data"),
    (b"\xfd7zXZ", "xz-compressed data"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (b"PK\x03\x04", "a zip archive"),
    (b"!<arch>\n", "a static library (extract a member with ar first)"),
    (b"!<thin>\n", "a thin static library (name one of its members instead)"),
    (b"#!", "a script"),
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"BC\xc0\xde", "LLVM bitcode"),
)
_HEAD = 512
_MEMORY_LIMIT = 1 << 30
"""Bytes of mapped memory that we are ready to hold."""


def read_elf(path: Path) -> bytes:
    """The bytes of the x86-64 ELF file ``path``, checked as far as every table lies inside the file.

    Raises ``ImageError`` with one sentence for everything else.
    """
    data = _read(path)
    if not data:
        raise ImageError(f"{path} is empty")
    if data[:4] != b"\x7fELF":
        raise ImageError(f"{path} is not an ELF file{_what(data)}")
    if len(data) < _HEADER_SIZE:
        raise ImageError(f"{path} is truncated: its ELF header is not complete")
    _check_machine(path, data)
    _check_tables(path, data)
    return data


def _read(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{path} is a directory, not an ELF file")
        if not stat.S_ISREG(mode):
            raise ImageError(f"{path} is not a regular file")
        with path.open("rb") as file:
            head = file.read(_HEAD)
            return head + file.read() if head.startswith(b"\x7fELF") else head
    except FileNotFoundError:
        raise ImageError(f"{path} does not exist") from None
    except PermissionError:
        raise ImageError(f"{path} cannot be read: permission denied") from None
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError:
        raise ImageError(f"{str(path)!r} is not a file name") from None


def _what(data: bytes) -> str:
    for magic, description in _MAGICS:
        if data.startswith(magic):
            return f" but {description}"
    try:
        text = data[:_HEAD].decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return " but text" if text.isprintable() or "\n" in text else ""


def _check_machine(path: Path, data: bytes) -> None:
    wide, little = data[4] == 2, data[5] == 1
    kind, machine = struct.unpack_from("<HH" if little else ">HH", data, 16)
    wanted = "Burnish reads 64-bit x86-64 ELF files only"
    if machine != _EM_X86_64:
        name = _MACHINES.get(machine, f"machine type {machine}")
        order = "" if little else ", big-endian"
        raise ImageError(f"{path} is for {name}{order}; {wanted}")
    if not wide:
        raise ImageError(f"{path} is a 32-bit ELF file; {wanted}")
    if not little:
        raise ImageError(f"{path} is a big-endian ELF file; {wanted}")
    if kind == _CORE:
        raise ImageError(f"{path} is a core dump, not a program; name the program that wrote it")
    if kind not in _TYPES:
        raise ImageError(f"{path} has the unknown ELF type {kind}")


def _check_tables(path: Path, data: bytes) -> None:
    (kind,) = struct.unpack_from("<H", data, 16)
    phoff, shoff = struct.unpack_from("<QQ", data, 32)
    phentsize, phnum, shentsize, shnum = struct.unpack_from("<HHHH", data, 54)
    if (phnum and phentsize != _SEGMENT_SIZE) or (shnum and shentsize != _SECTION_SIZE):
        raise ImageError(f"{path} is damaged: its header tables have entries of an unknown size")
    if phoff + phnum * _SEGMENT_SIZE > len(data) or (shnum and shoff + shnum * _SECTION_SIZE > len(data)):
        raise ImageError(f"{path} is truncated: its header tables lie beyond the end of the file")
    total = 0
    for i in range(phnum):
        entry, _, offset, address, _, size, memory, _ = struct.unpack_from(
            "<IIQQQQQQ", data, phoff + i * _SEGMENT_SIZE
        )
        if entry != _PT_LOAD:
            continue
        if offset + size > len(data):
            raise ImageError(f"{path} is truncated: a segment lies beyond the end of the file")
        if size > memory or address + memory >= 1 << 64:
            raise ImageError(f"{path} is damaged: a segment has an impossible size")
        total += memory
    for i in range(shnum if kind == _RELOCATABLE else 0):
        entry, flags, _, offset, size = struct.unpack_from("<IQQQQ", data, shoff + i * _SECTION_SIZE + 4)
        if entry != _SHT_NOBITS and offset + size > len(data):
            raise ImageError(f"{path} is truncated: a section lies beyond the end of the file")
        total += size if flags & 2 else 0
    if total > _MEMORY_LIMIT:
        raise ImageError(
            f"{path} wants {total >> 20} MiB of memory; Burnish reads up to {_MEMORY_LIMIT >> 20}"
        )
