"""Loaded functions, listings and coverage, on files that gcc made and on libz."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import burnish
from burnish.core.code import Reason
from burnish.core.errors import FunctionNotFoundError, HostError, ImageError, RefusedError
from burnish.machine.disassemble import Syntax
from burnish.pipeline.listing import View
from burnish.pipeline.session import LoadedImage

SOURCE = """
#include <string.h>
unsigned average(unsigned a, unsigned b) { return (a & b) + ((a ^ b) >> 1); }
unsigned long length(const char *s) { return strlen(s) + 1; }
long sum(const long *v, long n) { long t = 0; for (long i = 0; i < n; i++) t += v[i]; return t; }
long double widen(double x) { return x; }
long both(long a) { return sum(&a, 1) * 2; }
"""

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("session")
    (folder / "s.c").write_text(SOURCE)
    path = folder / "libs.so"
    command = ["gcc", "-O2", "-fno-builtin", "-fno-inline", "-fPIC", "-shared", "-o", path, folder / "s.c"]
    subprocess.run(command, check=True)
    return path


@pytest.fixture(scope="module")
def image(library: Path) -> LoadedImage:
    return burnish.load(library)


def test_functions_are_found_by_name_and_by_any_address_in_them(image: LoadedImage) -> None:
    average = image.function("average")
    assert average.name == "average"
    address = average.bounds.address
    assert image.function(address) == average
    assert image.function(hex(address + average.bounds.size - 1)) == average
    assert average in image.functions
    assert average in list(image)


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        ("avrage", "libs.so has no function 'avrage'; did you mean average?"),
        ("qqqqqqq", "libs.so has no function 'qqqqqqq'"),
        ("0xzz", "'0xzz' is neither a name nor an address"),
        (0xFFFFFFFF, "libs.so has no function at 0xffffffff"),
    ],
)
def test_a_function_that_is_not_there_is_one_sentence(
    image: LoadedImage, which: str | int, sentence: str
) -> None:
    with pytest.raises(FunctionNotFoundError) as caught:
        image.function(which)
    assert str(caught.value) == sentence


def test_a_function_shows_what_it_is_made_of(image: LoadedImage) -> None:
    total = image.function("sum")
    assert total.blocks[0].label.address == total.bounds.address
    assert len(total.blocks) > 1
    assert total.pcode == tuple(op for block in total.blocks for op in block.operations)
    disassembled = {line.address for line in total.assembly()}
    assert {instruction.address for instruction in total.instructions} <= disassembled


def test_a_recompiled_function_shows_what_it_became(image: LoadedImage) -> None:
    rebuilt = image.function("sum").recompile()
    assert rebuilt.name == "sum"
    assert rebuilt.blocks
    assert "define" in rebuilt.emitted_ir
    assert "define" in rebuilt.llvm_ir
    att, intel = rebuilt.assembly(), rebuilt.assembly(Syntax.INTEL)
    assert "%rdi" in att
    assert "%" not in intel
    assert "rdi" in intel


def test_the_processor_can_be_named(image: LoadedImage) -> None:
    function = image.function("sum")
    assert "ymm" not in function.recompile("x86-64").assembly()
    assert "ymm" in function.recompile("haswell").assembly()
    with pytest.raises(HostError, match="no CPU named 'pentium9'"):
        function.recompile("pentium9")


def test_what_is_refused_says_why_and_still_disassembles(image: LoadedImage) -> None:
    widen = image.function("widen")
    with pytest.raises(RefusedError) as caught:
        widen.recompile()
    assert caught.value.refused.reason is Reason.X87
    with pytest.raises(RefusedError):
        _ = widen.blocks
    assert any(line.text.startswith("fldl") for line in widen.assembly())


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        burnish.load(tmp_path / "missing")


def test_coverage_adds_up(library: Path) -> None:
    found = burnish.coverage(library)
    rows = {row.function.name: row for row in found.rows}
    assert found.functions == len(found.rows) == len(burnish.load(library).functions)
    assert rows["average"].refused is None
    assert rows["widen"].refused is not None
    assert rows["widen"].refused.reason is Reason.X87
    refused = sum(count.functions for count in found.reasons)
    assert found.rebuildable_functions + refused == found.functions
    in_refused = sum(count.instructions for count in found.reasons)
    assert found.rebuildable_instructions + in_refused == found.instructions
    # objdump's count of instructions in one function.
    done = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", "--disassemble=average", library],
        capture_output=True,
        text=True,
        check=True,
    )
    assert rows["average"].instructions == done.stdout.count(":\t")


def test_coverage_prints_totals_reasons_and_each_refusal(library: Path) -> None:
    command = [sys.executable, "-m", "burnish", "coverage", library]
    done = subprocess.run([*command, "--refused"], capture_output=True, text=True, check=True)
    found = burnish.coverage(library)
    assert f"{found.functions} functions, {found.instructions} instructions" in done.stdout
    assert Reason.X87.value in done.stdout
    widen = burnish.load(library).function("widen")
    line = next(line for line in done.stdout.splitlines() if line.startswith("widen"))
    assert hex(widen.bounds.address) in line
    document = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)
    assert document["functions"] == found.functions
    assert [r["refused"]["reason"] for r in document["rows"] if r["function"]["name"] == "widen"] == ["X87"]


@pytest.mark.parametrize("view", View, ids=lambda view: view.value)
def test_every_view_of_a_function(library: Path, view: View) -> None:
    listing = burnish.show(library, "both", view)
    assert listing.lines
    assert listing.refused is None
    text = "\n".join(map(str, listing.lines))
    expected = {
        View.ASM: "# sum",
        View.PCODE: "CALL ",
        View.EMITTED: "define",
        View.LLVM: "define",
        View.RECOMPILED: "# sum",
    }
    assert expected[view] in text


def test_assembly_names_what_it_refers_to(library: Path) -> None:
    listing = burnish.show(library, "length")
    assert any("strlen@plt" in line.refers_to for line in listing.lines)
    code = b"".join(line.raw for line in listing.lines)
    assert code == burnish.load(library).function("length").code


def test_show_prints_a_refusal_with_the_code(library: Path) -> None:
    command = [sys.executable, "-m", "burnish", "show", library, "-f", "widen"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "refused: x87 floating point or MMX at 0x" in done.stdout
    assert "fldl" in done.stdout
    done = subprocess.run([*command, "--as", "llvm"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("burnish: x87 floating point or MMX at 0x")
