"""Conditions on the entry state: what they mean, against Python's integers and C's rules."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from burnish.core.errors import UsageError
from burnish.verify.conditions import check_condition, condition_holds

STATE = {
    "rdi": 0xFFFF_FFFF_8000_0001,
    "rsi": 7,
    "rax": 0x1234,
    "xmm0": 1 << 100,
    "zf": 1,
    "r8": (1 << 64) - 1,
}
MEMORY = bytes(range(256))


def holds(text: str) -> bool:
    return condition_holds(text, lambda name: STATE.get(name, 0), lambda at, size: MEMORY[at : at + size])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rdi != 0", True),
        ("edi == 0x80000001", True),
        ("edi s< 0", True),
        ("edi < 0", False),
        ("di == 1 && dil == 1", True),
        ("ah == 0x12", True),
        ("r8 == -1", True),
        ("r8d == -1", True),
        ("r8 s< 0 && r8 > 5", True),
        ("(esi & 3) == 3", True),
        ("esi & 3 == 3", True),  # as in C: the comparison binds stronger
        ("esi == 7 || [0x1000]:1 == 0", True),
        ("[rsi]:1 == 7", True),
        ("[rsi+1]:4 == 0x0b0a0908", True),
        ("[rsi + 2*rsi]:2 == 0x1615", True),
        ("xmm0 >> 100 == 1", True),
        ("!(rsi)", False),
        ("rsi - 8 > 100", True),
        ("rsi - 8 s< 0", True),
        ("sext(edi) == rdi", True),
        ("zext(edi) == rdi", False),
        ("edi == rdi", False),
        ("edi s>> 31 == -1", True),
        ("edi >> 31 == 1", True),
        ("~rsi == -8", True),
        ("zf", True),
        ("rsi % 4 == 3 && rsi / 2 == 3", True),
        ("rsi << 64 == 0", True),
        ("rsi << r8 == 0", True),
    ],
)
def test_meaning(text: str, expected: bool) -> None:
    check_condition(text)
    assert holds(text) is expected


@pytest.mark.parametrize(
    "text",
    ["", "rdi ==", "rdi = 0", "(rdi", "rdx s< edx", "foo == 1", "edi == 0x100000000", "[rdi]:9", "[rdi]", "010 == 8",
     "rdi rsi", "rdi == $5", "(" * 80 + "rdi" + ")" * 80, "[xmm0]:8 == 0"],
)  # fmt: skip
def test_nonsense_is_one_sentence(text: str) -> None:
    with pytest.raises(UsageError, match="the condition") as found:
        check_condition(text)
    assert "\n" not in str(found.value)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_precedence_and_arithmetic_are_those_of_c(tmp_path: Path) -> None:
    source = random.Random(5)
    operators = ["||", "&&", "|", "^", "&", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%"]
    texts: list[str] = []
    for _ in range(300):
        parts = [source.choice(["rdi", "rsi", "rax", "3", "77", "~rsi", "!rdi", "-rax", "(rsi + 5)"])]
        for _ in range(source.randint(1, 5)):
            operator = source.choice(operators)
            right = (
                source.choice(["3", "77", "9"])
                if operator in "/%"
                else source.choice(["rdi", "rsi", "rax", "3"])
            )
            parts += [operator, right]
        texts.append(" ".join(parts))
    values = {"rdi": STATE["rdi"], "rsi": STATE["rsi"], "rax": STATE["rax"]}
    declared = "".join(f"unsigned long {name} = {value}ul;\n" for name, value in values.items())
    number = {digit: f"{digit}ul" for digit in ("3", "77", "9", "5")}
    lines = [
        f'printf("%d\\n", !!({" ".join(number.get(word, word) for word in text.replace("5)", "5ul)").split())}));'
        for text in texts
    ]
    path = tmp_path / "a.c"
    path.write_text(f"#include <stdio.h>\n{declared}int main(void) {{ {''.join(lines)} }}\n")
    subprocess.run(["gcc", "-w", str(path), "-o", str(tmp_path / "a")], check=True)
    printed = subprocess.run([str(tmp_path / "a")], capture_output=True, text=True, check=True).stdout.split()
    assert [str(int(holds(text))) for text in texts] == printed
    assert len(set(printed)) == 2


def test_every_operator_is_tried() -> None:
    for operator, (left, right) in itertools.product(
        ["s<", "s<=", "s>", "s>="], [("edi", "esi"), ("esi", "edi"), ("esi", "esi")]
    ):
        a, b = (STATE[f"r{name[1:]}"] & 0xFFFF_FFFF for name in (left, right))
        a, b = (value - (1 << 32) if value >> 31 else value for value in (a, b))
        expected = {"s<": a < b, "s<=": a <= b, "s>": a > b, "s>=": a >= b}[operator]
        assert holds(f"{left} {operator} {right}") is expected
