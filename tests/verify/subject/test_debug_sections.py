"""Debug information relocated by us is what pyelftools makes of it."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from burnish.verify.subject.debug_sections import relocated

SOURCE = """
struct node { struct node *next; int value; const char *name; };
static struct node first;
extern int other(struct node *, double);
static int helper(struct node *n) { return n ? n->value : first.value; }
int f(struct node *n, unsigned k) { return helper(n) + other(n, k); }
const char *name(struct node *n) { return n->name; }
"""
pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def compiled(folder: Path, *flags: str) -> bytes:
    source, made = folder / "f.c", folder / "f.o"
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-O1", "-c", *flags, source, "-o", made], check=True)
    return made.read_bytes()


def sections(elf: bytes, *, relocate: bool) -> list[bytes | None]:
    from elftools.elf.elffile import ELFFile

    file: Any = ELFFile(io.BytesIO(elf))
    found = file.get_dwarf_info(relocate_dwarf_sections=relocate, follow_links=False)
    parts = found.debug_info_sec, found.debug_types_sec, found.debug_str_offsets_sec, found.debug_addr_sec
    return [None if part is None else part.stream.getvalue() for part in parts]


@pytest.mark.parametrize(
    "flags",
    [
        ("-g",),
        ("-g", "-gdwarf-4"),
        ("-g", "-gdwarf-5", "-ffunction-sections"),
        ("-g3",),
    ],
)
def test_the_sections_are_the_same(tmp_path: Path, flags: tuple[str, ...]) -> None:
    elf = compiled(tmp_path, *flags)
    ours = relocated(elf)
    assert ours is not None
    assert sections(ours, relocate=False) == sections(elf, relocate=True)


def test_what_is_not_known_here_is_left_to_others(tmp_path: Path) -> None:
    elf = bytearray(compiled(tmp_path, "-g"))
    assert relocated(b"") is None
    assert relocated(bytes(elf[:400])) is None
    assert relocated(compiled(tmp_path, "-g", "-fdebug-types-section")) is None
    (start,) = struct.unpack_from("<Q", elf, 0x28)
    size, count = struct.unpack_from("<HH", elf, 0x3A)
    for k in range(count):
        kind = struct.unpack_from("<I", elf, start + size * k + 4)[0]
        if kind == 4:
            offset = struct.unpack_from("<Q", elf, start + size * k + 24)[0]
            elf[offset + 8] = 0x7F
    assert relocated(bytes(elf)) is None
