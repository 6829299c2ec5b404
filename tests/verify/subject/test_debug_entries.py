"""Entries of debug information are what pyelftools makes of them."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import io
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from burnish.core.image import FunctionBounds
from burnish.images.elf import load_bytes
from burnish.verify.subject import debug_types
from burnish.verify.subject.debug_entries import DamagedError, Entry, Units
from burnish.verify.subject.debug_sections import debug_sections
from burnish.verify.subject.debug_types import DebugTypes
from burnish.verify.subject.types import FunctionType, UnreadableTypeError

SOURCE = """
#include <complex.h>
#include <stdio.h>
struct node { struct node *next; int value : 5; const char *name; double data[3]; };
enum sign { MINUS = -1, PLUS = 1 };
static struct node first;
extern int other(struct node *, double, ...), plain();
extern enum sign declared(const struct node *, unsigned long);
static inline int helper(struct node *n) { struct node copy = *n; return other(&copy, 2) + first.value; }
int f(struct node *n, unsigned k) { { int here[4] = {(int)k}; other(n, 1, here); } return helper(n) + helper(&first); }
struct pair { float a, b; } pair(double _Complex z) { struct pair p = {creal(z), cimag(z)}; return p; }
enum sign sign(int v) { return v < 0 ? MINUS : declared(&first, v) + plain(v); }
int main(int argc, char **argv) { printf("%s %d", argv[0], f(&first, argc)); return sign(argc); }
__attribute__((noipa, noinline))
int other(struct node *n, double d, ...) { return n->value + (int)d; }
int plain() { return 3; }
enum sign declared(const struct node *n, unsigned long k) { return n->value + k ? PLUS : MINUS; }
"""
CHANCE = 3
_TABLES = ("DW_FORM_loclistx", "DW_FORM_rnglistx")
"""Forms whose values pyelftools looks up in tables of which types say nothing."""


def compiled(folder: Path, compiler: str, *flags: str) -> bytes:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    source, made = folder / "f.c", folder / "made"
    source.write_text(SOURCE)
    subprocess.run([compiler, "-w", *flags, source, "-o", made], check=True, capture_output=True)
    return made.read_bytes()


def of_library(elf: bytes) -> list[Any]:
    from elftools.elf.elffile import ELFFile

    file: Any = ELFFile(io.BytesIO(elf))
    return list(file.get_dwarf_info(follow_links=False).iter_CUs())


def below(entry: Any) -> Iterator[Any]:
    yield entry
    for child in entry.iter_children():
        yield from below(child)


def values(entry: Any) -> dict[str, tuple[str, Any]]:
    return {
        name: (value.form, list(value.value) if isinstance(value.value, (bytes, list)) else value.value)
        for name, value in entry.attributes.items()
        if value.form not in _TABLES
    }


def reached(entry: Any) -> dict[str, int]:
    """Where the entries lie to which attributes refer."""
    return {
        name: entry.get_DIE_from_attribute(name).offset
        for name, value in entry.attributes.items()
        if value.form.startswith("DW_FORM_ref") and name != "DW_AT_sibling"
    }


def kind(types: DebugTypes, function: FunctionBounds) -> FunctionType | str | None:
    try:
        return types.of(function)
    except UnreadableTypeError as error:
        return str(error)


WAYS = [
    ("gcc", "-c", "-O2", "-g"),
    ("gcc", "-c", "-O0", "-g3"),
    ("gcc", "-c", "-O1", "-gdwarf-4", "-ffunction-sections"),
    ("gcc", "-c", "-O1", "-gdwarf-3", "-gstrict-dwarf"),
    ("gcc", "-O2", "-g"),
    ("gcc", "-O2", "-g", "-flto"),
    ("clang", "-c", "-O2", "-g", "-gdwarf-5"),
    ("clang", "-O1", "-g"),
]


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_every_entry_is_the_same(tmp_path: Path, way: tuple[str, ...]) -> None:
    elf = compiled(tmp_path, *way)
    sections = debug_sections(elf)
    assert sections is not None
    ours, theirs = list(Units(sections)), of_library(elf)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        entries = list(below(mine.get_top_DIE()))
        expected = list(below(other.get_top_DIE()))
        assert [(e.tag, e.offset) for e in entries] == [(e.tag, e.offset) for e in expected]
        for one, two in zip(entries, expected, strict=True):
            assert values(one) == values(two)
            assert reached(one) == reached(two)


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_types_and_variables_are_the_same(
    tmp_path: Path, way: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    elf = compiled(tmp_path, *way)
    image = load_bytes(elf, Path("f"), "f")

    def told() -> list[Any]:
        types = DebugTypes(elf, image)
        return [(kind(types, one), types.locals(one), types.declared(one.name)) for one in image.functions]

    found = told()
    assert sum(isinstance(kind, FunctionType) for kind, _, _ in found) >= (1 if "-flto" in way else 6)
    # Before DWARF 4 the form of a location does not tell an expression from bytes: then nothing is said of frames.
    assert any(variables for _, variables, _ in found) is not ("-gdwarf-3" in way) or "clang" in way
    with monkeypatch.context() as patched:
        patched.setattr(debug_types, "_units", debug_types._units_of_library)  # pyright: ignore[reportPrivateUsage]
        assert told() == found


@pytest.mark.parametrize("flags", [("-fdebug-types-section",), ("-gz=zlib",), ("-gdwarf64",), ("-gdwarf-2",)])
def test_what_is_not_known_here_is_left_to_the_library(tmp_path: Path, flags: tuple[str, ...]) -> None:
    elf = compiled(tmp_path, "gcc", "-g", "-O1", *flags)
    with pytest.raises(DamagedError):
        Units(debug_sections(elf) or {})
    image = load_bytes(elf, Path("f"), "f")
    types = DebugTypes(elf, image)
    kinds = {one.name: kind(types, one) for one in image.functions}
    assert str(kinds["f"]).startswith("int f(struct ")


def test_a_file_without_debug_information_says_nothing(tmp_path: Path) -> None:
    elf = compiled(tmp_path, "gcc", "-c", "-O1")
    image = load_bytes(elf, Path("f"), "f")
    assert debug_sections(elf) == {}
    assert all(DebugTypes(elf, image).of(one) is None for one in image.functions)


def test_damaged_information_ends_in_an_error_of_its_own(tmp_path: Path) -> None:
    sections = debug_sections(compiled(tmp_path, "gcc", "-c", "-O2", "-g"))
    assert sections is not None
    chance = random.Random(CHANCE)
    for _ in range(150):
        name = chance.choice((".debug_info", ".debug_abbrev"))
        data = bytearray(sections[name])
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        damaged = {**sections, name: bytes(data[: chance.randrange(1, len(data) + 1)])}
        try:
            for unit in Units(damaged):
                for entry in _at_most(below(unit.get_top_DIE())):
                    values(entry)
        except (DamagedError, IndexError, KeyError, RecursionError):
            pass


def _at_most(entries: Iterator[Entry], count: int = 2000) -> Iterator[Entry]:
    for _, entry in zip(range(count), entries, strict=False):
        yield entry


def test_a_wrong_type_is_told_from_a_right_one(tmp_path: Path) -> None:
    """Two files whose functions differ in one parameter's width have different types."""
    first = compiled(tmp_path, "gcc", "-c", "-O1", "-g")
    (tmp_path / "g.c").write_text(SOURCE.replace("unsigned k)", "unsigned short k)"))
    subprocess.run(["gcc", "-w", "-c", "-O1", "-g", tmp_path / "g.c", "-o", tmp_path / "g"], check=True)
    kinds: list[Any] = []
    for elf in (first, (tmp_path / "g").read_bytes()):
        image = load_bytes(elf, Path("f"), "f")
        kinds.append(DebugTypes(elf, image).of(next(one for one in image.functions if one.name == "f")))
    assert kinds[0].shape != kinds[1].shape
    assert replace(kinds[0], name="g").shape == kinds[0].shape
