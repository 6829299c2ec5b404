"""Every function of libz and libbz2 rebuilt at once; the judges are zlib's own tests and the bzip2 command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import recompile_libraries
from burnish.core.errors import ImageError
from burnish.images import load
from inputs import mixed

SIZE = 1_000_000


def found(library: str) -> bool:
    try:
        load(library)
    except ImageError:
        return False
    return True


def check(library: str, work: Path) -> None:
    done = recompile_libraries.check(library, "x86-64", work, mixed(SIZE, seed=5))
    assert [item for item in done.items if not item.passed] == []
    assert done.rebuilt >= 0.9 * done.functions, done.refused


@pytest.mark.skipif(not found("libz.so.1"), reason="no libz")
def test_libz_passes_its_own_tests(tmp_path: Path) -> None:
    missing = recompile_libraries.zlib_tests(tmp_path)
    if isinstance(missing, str):
        pytest.skip(missing)
    check("libz.so.1", tmp_path / "work")


@pytest.mark.skipif(
    not found("libbz2.so.1.0") or shutil.which("bzip2") is None, reason="no bzip2 with a library"
)
def test_bzip2_makes_the_round_trip(tmp_path: Path) -> None:
    check("libbz2.so.1.0", tmp_path)


def test_a_library_that_does_something_else_is_found_out(tmp_path: Path) -> None:
    """The comparison can fail: a libbz2 that is damaged where it compresses, or that the loader does not take."""
    bzip2 = shutil.which("bzip2")
    if bzip2 is None or not found("libbz2.so.1.0"):
        pytest.skip("no bzip2 with a library")
    image = load("libbz2.so.1.0")
    copy = tmp_path / "libbz2.so.1.0"
    data = bytearray(image.path.read_bytes())
    table = data.find((0x04C11DB7).to_bytes(4, "little"))  # the second entry of its CRC table
    assert table > 0
    data[table] ^= 1
    copy.write_bytes(data)
    items = recompile_libraries.check_libbz2(copy, Path(bzip2), tmp_path, mixed(50_000, seed=5))
    assert {item.name: item.passed for item in items}["bzip2 -9"] is False

    elsewhere = tmp_path / "other" / "libbz2.so.2"
    elsewhere.parent.mkdir()
    shutil.copy(image.path, elsewhere)
    items = recompile_libraries.check_libbz2(elsewhere, Path(bzip2), tmp_path, b"")
    assert not items[0].passed
