"""Functions are found in debug information where pyelftools has them, when all of it is read."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import io
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from elftools.dwarf.enums import ENUM_DW_AT, ENUM_DW_FORM, ENUM_DW_TAG

from burnish.core.image import ImageKind
from burnish.images.elf import load_bytes
from burnish.verify.pair import Local
from burnish.verify.subject.debug_entries import Entries, Shapes
from burnish.verify.subject.debug_functions import DebugFunctions, origin
from burnish.verify.subject.debug_types import DebugTypes
from burnish.verify.subject.types import FunctionType

SOURCE = """
#include <stdio.h>
struct node { struct node *next; int value; };
extern int other(struct node *, double, ...), plain();
static inline int helper(struct node *n) { struct node copy = *n; return other(&copy, 2); }
int f(struct node *n, unsigned k) { int here[4] = {(int)k}; other(n, 1, here); return helper(n) + plain(); }
__attribute__((noinline)) static int same(int v) { return v + 1; }
int first(int v) { return same(v); }
int main(int argc, char **argv) { printf("%s %d", argv[0], f(0, argc)); return first(argc); }
"""
LATER = """
struct node;
__attribute__((noinline)) static void same(char *p, double d) { *p = d; }
void second(char *p) { same(p, *p); }
int other(struct node *n, double d, ...) { return (int)d; }
int plain() { return 3; }
"""
WAYS = [
    ("gcc", "-c", "-O2"),
    ("gcc", "-c", "-O1", "-gdwarf-4", "-ffunction-sections"),
    ("gcc", "-r", "-nostdlib", "-O1", "-fno-ipa-icf"),
    ("gcc", "-O2"),
    ("gcc", "-O2", "-flto"),
    ("gcc", "-O1", "-fdebug-types-section", "-gz=zlib"),
    ("clang", "-c", "-O2"),
    ("clang", "-O1"),
]
CHANCE = 3


def compiled(folder: Path, compiler: str, *flags: str) -> bytes:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    sources = [folder / "f.c"] if "-c" in flags else [folder / "f.c", folder / "later.c"]
    (folder / "f.c").write_text(SOURCE)
    (folder / "later.c").write_text(LATER)
    subprocess.run(
        [compiler, "-w", "-g", *flags, *sources, "-o", folder / "made"], check=True, capture_output=True
    )
    return (folder / "made").read_bytes()


def with_code(elf: bytes) -> list[Any]:
    from elftools.elf.elffile import ELFFile

    info: Any = ELFFile(io.BytesIO(elf)).get_dwarf_info(follow_links=False)
    entries = [entry for unit in info.iter_CUs() for entry in unit.iter_DIEs()]
    return [one for one in entries if one.tag == "DW_TAG_subprogram" and "DW_AT_low_pc" in one.attributes]


def name_of(entry: Any) -> str:
    return origin(entry).attributes["DW_AT_name"].value.decode()


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_each_function_is_found_where_it_is(tmp_path: Path, way: tuple[str, ...]) -> None:
    elf = compiled(tmp_path, *way)
    image = load_bytes(elf, Path("f"), "f")
    starts = {one.name: one.address for one in image.sections} if image.kind is ImageKind.OBJECT else {}
    functions = DebugFunctions(elf, image)
    expected = with_code(elf)
    found = 0
    for one in reversed(image.functions):
        entry = functions.of(one)
        if entry is None:
            assert not any(name_of(other) == one.name for other in expected)
            continue
        found += 1
        assert name_of(entry) == one.name
        place = one.address - entry.attributes["DW_AT_low_pc"].value
        assert place in starts.values() if starts else place == 0
        assert entry.offset in [other.offset for other in expected]
    assert found >= 2


def test_functions_of_one_name_are_told_apart(tmp_path: Path) -> None:
    elf = compiled(tmp_path, "gcc", "-r", "-nostdlib", "-O1")
    image = load_bytes(elf, Path("f"), "f")
    types = DebugTypes(elf, image)
    told = [str(types.of(one)) for one in image.functions if one.name == "same"]
    assert sorted(told) == ["int same(int)", "void same(char *, double)"]


def test_a_part_of_a_function_is_not_taken_for_it(tmp_path: Path) -> None:
    """Compilers describe what they cut out of a function under its name, with other variables in another frame."""
    source = """
    extern int use(long *), slow(int);
    int whole(int v) {
        if (__builtin_expect(v < 3, 1)) return v;
        long kept[5];
        use(kept); slow(v); use(kept + 1); slow(v + 1); use(kept + 2); slow(v + 2);
        return use(kept) + slow(v);
    }
    int one(int v) { return whole(v) + 1; }
    int two(int v) { return whole(v) - 2; }
    """
    (tmp_path / "f.c").write_text(source)
    made = tmp_path / "f.o"
    subprocess.run(["gcc", "-g", "-O2", "-c", tmp_path / "f.c", "-o", made], check=True)
    elf = made.read_bytes()
    image = load_bytes(elf, Path("f"), "f")
    functions = DebugFunctions(elf, image)
    part = next(one for one in image.functions if one.name.startswith("whole."))
    assert [name_of(one) for one in with_code(elf)].count("whole") == 2
    assert functions.of(part) is None
    for one in image.functions:
        if "." not in one.name:
            assert name_of(functions.of(one)) == one.name


def test_declarations_are_found_after_and_before_functions(tmp_path: Path) -> None:
    elf = compiled(tmp_path, "gcc", "-c", "-O2")
    image = load_bytes(elf, Path("f"), "f")
    main = next(one for one in image.functions if one.name == "main")
    for names in (("other", "main"), ("main", "other")):
        types = DebugTypes(elf, image)
        told = {name: str(types.of(main) if name == "main" else types.declared(name)) for name in names}
        assert told == {"main": "int main(int, char **)", "other": "int other(struct node *, double, ...)"}
        assert types.declared("plain") is None
        assert types.declared("nowhere") is None


def test_a_file_without_debug_information_says_nothing(tmp_path: Path) -> None:
    elf = compiled(tmp_path, "gcc", "-c", "-O1", "-g0")
    image = load_bytes(elf, Path("f"), "f")
    assert all(DebugTypes(elf, image).of(one) is None for one in image.functions)


def test_damaged_information_is_no_error(tmp_path: Path) -> None:
    elf = compiled(tmp_path, "gcc", "-c", "-O2")
    image = load_bytes(elf, Path("f"), "f")
    from elftools.elf.elffile import ELFFile

    section: Any = ELFFile(io.BytesIO(elf)).get_section_by_name(".debug_info")
    start, size = section["sh_offset"], section["sh_size"]
    chance = random.Random(CHANCE)
    for _ in range(20):
        data = bytearray(elf)
        for _ in range(chance.randrange(1, 6)):
            data[start + chance.randrange(size)] = chance.randrange(256)
        types = DebugTypes(bytes(data), image)
        for one in image.functions:
            found, declared = types.of(one), types.declared(one.name)
            assert found is None or isinstance(found, FunctionType)
            assert declared is None or isinstance(declared, FunctionType)
            assert all(isinstance(local, Local) and local.size >= 0 for local in types.locals(one))


@pytest.mark.parametrize("way", [*WAYS, ("gcc", "-c", "-O0", "-gdwarf-2", "-gstrict-dwarf")], ids=" ".join)
def test_entries_are_where_pyelftools_has_them(tmp_path: Path, way: tuple[str, ...]) -> None:
    from elftools.elf.elffile import ELFFile

    elf = compiled(tmp_path, *way)
    info: Any = ELFFile(io.BytesIO(elf)).get_dwarf_info(follow_links=False)
    table = info.debug_abbrev_sec.stream.getvalue()
    count = 0
    for unit in info.iter_CUs():
        wide = unit.structs.dwarf_format // 8
        reference = 8 if unit.structs.dwarf_version == 2 else wide
        known = Shapes(table, unit["debug_abbrev_offset"], (8, wide, reference))
        data, end = info.debug_info_sec.stream.getvalue(), unit.cu_offset + unit.size
        entries = Entries(data, unit.cu_offset, end, known)
        for one in unit.iter_DIEs():
            if one.is_null():
                continue
            below = [(at, shape.tag) for at, shape, _ in entries.children(one.offset)]
            assert below == [(child.offset, ENUM_DW_TAG[child.tag]) for child in one.iter_children()]
            for at, shape, fields in entries.children(one.offset):
                child = unit.get_DIE_from_refaddr(at)
                for name, attribute in child.attributes.items():
                    found = entries.field(shape, fields, ENUM_DW_AT[name])
                    assert found is not None
                    assert found[0] == ENUM_DW_FORM[attribute.form]
                    assert found[1] == attribute.offset or attribute.form == "DW_FORM_implicit_const"
                    count += 1
                assert entries.field(shape, fields, 0x7FFF) is None
    assert count > 100


def test_damaged_abbreviations_are_refused() -> None:
    sizes = (8, 4, 4)
    plain = Shapes(b"\x01\x11\x01\x25\x0e\x00\x00\x02\x24\x00\x0b\x0b\x00\x00\x00", 0, sizes)
    assert plain[2].tag == 0x24 and plain[2].size == 1 and not plain[2].children
    entries = Entries(b"\x01\0\0\0\0\x02\x08\x02\x04\0", 0, 10, plain)
    assert [at for at, _, _ in entries.children(0)] == [5, 7]
    for size in (9, 6, 1):
        with pytest.raises((IndexError, ValueError)):
            list(Entries(b"\x01\0\0\0\0\x02\x08\x02\x04\0"[:size], 0, size, plain).children(0))
    with pytest.raises(KeyError):
        list(Entries(b"\x01\0\0\0\0\x03\0", 0, 7, plain).children(0))
    for table in (
        b"\x01\x11\x01\x25\x7f\x00\x00\x00",
        b"\x01\x11\x01\x25\x16\x00\x00\x00",
        b"\x01\x11\x01",
        b"",
    ):
        with pytest.raises((IndexError, KeyError, ValueError)):
            list(Entries(b"\x01\x01\x01\0", 0, 4, Shapes(table, 0, sizes)).children(0))
    # A reference that leads back would never end.
    looping = Shapes(b"\x01\x11\x01\x00\x00\x02\x2e\x01\x01\x11\x00\x00\x00", 0, sizes)
    with pytest.raises(ValueError):
        list(Entries(b"\x01\x02\x01\0\0", 0, 5, looping).children(0))
