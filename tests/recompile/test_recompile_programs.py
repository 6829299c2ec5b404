"""Programs do the same after everything in them was rebuilt; and what cannot be is refused for its own reason.

``benchmarks/recompile_fuzz.py`` does the same with many more programs and flags.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import capstone
import pytest

from burnish.core.code import Reason
from burnish.images import load
from burnish.pipeline.recompile import Recompilation, recompile

PROGRAMS = Path(__file__).with_name("programs")


@dataclass(frozen=True, slots=True)
class Expected:
    """A program: functions that must be rebuilt at every level, and that must be refused, with the reason."""

    source: str
    rebuilt: str
    refused: dict[str, Reason] = field(default_factory=dict[str, Reason])


EXPECTED = {
    "floats": Expected(
        "floats.c",
        "main polynomial mean order orderf to_long to_unsigned to_unsigned32 from_unsigned from_unsignedf smaller "
        "larger absolute mixed many halves swap_sign norm",
        {"wide": Reason.X87, "show_wide": Reason.X87},
    ),
    "structs": Expected(
        "structs.c",
        "main swap_pair turn mix odd add last fill copy pack unpack word product quotient sign through twice inside "
        "address_of_argument",
    ),
    "arguments": Expected(
        "arguments.c",
        "main ten small both forwards through through_few sub changes calls_variadic calls_variadic_real prints "
        "rising by_text sorted rotated dispatch",
        {"real_sum": Reason.VARIADIC, "say": Reason.VARIADIC},
    ),
    "control": Expected(
        "control.c",
        "main ackermann is_even is_odd state interpreter divide divide_long divide_const many_frames hanoi insert "
        "walk collect hooked note",
        {
            "returns_twice": Reason.RETURNS_TWICE,
            "dynamic": Reason.STACK_DEPTH,
            "variable": Reason.STACK_DEPTH,
        },
    ),
    "memory": Expected(
        "memory.c",
        "main bump wait_for wait_through wait_for_signal length reverse crc saxpy overlap dot bytes matrix maximum "
        "sum_bytes spread follow local_array pointer_difference escaped",
        {"count": Reason.ATOMIC, "setter": Reason.ATOMIC},
    ),
    "assembly": Expected(
        "assembly.c",
        "main byte_in_saved relies index_first",
        {"folded": Reason.STACK_ARGUMENTS, "folded_more": Reason.STACK_ARGUMENTS},
    ),
    "bits": Expected(
        "bits.c",
        "main without without32 disjoint drop_lowest drop_lowest32 lowest lowest32 up_to_lowest up_to_lowest32 left "
        "left32 right arithmetic arithmetic32 turned turned32 turned_fixed low_bits low_bits32 field field32 folded "
        "count single indexed",
    ),
    "exceptions": Expected(
        "exceptions.cpp", "main middle sum_areas", {"catcher": Reason.UNWIND, "catcher.cold": Reason.UNWIND}
    ),
}
CASES = [
    *(("gcc", "-O2", name) for name in EXPECTED if name not in ("exceptions", "bits")),
    *(("gcc", "-Os", name) for name in ("floats", "structs", "arguments")),
    *(("gcc", "-O0", name) for name in ("structs", "memory")),
    ("gcc", "-O3 -no-pie -fno-pie", "memory"),
    ("g++", "-O2", "exceptions"),
]


def _run(program: Path, *arguments: str) -> tuple[int, bytes]:
    done = subprocess.run([program, *arguments], capture_output=True, timeout=30, check=False)
    return done.returncode, done.stdout


def _build(tmp_path: Path, compiler: str, flags: str, source: Path) -> Path:
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    program = tmp_path / "original"
    words = [compiler, *flags.split(), "-w", "-o", program, source, "-lm", "-lpthread"]
    subprocess.run(words, check=True)
    return program


def _check(done: Recompilation, expected: Expected) -> None:
    rebuilt = {function.name for function in done.patched.functions}
    assert set(expected.rebuilt.split()) <= rebuilt
    reasons = {left.name: left.refused.reason for left in done.refused}
    assert {name: reasons.get(name) for name in expected.refused} == expected.refused


@pytest.mark.parametrize(("compiler", "flags", "name"), CASES)
def test_program_does_the_same_rebuilt(compiler: str, flags: str, name: str, tmp_path: Path) -> None:
    expected = EXPECTED[name]
    program = _build(tmp_path, compiler, flags, PROGRAMS / expected.source)
    output = tmp_path / "rebuilt"
    done = recompile(program, output, None, "x86-64")
    _check(done, expected)
    assert _run(output) == _run(program)


BIT_MANIPULATION = frozenset(
    ["andn", "blsr", "blsmsk", "blsi", "bextr", "bzhi", "shlx", "shrx", "sarx", "rorx", "mulx"]
)


def test_a_program_with_bit_manipulation_does_the_same_rebuilt(tmp_path: Path) -> None:
    """Rebuilt for a processor that has not got those instructions."""
    if not {"bmi1", "bmi2"} <= set(Path("/proc/cpuinfo").read_text().split()):
        pytest.skip("needs BMI1 and BMI2")
    expected = EXPECTED["bits"]
    program = _build(tmp_path, "gcc", "-O2 -mbmi -mbmi2", PROGRAMS / expected.source)
    assert _mnemonics(program, expected.rebuilt.split()) >= BIT_MANIPULATION
    output = tmp_path / "rebuilt"
    _check(recompile(program, output, None, "x86-64"), expected)
    assert _run(output) == _run(program)


def _mnemonics(program: Path, names: list[str]) -> set[str]:
    image = load(program)
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    found: set[str] = set()
    for bounds in image.functions:
        if bounds.name in names:
            code = image.read(bounds.address, bounds.size) or b""
            found.update(mnemonic for _, _, mnemonic, _ in engine.disasm_lite(code, 0))
    return found


def test_tail_calls_need_no_stack(tmp_path: Path) -> None:
    program = _build(tmp_path, "gcc", "-O2", PROGRAMS / "control.c")
    output = tmp_path / "rebuilt"
    recompile(program, output, ["is_even", "is_odd"], "x86-64")
    assert _run(output, "ten million deep") == _run(program, "ten million deep")
