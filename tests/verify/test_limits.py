"""A verdict comes within its limit, and never as an error, however large the functions are."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.core.verdict import Proved, Unknown
from burnish.domains.smt.build import add, const, eq, extract, ite, not_, slt, store, sub, ult, var, zext
from burnish.domains.smt.evaluate import evaluate
from burnish.domains.smt.terms import Op
from burnish.verify.decide import Decision, decide
from burnish.verify.engine.addresses import LOCAL_BASES
from burnish.verify.engine.apart import read
from burnish.verify.engine.execute import unwritten
from burnish.verify.engine.state import ENTRY_MEMORY
from burnish.verify.engines import StandardEngines
from burnish.verify.loops.ranges import simplified
from burnish.verify.pair import Pair
from burnish.verify.solve.query import Model
from burnish.verify.subject import Input, Overrides, choose_functions, read_input, read_pair

LATE_S = 4.0
"""A machine that runs other tests too is slow to begin and to end."""

_LOOPS = 14
MANY_LOOPS = (
    "int f(const int *a, int *b, int n) { int s = 0;\n"
    + "".join(
        f"for (int i = 0; i < n; i++) {{ s = s * {3 + k} + a[i + {k}]; b[i] ^= s; }}\n" for k in range(_LOOPS)
    )
    + "return s; }\n"
)

STRAIGHT = {
    "sums": ("add eax, edi\nrol eax, 5\nxor eax, esi\n", "add eax, edi\nror eax, 27\nxor eax, esi\n"),
    "reads": (
        "movzx ecx, byte ptr [rdi+{k}]\nadd eax, ecx\nadd edx, eax\n",
        "movzx ecx, byte ptr [rdi+{k}]\nadd eax, ecx\nlea edx, [rdx+rax]\n",
    ),
    "choices": ("cmp eax, esi\ncmovb eax, edi\nadd eax, 3\n", "cmp esi, eax\ncmova eax, edi\nadd eax, 3\n"),
    "bytes": ("add al, dil\nxor ah, al\nadd ah, 7\n", "add al, dil\nxor ah, al\nsub ah, 249\n"),
    "extensions": ("movzx eax, al\nadd eax, edi\nmovsx eax, ax\n", "movzx eax, al\nadd eax, edi\ncwde\n"),
    "pointers": ("mov rdi, [rdi+{k}]\n", "lea rsi, [rdi+{k}]\nmov rdi, [rsi]\n"),
    "branches": (
        "test edi, {k}\nje 1f\nadd eax, {k}\n1:\n",
        "test edi, {k}\nje 1f\nlea eax, [rax+{k}]\n1:\n",
    ),
}


@pytest.fixture(scope="module")
def engines() -> Iterator[StandardEngines]:
    with StandardEngines(tests=64) as made:
        yield made


def _pair(first: Input, second: Input, live_out: tuple[str, ...] | None = None) -> Pair:
    reading = read_pair(first, second, choose_functions(first, second, "f")[0], Overrides(live_out))
    assert not isinstance(reading, Unknown), reading
    return reading.pair


def _straight(kind: str, count: int) -> Pair:
    sides: list[Input] = []
    for text in STRAIGHT[kind]:
        body = "".join(text.format(k=k % 1000 + 1) for k in range(count))
        sides.append(read_input(f".globl f\n.type f, @function\nf:\nmov eax, edx\n{body}ret\n", "", "intel"))
    return _pair(sides[0], sides[1], ("rax",))


def _in_time(pair: Pair, engines: StandardEngines, limit_s: float) -> Decision:
    began = time.monotonic()
    found = decide(pair, engines, limit_s)
    assert time.monotonic() - began < limit_s + LATE_S
    return found


def test_many_loops_take_no_longer(tmp_path: Path, engines: StandardEngines) -> None:
    source = tmp_path / "many.c"
    source.write_text(MANY_LOOPS)
    made = [tmp_path / "first.o", tmp_path / "second.o"]
    for path, level in zip(made, ("-O1", "-O2"), strict=True):
        subprocess.run(["gcc", level, "-g", "-fcf-protection=none", "-c", source, "-o", path], check=True)
    _in_time(_pair(read_input(str(made[0])), read_input(str(made[1]))), engines, 3.0)


@pytest.mark.parametrize("kind", STRAIGHT)
def test_thousands_of_dependent_instructions_are_no_error(kind: str, engines: StandardEngines) -> None:
    found = _in_time(_straight(kind, 1500), engines, 2.0)
    assert "nested" not in found.reason


@pytest.mark.parametrize("kind", ["sums", "bytes", "extensions", "pointers"])
def test_hundreds_of_dependent_instructions_are_proved(kind: str, engines: StandardEngines) -> None:
    assert isinstance(_in_time(_straight(kind, 150), engines, 60.0).verdict, Proved)


def test_deep_choices_and_sums_are_no_error() -> None:
    chain, sums = const(0, 32), var("s", 8)
    memories = ENTRY_MEMORY
    for k in range(3000):
        asked = var(f"c{k}", 1)
        chain = ite(asked, const(k + 7, 32), chain)
        sums = extract(add(zext(sums, 16), zext(var(f"b{k}", 8), 16)), k % 2, 8)
        memories = ite(asked, store(memories, var("rdi", 64), const(k, 8)), memories)
    for found in (eq(chain, const(5, 32)), ult(chain, const(5, 32)), slt(chain, const(5, 32)), not_(chain)):
        assert found.width in (1, 32)
    assert simplified([ult(zext(sums, 64), const(9, 64)), ult(const(3, 64), zext(sums, 64))])
    local = add(LOCAL_BASES[0], const(4, 64))
    assert read(memories, local, 1, unwritten("a")).op is Op.SELECT


@pytest.mark.parametrize("count", [39, 40, 41, 60, 300])
def test_long_sums_are_negated(count: int) -> None:
    total = add(*(var(f"s{k}", 32) for k in range(count)))
    found = not_(total)
    values = {f"s{k}": 0x1234567 * k & 0xFFFFFFFF for k in range(count)}
    model = Model(values)
    assert evaluate([found], model) == [~sum(values.values()) & 0xFFFFFFFF]
    assert evaluate([not_(found)], model) == evaluate([total], model)
    minus = sub(const(5, 32), total)
    assert evaluate([minus], model) == [5 - sum(values.values()) & 0xFFFFFFFF]
