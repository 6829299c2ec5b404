"""Rebuilt functions called from Python; the judges are CPython's own zlib, the original library and gcc's output."""

from __future__ import annotations

import ctypes
import gc
import random
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

import burnish
from burnish.core.errors import ImageError, UsageError
from burnish.core.image import ImageKind
from burnish.pipeline.session import LoadedImage

SOURCE = """
#include <stdlib.h>
#include <string.h>
static long calls;
const char *names[] = {"none", "one", "two"};
long count(void) { return ++calls; }
long counted(void) { return calls; }
int half(int a) { return a / 2; }
double scale(double a, long b) { return a * b; }
float third(float a) { return a / 3.0f; }
const char *name_of(unsigned n) { return names[n]; }
void invert(unsigned char *p, long n) { for (long i = 0; i < n; i++) p[i] = ~p[i]; }
long is_null(const void *p) { return p == NULL; }
long letters(const char *s) { return (long)strlen(s) * 10; }
long sum7(long a, long b, long c, long d, long e, long f, long g) { return a-2*b+3*c-4*d+5*e-6*f+7*g; }
int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
void sort(int *v, size_t n, int (*less)(const void *, const void *)) { qsort(v, n, sizeof *v, less); }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> LoadedImage:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    folder = tmp_path_factory.mktemp("in-process")
    (folder / "s.c").write_text(SOURCE)
    path = folder / "libinprocess.so"
    subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-o", path, folder / "s.c"], check=True)
    return burnish.load(path)


def test_adler32_of_the_system() -> None:
    try:
        libz = burnish.load("libz.so.1")
    except ImageError:
        pytest.skip("no libz")
    adler32, crc32 = libz.function("adler32").recompile(), libz.function("crc32").recompile()
    assert adler32(1, b"abc", 3) == zlib.adler32(b"abc")
    choose = random.Random(7)
    for size in (0, 1, 15, 16, 17, 31, 4096, 5551, 5552, 5553, 100_000):
        data, start = choose.randbytes(size), choose.getrandbits(31) % 65521
        assert adler32(start, data, size) == zlib.adler32(data, start)
        assert crc32(start, data, size) == zlib.crc32(data, start)


def test_numbers_and_results_of_all_sorts(library: LoadedImage) -> None:
    half = library.function("half").recompile()
    assert half.as_function(ctypes.c_int, ctypes.c_int)(-9) == -4
    assert half(-10) & 0xFFFFFFFF == 2**32 - 5
    scale = library.function("scale").recompile().as_function(ctypes.c_double, ctypes.c_double, ctypes.c_long)
    assert scale(1.5, -4) == -6.0
    third = library.function("third").recompile().as_function(ctypes.c_float, ctypes.c_float)
    assert third(1.0) == ctypes.c_float(1.0 / 3.0).value
    assert library.function("sum7").recompile()(1, 2, 3, 4, 5, 6, 7) == 1 - 4 + 9 - 16 + 25 - 36 + 49
    assert library.function("is_null").recompile()(None) == 1
    assert library.function("letters").recompile()(b"seven..") == 70


def test_memory_of_python_is_changed_in_place(library: LoadedImage) -> None:
    data = bytearray(range(100))
    library.function("invert").recompile()(data, 100)
    assert data == bytearray(255 - value for value in range(100))


def test_data_of_the_library_is_shared_with_its_own_functions(library: LoadedImage) -> None:
    count, counted = library.function("count").recompile(), library.function("counted").recompile()
    original = ctypes.CDLL(str(library.path))
    before = original.counted()
    assert count() == before + 1
    assert original.count() == before + 2
    assert counted() == before + 2
    names = library.function("name_of").recompile().as_function(ctypes.c_char_p, ctypes.c_uint)
    assert [names(n) for n in range(3)] == [b"none", b"one", b"two"]


def test_rebuilt_code_calls_imports_and_is_called_back(library: LoadedImage) -> None:
    sort, less = library.function("sort").recompile(), library.function("by_value").recompile()
    choose = random.Random(3)
    values = [choose.randrange(-1000, 1000) for _ in range(500)]
    array = (ctypes.c_int * len(values))(*values)
    sort(array, len(values), less.placed.address)
    assert list(array) == sorted(values)


def test_code_lives_as_long_as_something_can_call_it(library: LoadedImage) -> None:
    half = library.function("half").recompile().as_function(ctypes.c_int, ctypes.c_int)
    gc.collect()
    assert half(8) == 4
    memory = half.placed.memory
    assert memory.size > 0
    del half
    gc.collect()
    assert memory.size == 0


def test_what_has_no_c_type_is_an_error(library: LoadedImage) -> None:
    half = library.function("half").recompile()
    with pytest.raises(TypeError, match="encode it"):
        half("8")
    with pytest.raises(TypeError, match="64 bits"):
        half(1 << 64)
    with pytest.raises((TypeError, ctypes.ArgumentError)):
        half(object())


def test_a_program_cannot_be_called(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    (tmp_path / "p.c").write_text(
        "int twice(int a) { return 2 * a; }\nint main(int c, char **v) { return twice(c); }"
    )
    subprocess.run(["gcc", "-O1", "-fno-inline", "-o", tmp_path / "p", tmp_path / "p.c"], check=True)
    program = burnish.load(tmp_path / "p")
    assert program.image.kind is not ImageKind.SHARED
    with pytest.raises(UsageError, match="twice cannot be called here: p is no shared library"):
        program.function("twice").recompile()(4)
