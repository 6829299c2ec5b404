"""Source lines against addr2line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from burnish.core.image import SourceLine
from burnish.images import compile_c, load, source_lines
from burnish.images import dwarf as dwarf_module

TEXT = """
#include "header.h"
int square(int x)
{
    int result = x * x;
    return result + shared(x);
}

int main(int argc, char **argv)
{
    int sum = 0;
    for (int i = 0; i < argc; i++)
        sum += square(i);
    return sum;
}
"""
HEADER = "static int shared(int x)\n{\n    return x ^ 5;\n}\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "header.h").write_text(HEADER)
    path = tmp_path / "program.c"
    path.write_text(TEXT)
    return path


def addr2line(path: Path, addresses: list[int]) -> list[tuple[str, int]]:
    done = subprocess.run(
        ["addr2line", "-e", str(path), *map(hex, addresses)], capture_output=True, text=True, check=True
    )
    found: list[tuple[str, int]] = []
    for row in done.stdout.splitlines():
        file, _, line = row.partition(" (")[0].rpartition(":")
        found.append((file, int(line) if line.isdigit() else 0))
    return found


@pytest.mark.parametrize("version", ["-gdwarf-4", "-gdwarf-5", "-gdwarf-3"])
@pytest.mark.parametrize("flags", [("-O0", "-pie"), ("-O2", "-no-pie")])
def test_lines_are_those_of_addr2line(
    version: str, flags: tuple[str, ...], source: Path, tmp_path: Path
) -> None:
    path = tmp_path / "program"
    image = compile_c(source, [version, *flags], path)
    lines = source_lines(image)
    checked = 0
    for name in ("square", "main"):
        bounds = next(b for b in image.functions if b.name == name)
        addresses = list(range(bounds.address, bounds.end))
        for address, (file, line) in zip(addresses, addr2line(path, addresses), strict=True):
            found = lines.at(address)
            if line:
                assert found == SourceLine(file, line), hex(address)
                checked += 1
    assert checked > 20
    assert lines.at(0) is None


def test_objects_have_lines_at_their_image_addresses(source: Path, tmp_path: Path) -> None:
    image = compile_c(source, ["-g", "-O0"], tmp_path / "program.o")
    bounds = next(b for b in image.functions if b.name == "square")
    assert source_lines(image).at(bounds.address) == SourceLine(str(source), 4)


def test_separate_debug_files_are_found_by_build_id(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "program"
    image = compile_c(source, ["-g", "-O1", "-pie", "-Wl,--build-id"], path)
    whole = source_lines(image)
    folder = tmp_path / "debug" / ".build-id" / image.build_id[:2]
    folder.mkdir(parents=True)
    separate = folder / f"{image.build_id[2:]}.debug"
    subprocess.run(["objcopy", "--only-keep-debug", str(path), str(separate)], check=True)
    subprocess.run(["strip", str(path)], check=True)
    assert len(source_lines(load(path))) == 0
    monkeypatch.setattr(dwarf_module, "_DEBUG_ROOT", tmp_path / "debug")
    assert source_lines(load(path)) == whole


def test_no_and_damaged_line_tables(source: Path, tmp_path: Path) -> None:
    assert len(source_lines(load("libz.so.1"))) == 0
    path = tmp_path / "program"
    compile_c(source, ["-g", "-O1", "-pie"], path)
    good = path.read_bytes()
    rows = subprocess.run(["readelf", "-SW", str(path)], capture_output=True, text=True, check=True).stdout
    for section in (".debug_line", ".debug_info", ".debug_abbrev"):
        row = next(r.split("] ")[1].split() for r in rows.splitlines() if f" {section} " in r)
        start, size = int(row[3], 16), int(row[4], 16)
        for place in range(0, size, max(1, size // 40)):
            damaged = bytearray(good)
            damaged[start + place] ^= 0xFF
            path.write_bytes(damaged)
            source_lines(load(path))  # whatever it finds, it must not raise
