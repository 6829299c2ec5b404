"""Function bounds against readelf, with and without symbols."""

from __future__ import annotations

import re
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from burnish.core.image import Image
from burnish.images import discover, load
from burnish.images.eh_frame import frame_ranges

CXX = """
#include <stdexcept>
__attribute__((noipa)) int callee(int x);
__attribute__((noinline)) int may_throw(int x) { if (x > 3) throw std::runtime_error("x"); return x; }
int catches(int x) { try { return may_throw(x); } catch (...) { return -1; } }
int main(int argc, char **) { return may_throw(argc) + catches(argc); }
int callee(int x) { return x; }
"""

SOURCE = """
#include <stdlib.h>
__attribute__((noinline)) int leaf(int x) { return 3 * x; }
__attribute__((noinline)) static int inner(int x) { return leaf(x) + leaf(x + 1); }
__attribute__((weak, alias("leaf"))) int another(int x);
__attribute__((noinline)) int cold_part(int x) {
    if (__builtin_expect(x > 100, 0)) { abort(); }
    return inner(x) + 1;
}
int main(int argc, char **argv) { return cold_part(argc) + inner(2); }
"""


def frames_of_readelf(path: Path) -> dict[int, int]:
    listing = subprocess.run(
        ["readelf", "-W", "--debug-dump=frames", str(path)], capture_output=True, text=True, check=False
    ).stdout  # it ends with 1 for some libraries, after having printed everything
    return {
        int(start, 16): int(end, 16) - int(start, 16)
        for start, end in re.findall(r"FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)", listing)
    }


def section(image: Image, name: str) -> tuple[int, bytes]:
    found = next(s for s in image.sections if s.name == name)
    content = image.read(found.address, found.size)
    assert content is not None
    return found.address, content


@pytest.mark.parametrize("name", ["libz.so.1", "libc.so.6", "libstdc++.so.6", "ld-linux-x86-64.so.2"])
def test_frame_ranges_are_those_of_readelf(name: str) -> None:
    image = load(name)
    address, records = section(image, ".eh_frame")
    found = {f.start: f.size for f in frame_ranges(records, address)}
    assert found == frames_of_readelf(image.path)


def test_frame_ranges_of_damaged_records_do_not_raise() -> None:
    address, records = section(load("libz.so.1"), ".eh_frame")
    whole = set(frame_ranges(records, address))
    for cut in range(0, len(records), 7):
        assert len(frame_ranges(records[:cut], address)) <= len(whole)
    for place in range(400):
        damaged = records[:place] + b"\xff" + records[place + 1 :]
        assert len(frame_ranges(damaged, address)) <= len(whole)


@pytest.mark.parametrize("name", ["libz.so.1", "libc.so.6", "libbz2.so.1.0"])
def test_exported_functions_are_those_of_readelf(name: str) -> None:
    image = load(name)
    listing = subprocess.run(
        ["readelf", "-W", "--dyn-syms", str(image.path)], capture_output=True, text=True, check=True
    ).stdout
    expected: dict[int, set[str]] = {}
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 8 and words[3] == "FUNC" and words[6].isdigit():
            expected.setdefault(int(words[1], 16), set()).add(words[7].partition("@")[0])
    found = {b.address: {b.name, *b.aliases} for b in image.functions if b.exported}
    assert found == expected


def test_bounds_are_sorted_and_do_not_overlap() -> None:
    for name in ("libc.so.6", "libstdc++.so.6"):
        functions = load(name).functions
        for before, after in pairwise(functions):
            assert 0 < before.size <= after.address - before.address


def build(tmp_path: Path, *flags: str, source: str = SOURCE, compiler: str = "gcc") -> Path:
    suffix = "c" if compiler == "gcc" else "cc"
    text, path = tmp_path / f"f.{suffix}", tmp_path / "f"
    text.write_text(source)
    subprocess.run([compiler, *flags, str(text), "-o", str(path)], check=True)
    return path


def test_stripping_loses_names_and_nothing_else(tmp_path: Path) -> None:
    path = build(tmp_path, "-O2")
    image = load(path)
    ours = {b.name: b for b in image.functions}
    subprocess.run(["strip", str(path)], check=True)
    stripped = {b.address: b for b in load(path).functions}
    for name in ("leaf", "inner", "main", "cold_part", "_start"):
        assert stripped[ours[name].address].size == ours[name].size, name
    assert stripped[ours["main"].address].name == f"fn_{ours['main'].address:x}"
    assert stripped[ours["_start"].address].name == "_start"
    assert ours["leaf"].aliases == ("another",) or ours["another"].aliases == ("leaf",)


def test_frame_ranges_without_a_section_table(tmp_path: Path) -> None:
    path = build(tmp_path, "-O2")
    with_sections = {b.address for b in load(path).functions if b.name in ("leaf", "inner", "main")}
    data = bytearray(path.read_bytes())
    data[40:48] = bytes(8)  # e_shoff
    data[58:64] = bytes(6)  # e_shentsize, e_shnum, e_shstrndx
    path.write_bytes(data)
    image = load(path)
    assert image.sections == ()
    assert with_sections <= {b.address for b in image.functions}
    assert {"abort"} <= {i.name for i in image.plt.values()}


def test_parts_are_known_with_and_without_their_names(tmp_path: Path) -> None:
    source = SOURCE.replace("abort(); }", "inner(x); abort(); }").replace(
        "int cold_part(int x) {",
        """
        int cold_part(int x) { volatile int frame[20]; frame[0] = x;""",
    )
    path = build(tmp_path, "-O2", source=source)
    named = {b.name: b for b in load(path).functions}
    assert named["cold_part.cold"].is_part
    subprocess.run(["strip", str(path)], check=True)
    stripped = {b.address: b for b in load(path).functions}
    assert stripped[named["cold_part.cold"].address].is_part
    assert not stripped[named["cold_part"].address].is_part


def test_handlers_are_found(tmp_path: Path) -> None:
    path = build(tmp_path, "-O1", source=CXX, compiler="g++")
    image = load(path)
    handlers = {b.name for b in image.functions if b.has_handler}
    assert "_Z7catchesi" in handlers
    assert "_Z6calleei" not in handlers


def test_calls_uncover_functions_that_nothing_names(tmp_path: Path) -> None:
    flags = ("-O1", "-fno-asynchronous-unwind-tables", "-fno-ipa-ra", "-fno-toplevel-reorder")
    path = build(tmp_path, *flags)
    named = {b.name: b.address for b in load(path).functions}
    subprocess.run(["strip", str(path)], check=True)
    bare = load(path)
    assert named["leaf"] not in {b.address for b in bare.functions}
    found = {b.address: b for b in discover(bare).functions}
    for name in ("main", "cold_part", "inner", "leaf"):
        assert found[named[name]].source == "call"


def test_bounds_of_twenty_thousand_functions_take_a_second() -> None:
    """Per function, on a library that every machine has; four times as long is allowed for a slow machine."""
    seconds: list[float] = []
    for _ in range(3):
        start = time.process_time()
        image = load("libstdc++.so.6")
        seconds.append((time.process_time() - start) / len(image.functions))
    assert min(seconds) < 200e-6
