"""``retune`` on functions of libz: each candidate runs in this process and does what the original does."""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
from pathlib import Path

import pytest

import burnish
from burnish.core.code import Reason, Refused
from burnish.core.errors import HostError, ImageError
from burnish.core.image import FunctionBounds, Image
from burnish.images import find_function
from burnish.pipeline.in_process import place_in_process, typed
from burnish.recompile import Summaries
from burnish.strategies.retune import RetuneStrategy

UNSIGNED = ctypes.c_ulong
CHECKSUM = (UNSIGNED, UNSIGNED, ctypes.c_char_p, ctypes.c_size_t)


@pytest.fixture(scope="module")
def libz() -> Image:
    try:
        return burnish.load("libz.so.1").image
    except ImageError:
        pytest.skip("no libz")


def compiled(folder: Path, source: str) -> Image:
    """A shared library from C."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    (folder / "s.c").write_text(source)
    subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-o", folder / "s.so", folder / "s.c"], check=True)
    return burnish.load(folder / "s.so").image


@pytest.mark.parametrize("cpu", ["native", "x86-64"])
@pytest.mark.parametrize("name", ["adler32_z", "crc32_z"])
def test_every_candidate_gives_the_checksums_of_the_original(libz: Image, name: str, cpu: str) -> None:
    bounds = find_function(libz, name)
    candidates = RetuneStrategy(cpu=cpu).propose(libz, bounds, Summaries(libz))
    assert not isinstance(candidates, Refused) and candidates
    original = getattr(ctypes.CDLL(str(libz.path)), name)
    original.restype, original.argtypes = CHECKSUM[0], CHECKSUM[1:]
    choose = random.Random(11)
    sizes = [*range(70), 5551, 5552, 5553, 11_104, *(choose.randrange(1, 1 << 16) for _ in range(30))]
    inputs = [(choose.getrandbits(32) % 65521, choose.randbytes(size)) for size in sizes]
    for candidate in candidates:
        placed = place_in_process(libz, candidate.code, name)
        rebuilt = typed(placed, *CHECKSUM)
        for start, data in inputs:
            found = rebuilt(start, data, len(data))
            assert found == original(start, data, len(data)), (candidate.variant, start, len(data))


def test_candidates_are_told_apart_and_say_what_they_replace(tmp_path: Path) -> None:
    source = "long total(const int *v, long n) { long t = 0; for (long i = 0; i < n; i++) t += v[i] >> 3; return t; }"
    image = compiled(tmp_path, source)
    bounds = find_function(image, "total")
    candidates = RetuneStrategy().propose(image, bounds, Summaries(image))
    assert not isinstance(candidates, Refused)
    assert len({candidate.variant for candidate in candidates}) == len(candidates) > 1
    assert len({candidate.code.data for candidate in candidates}) == len(candidates)
    for candidate in candidates:
        assert candidate.key == (image.path, bounds.address)
        assert candidate.strategy == RetuneStrategy.name
        assert ("rax", 8) in candidate.returns
    only = RetuneStrategy(variants=False).propose(image, bounds, Summaries(image))
    assert not isinstance(only, Refused)
    assert [candidate.variant for candidate in only] == [candidates[0].variant]


def test_a_small_callee_comes_in_line_and_is_named(tmp_path: Path) -> None:
    image = compiled(
        tmp_path,
        "static __attribute__((noinline)) long step(long a) { return a * 3 + 1; }\n"
        "long walk(const long *v, long n) { long t = 0; for (long i = 0; i < n; i++) t ^= step(v[i]); return t; }",
    )
    walk, step = find_function(image, "walk"), find_function(image, "step")
    candidates = RetuneStrategy().propose(image, walk, Summaries(image))
    assert not isinstance(candidates, Refused)
    by_variant = {candidate.variant: candidate for candidate in candidates}
    assert by_variant["inlined"].copies == (step.address,)
    assert by_variant["vectors"].copies == ()
    values = [random.Random(5).randrange(-(1 << 62), 1 << 62) for _ in range(100)]
    expected = 0
    for value in values:
        expected ^= value * 3 + 1
    array = (ctypes.c_long * 100)(*values)
    for candidate in candidates:
        placed = place_in_process(image, candidate.code, "walk")
        assert typed(placed, UNSIGNED, ctypes.c_void_p, ctypes.c_long)(array, 100) == expected & (1 << 64) - 1


def test_what_cannot_be_rebuilt_is_refused_with_its_reason(tmp_path: Path) -> None:
    image = compiled(tmp_path, "long double widen(double x) { return x; }")
    found = RetuneStrategy().propose(image, find_function(image, "widen"), Summaries(image))
    assert isinstance(found, Refused)
    assert found.reason is Reason.X87


def test_an_unknown_processor_is_one_sentence(libz: Image) -> None:
    bounds: FunctionBounds = libz.functions[0]
    with pytest.raises(HostError, match="pentium9"):
        RetuneStrategy(cpu="pentium9").propose(libz, bounds, Summaries(libz))
