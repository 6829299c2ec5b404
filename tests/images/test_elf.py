"""Loading: what binutils and the dynamic loader say of the same files, and what is said of files that are no images."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import struct
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from burnish.core.errors import ImageError
from burnish.core.image import Access, Image, ImageKind
from burnish.images import load, locate

BZIP2 = shutil.which("bzip2")
LIBRARIES = ("libz.so.1", "libc.so.6")

SOURCE = """
#include <stdio.h>
#include <stdlib.h>
int table[3] = {1, 2, 3};
int *pointers[2] = {table, table + 2};
char zeros[60000];
int (*print)(const char *) = puts;
int helper(int x) { return x * table[x & 1]; }
int main(int argc, char **argv) { zeros[argc] = 1; print(argv[0]); return helper(atoi(argv[0])); }
"""


def readelf(*arguments: str) -> str:
    done = subprocess.run(["readelf", "-W", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module", params=["pie", "no-pie", "static", "shared", "no-plt", "stripped", "lazy"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("elf")
    source = folder / "program.c"
    source.write_text(SOURCE)
    flags = {
        "pie": ["-pie", "-fPIE"],
        "no-pie": ["-no-pie", "-fno-pie"],
        "static": ["-static"],
        "shared": ["-shared", "-fPIC"],
        "no-plt": ["-pie", "-fPIE", "-fno-plt"],
        "stripped": ["-pie", "-fPIE", "-s"],
        "lazy": ["-pie", "-fPIE", "-Wl,-z,lazy", "-fcf-protection=full", "-Wl,-z,ibtplt"],
    }[request.param]
    path = folder / "program"
    subprocess.run(["gcc", "-O1", *flags, str(source), "-o", str(path)], check=True)
    return request.param, path


def test_kind_entry_and_segments_are_those_of_readelf(built: tuple[str, Path]) -> None:
    how, path = built
    image = load(path)
    kinds = {"no-pie": ImageKind.EXECUTABLE, "static": ImageKind.EXECUTABLE, "shared": ImageKind.SHARED}
    assert image.kind is kinds.get(how, ImageKind.PIE)
    header = readelf("-h", str(path))
    entry = re.search(r"Entry point address:\s+0x([0-9a-f]+)", header)
    assert entry is not None
    assert image.entry == int(entry[1], 16)
    rows = re.findall(
        r"^\s+LOAD\s+\S+\s+0x([0-9a-f]+)\s+\S+\s+\S+\s+0x([0-9a-f]+)\s+([R ][W ][E ])",
        readelf("-l", str(path)),
        re.MULTILINE,
    )
    expected = [
        (int(address, 16), int(address, 16) + int(size, 16), access.replace(" ", ""))
        for address, size, access in rows
    ]
    names = {Access.READ: "R", Access.WRITE: "W", Access.EXECUTE: "E"}
    found = [
        (s.address, s.end, "".join(n for a, n in names.items() if a in s.access)) for s in image.segments
    ]
    assert found == expected


def test_every_relocation_of_readelf_is_known(built: tuple[str, Path]) -> None:
    _, path = built
    image = load(path)
    kinds = {"R_X86_64_RELATIV", "R_X86_64_RELATIVE"}
    relative = {}
    slots = {}
    for line in readelf("-r", str(path)).splitlines():
        words = line.split()
        if len(words) >= 4 and words[2] in kinds:
            relative[int(words[0], 16)] = int(words[3], 16)
        elif len(words) >= 5 and words[2] in ("R_X86_64_GLOB_DAT", "R_X86_64_JUMP_SLO", "R_X86_64_JUMP_SLOT"):
            slots[int(words[0], 16)] = words[4].partition("@")[0]
    assert relative.items() <= image.relative.items()
    assert slots.items() <= {a: i.name for a, i in image.got.items()}.items()
    for address, target in image.relative.items():
        assert image.read(address, 8) == struct.pack("<Q", target)


def test_packed_relative_relocations(tmp_path: Path) -> None:
    """RELR says where, not what: the values are the addresses of the symbols that they point to."""
    source, path = tmp_path / "p.c", tmp_path / "p"
    source.write_text(SOURCE)
    flags = ["-pie", "-fPIE", "-Wl,-z,pack-relative-relocs"]
    subprocess.run(["gcc", *flags, str(source), "-o", str(path)], check=True)
    assert "RELR" in readelf("-d", str(path))
    image = load(path)
    symbols = {
        words[7]: int(words[1], 16)
        for line in readelf("-s", str(path)).splitlines()
        if len(words := line.split()) == 8 and words[0] != "Num:"
    }
    assert image.relative[symbols["pointers"]] == symbols["table"]
    assert image.relative[symbols["pointers"] + 8] == symbols["table"] + 8


def test_plt_stubs_are_those_of_objdump(built: tuple[str, Path]) -> None:
    _, path = built
    listing = subprocess.run(["objdump", "-d", str(path)], capture_output=True, text=True, check=True).stdout
    expected = {
        int(address, 16): name
        for address, name in re.findall(r"^([0-9a-f]+) <([\w.]+)@plt>:", listing, re.MULTILINE)
        if not name.startswith("*ABS*")
    }
    assert {a: i.name for a, i in load(path).plt.items()} == expected


@pytest.mark.parametrize("name", LIBRARIES)
def test_system_libraries(name: str) -> None:
    image = load(name)
    notes = readelf("-n", str(image.path))
    assert image.soname == name
    assert image.kind is ImageKind.SHARED
    assert f"Build ID: {image.build_id}" in notes
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("-d", str(image.path)))
    assert list(image.needed) == needed
    resolvers = set(re.findall(r"R_X86_64_IRELATIV\w*\s+([0-9a-f]+)", readelf("-r", str(image.path))))
    assert set(image.ifuncs.values()) == {int(r, 16) for r in resolvers}


def test_the_loader_and_we_find_the_same_library() -> None:
    assert BZIP2 is not None
    listed = subprocess.run(["ldd", BZIP2], capture_output=True, text=True, check=True).stdout
    for name, path in re.findall(r"(\S+) => (/\S+)", listed):
        assert locate(name).samefile(path)


def test_library_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(locate("libz.so.1"), tmp_path / "libz.so.1")
    monkeypatch.setenv("LD_LIBRARY_PATH", f"/nonexistent:{tmp_path}")
    assert load("libz.so.1").path == tmp_path / "libz.so.1"


def test_zero_fill_is_readable(built: tuple[str, Path]) -> None:
    how, path = built
    row = re.search(r"([0-9a-f]{16})\s+60000\s+OBJECT.*\bzeros$", readelf("-s", str(path)), re.MULTILINE)
    assert (row is None) == (how == "stripped")
    if row is not None:
        assert load(path).read(int(row[1], 16), 60000) == bytes(60000)


def test_a_relocatable_object_resolves_its_own_symbols(tmp_path: Path) -> None:
    source, path = tmp_path / "o.c", tmp_path / "o.o"
    source.write_text(SOURCE)
    subprocess.run(["gcc", "-O1", "-c", str(source), "-o", str(path)], check=True)
    image = load(path)
    assert image.kind is ImageKind.OBJECT
    assert {"helper", "main"} <= {b.name for b in image.functions}
    assert {"puts", "strtol"} <= {i.name for i in image.plt.values()}
    assert {"puts"} == {i.name for a, i in image.got.items() if "data" in _section(image, a)}
    spans = sorted((s.address, s.end) for s in image.segments)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def _section(image: Image, address: int) -> str:
    return next(s.name for s in image.sections if s.address <= address < s.end)


# What is not an image


def _patched(offset: int, value: bytes) -> bytes:
    data = bytearray(locate("libz.so.1").read_bytes())
    data[offset : offset + len(value)] = value
    return bytes(data)


def _huge_memory() -> bytes:
    """The same library, with a segment that wants a terabyte."""
    data = bytearray(locate("libz.so.1").read_bytes())
    (table,) = struct.unpack_from("<Q", data, 32)
    (count,) = struct.unpack_from("<H", data, 56)
    loads = [table + 56 * i for i in range(count) if struct.unpack_from("<I", data, table + 56 * i)[0] == 1]
    struct.pack_into("<Q", data, loads[-1] + 40, 1 << 40)
    return bytes(data)


WRONG = {
    "empty": (b"", "is empty"),
    "text": (b"hello, world\n", "is not an ELF file but text"),
    "script": (b"#!/bin/sh\ntrue\n", "is not an ELF file but a script"),
    "binary": (bytes(range(256)), "is not an ELF file"),
    "gzip": (gzip.compress(b"x"), "gzip-compressed data"),
    "archive": (b"!<arch>\n", "a static library"),
    "magic only": (b"\x7fELF", "is truncated"),
    "header only": (_patched(0, b"")[:64], "is truncated"),
    "half": (_patched(0, b"")[:20000], "is truncated"),
    "without its end": (_patched(0, b"")[:-1], "is truncated"),
    "32-bit": (_patched(4, b"\1"), "32-bit"),
    "big-endian": (_patched(5, b"\2")[:18] + b"\0\x3e" + _patched(5, b"\2")[20:], "big-endian"),
    "arm": (_patched(4, b"\1")[:18] + b"\x28\0" + _patched(4, b"\1")[20:], "is for ARM"),
    "aarch64": (_patched(18, b"\xb7\0"), "is for AArch64"),
    "core": (_patched(16, b"\4\0"), "is a core dump"),
    "unknown type": (_patched(16, b"\x09\0"), "unknown ELF type"),
    "huge": (_huge_memory(), "MiB of memory"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_image_is_said_in_one_sentence(name: str, tmp_path: Path) -> None:
    content, expected = WRONG[name]
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        load(path)
    message = str(caught.value)
    assert expected in message
    assert str(path) in message
    assert "\n" not in message


def test_missing_directory_device_and_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        load(tmp_path / "nothing")
    with pytest.raises(ImageError, match="does not exist"):
        load("libnothing.so.77")
    with pytest.raises(ImageError, match="is a directory"):
        load(tmp_path)
    with pytest.raises(ImageError, match="not a regular file"):
        load("/dev/null")
    with pytest.raises(ImageError, match="not a file name"):
        load("a\0b")
    secret = tmp_path / "secret"
    secret.write_bytes(b"\x7fELF")
    if os.geteuid() == 0:  # root may read everything, so the refusal has to be feigned

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
    else:
        secret.chmod(0)
    with pytest.raises(ImageError, match="permission denied"):
        load(secret)


@pytest.mark.parametrize("what", ["program", "object"])
def test_damage_never_leaks_anything_but_an_image_error(what: str, tmp_path: Path) -> None:
    """The tables of a program and of an object (relocations and symbols too), overwritten here and there with values
    that break counts and offsets."""
    assert BZIP2 is not None
    source, good = tmp_path / "o.c", Path(BZIP2)
    if what == "object":
        source.write_text(SOURCE)
        good = tmp_path / "o.o"
        subprocess.run(["gcc", "-O1", "-c", str(source), "-o", str(good)], check=True)
    content = good.read_bytes()
    (sections,) = struct.unpack_from("<Q", content, 40)
    path = tmp_path / "damaged"
    places = [*range(16, 64, 4), *range(64, 64 + 56 * 13, 24), *range(sections, len(content) - 4, 40)]
    places += range(0x300, len(content) - 4, 36) if what == "object" else ()
    outcomes = {"loaded": 0, "refused": 0}
    for place in places:
        for value in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\x01\x00\x00\x00"):
            path.write_bytes(content[:place] + value + content[place + 4 :])
            try:
                image = load(path)
            except ImageError as error:
                assert "\n" not in str(error)
                outcomes["refused"] += 1
            else:
                assert image.segments
                outcomes["loaded"] += 1
    assert min(outcomes.values()) > 10
