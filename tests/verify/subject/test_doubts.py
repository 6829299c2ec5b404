"""Functions of stripped files, and callees that cannot be read: gcc's own output must not be refuted against itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import burnish
from burnish.core.verdict import Refuted, Unknown
from burnish.verify.subject import Overrides, Reading, choose_functions, read_input, read_pair

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")

SOURCE = """
extern int elsewhere;
extern int puts(const char *);
static const char *const words[] = {"alpha", "beta", "gamma", "delta"};
static int counter;
static int callback(int x) { return x + 9; }
__attribute__((noipa)) static int helper(int x) { return x * 3 + 1; }
const char *word(unsigned k) { return words[k & 3]; }
int count(int k) { return counter += k; }
const int *place(int k) { static const int table[] = {5, 6, 7, 8}; return &table[k & 3]; }
int (*pointer(void))(int) { return callback; }
int twice(int x) { return helper(x) + helper(x + 1); }
int from_elsewhere(int k) { return elsewhere += k; }
int plain(int k) { return puts("plain") + k * 2; }
int chosen(int k)
{
    switch (k) {
    case 0: return puts("a");
    case 1: return elsewhere;
    case 2: return puts("b") + 1;
    case 3: return 77;
    case 4: return puts("c") + 2;
    case 5: return elsewhere * 3;
    default: return k;
    }
}
"""
NAMED_ELSEWHERE = (
    SOURCE.replace("noipa)) static int helper(int x) { return x * 3 + 1; }", "noipa)) int helper(int x);")
    .replace("static int callback(int x) { return x + 9; }", "extern int callback(int x);")
    .replace("static int counter;", "extern int counter;")
)
UNREAD = """
    .type helper, @function
helper:
    leal 1(%rdi), %edx
    xgetbv
    movl %edx, %eax
    ret
    .type f, @function
    .globl f
f:  BODY
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("doubts")
    (folder / "source.c").write_text(SOURCE)
    (folder / "elsewhere.c").write_text(NAMED_ELSEWHERE)
    (folder / "wrong.c").write_text(SOURCE.replace("k * 2", "k * 3"))
    made = {"source": folder / "source.c", "elsewhere": folder / "elsewhere.c", "wrong": folder / "wrong.c"}
    for name, flags in {
        "stripped": ("-O1", "-shared", "-fPIC", "-s"),
        "other": ("-O2", "-shared", "-fPIC", "-s"),
        "named": ("-O2", "-shared", "-fPIC"),
        "object": ("-O1", "-c", "-fPIC"),
    }.items():
        made[name] = folder / f"{name}.o"
        subprocess.run(["gcc", *flags, str(made["source"]), "-o", str(made[name])], check=True)
    return made


def reading(files: dict[str, Path], first: str, second: str, function: str) -> Reading:
    inputs = read_input(files[first], ("-O2", "-fPIC")), read_input(files[second], ("-O2", "-fPIC"))
    overrides = Overrides(live_out=("rax",))
    found = read_pair(*inputs, choose_functions(*inputs, function)[0], overrides)
    assert not isinstance(found, Unknown), found
    return found


@pytest.mark.parametrize("sides", [("stripped", "source"), ("source", "stripped"), ("stripped", "other")])
@pytest.mark.parametrize("function", ["word", "count", "place", "pointer"])
def test_what_has_no_name_may_be_what_the_other_file_names(
    files: dict[str, Path], sides: tuple[str, str], function: str
) -> None:
    found = reading(files, *sides, function)
    assert found.doubts or found.apart


@pytest.mark.parametrize("function", ["count", "pointer", "twice"])
def test_what_has_no_name_may_be_what_a_third_file_defines(files: dict[str, Path], function: str) -> None:
    assert reading(files, "stripped", "elsewhere", function).doubts
    assert reading(files, "elsewhere", "stripped", function).doubts


@pytest.mark.parametrize("sides", [("object", "named"), ("stripped", "other"), ("stripped", "source")])
@pytest.mark.parametrize("function", ["from_elsewhere", "plain", "chosen"])
def test_words_of_the_got_and_jump_tables_are_no_doubts(
    files: dict[str, Path], sides: tuple[str, str], function: str
) -> None:
    assert not reading(files, *sides, function).doubts


def test_functions_whose_code_differs_have_addresses_that_may_be_one(
    files: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "changed.c").write_text(SOURCE.replace("x + 9", "9 - -x + (x & 0)"))
    found = reading({**files, "changed": tmp_path / "changed.c"}, "source", "changed", "pointer")
    assert not found.doubts  # the same code
    (tmp_path / "changed.c").write_text(SOURCE.replace("return x + 9", "return x < 0 ? 9 - -x : x + 8"))
    found = reading({**files, "changed": tmp_path / "changed.c"}, "source", "changed", "pointer")
    assert found.doubts == ("callback@original and callback@rewrite are not one function",)


@pytest.mark.parametrize(
    ("first", "second", "doubtful"),
    [
        ("call helper\n addl $1, %eax\n ret", "leal 2(%rdi), %eax\n ret", True),
        ("leal 2(%rdi), %eax\n ret", "call helper\n addl $1, %eax\n ret", True),
        ("call helper\n movl %eax, %edi\n call helper\n ret", "call helper\n addl $1, %eax\n ret", True),
        ("call helper\n addl $1, %eax\n ret", "call helper\n incl %eax\n ret", False),
    ],
)
def test_a_callee_that_cannot_be_read_may_be_in_line_on_the_other_side(
    first: str, second: str, doubtful: bool
) -> None:
    inputs = read_input(UNREAD.replace("BODY", first)), read_input(UNREAD.replace("BODY", second))
    overrides = Overrides(live_out=("eax",), same_callees=True)
    found = read_pair(*inputs, choose_functions(*inputs, "f")[0], overrides)
    assert not isinstance(found, Unknown)
    assert bool(found.doubts) == doubtful


def test_no_verdict_rests_on_a_doubt(files: dict[str, Path]) -> None:
    def judged(first: str, second: str, function: str) -> object:
        found = burnish.verify(
            files[first], files[second], function=function, cache=False, timeout_s=5, cflags=("-O2", "-fPIC")
        )
        return found.functions[0].verdict

    for function in ("count", "place"):
        verdict = judged("stripped", "source", function)
        assert isinstance(verdict, Unknown) and "differ if" in verdict.reason, verdict
    assert isinstance(judged("stripped", "wrong", "plain"), Refuted)
