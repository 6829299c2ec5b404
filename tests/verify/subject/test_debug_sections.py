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

from burnish.verify.subject.debug_sections import debug_sections

SOURCE = """
struct node { struct node *next; int value; const char *name; };
static struct node first;
extern int other(struct node *, double);
static int helper(struct node *n) { return n ? n->value : first.value; }
int f(struct node *n, unsigned k) { return helper(n) + other(n, k); }
const char *name(struct node *n) { return n->name; }
"""
READ = (".debug_info", ".debug_types", ".debug_str_offsets", ".debug_addr", ".debug_abbrev", ".debug_str",
        ".debug_line_str")  # fmt: skip
pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def compiled(folder: Path, *flags: str) -> bytes:
    source, made = folder / "f.c", folder / "f.o"
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-O1", "-c", *flags, source, "-o", made], check=True)
    return made.read_bytes()


def of_library(elf: bytes, *, relocate: bool) -> dict[str, bytes]:
    from elftools.elf.elffile import ELFFile

    file: Any = ELFFile(io.BytesIO(elf))
    found = file.get_dwarf_info(relocate_dwarf_sections=relocate, follow_links=False)
    parts = {f".{name[:-4]}": getattr(found, name) for name in vars(found) if name.endswith("_sec")}
    return {name: part.stream.getvalue() for name, part in parts.items() if part is not None and name in READ}


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
    for relocate in (True, False):
        ours = debug_sections(elf, relocate=relocate)
        assert ours is not None
        assert {name: data for name, data in ours.items() if name in READ} == of_library(
            elf, relocate=relocate
        )


def test_what_is_not_known_here_is_left_to_others(tmp_path: Path) -> None:
    elf = bytearray(compiled(tmp_path, "-g"))
    assert debug_sections(b"", relocate=True) is None
    assert debug_sections(bytes(elf[:400]), relocate=True) is None
    assert debug_sections(compiled(tmp_path, "-g", "-fdebug-types-section"), relocate=True) is None
    (start,) = struct.unpack_from("<Q", elf, 0x28)
    size, count = struct.unpack_from("<HH", elf, 0x3A)
    for k in range(count):
        kind = struct.unpack_from("<I", elf, start + size * k + 4)[0]
        if kind == 4:
            offset = struct.unpack_from("<Q", elf, start + size * k + 24)[0]
            elf[offset + 8] = 0x7F
    assert debug_sections(bytes(elf), relocate=True) is None
