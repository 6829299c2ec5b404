"""What two files have in common by its name: tables of functions, variables of other files, functions that never
return."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from burnish.cli.frame import main
from burnish.verify.subject import read_input

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def _verdict(folder: Path, one: str, other: str, *more: str, function: str = "f") -> int:
    """The exit code of ``burnish verify`` for a function of two sources."""
    for name, text in (("one.c", one), ("other.c", other)):
        (folder / name).write_text(text)
    paths = [str(folder / name) for name in ("one.c", "other.c")]
    command = ["verify", *paths, "--function", function, "--no-cache", "--timeout", "10"]
    return main([*command, "--cflags=-O1 -g -fno-builtin -fno-inline", *more])


TABLE = """
static int add(int x) {{ return x + {}; }}
static int twice(int x) {{ return x * 2; }}
{} struct {{ const char *name; int (*call)(int); }} table[] = {{{{"add", add}}, {{"twice", twice}}}};
void set(int (*p)(int)) {{ if (!p) return; {} }}
int f(int k, int x) {{ return table[k & 1].call(x) {} 1; }}
"""
VARIABLE, CONSTANT = ("static", "table[0].call = p;"), ("static const", "")


@pytest.mark.parametrize("kind", [VARIABLE, CONSTANT])
def test_a_table_of_functions_is_one_where_they_are(tmp_path: Path, kind: tuple[str, str]) -> None:
    plain = TABLE.format(1, *kind, "+")
    assert _verdict(tmp_path, plain, plain.replace("(x) + 1", "(x) - -1")) == 0
    assert _verdict(tmp_path, plain, TABLE.format(1, *kind, "-")) in (1, 3)
    # One of the functions is another: nobody said that it is the same.
    other = TABLE.format(2, *kind, "+")
    assert _verdict(tmp_path, plain, other) in (1, 3)
    assert _verdict(tmp_path, plain, other, "--assume-same-callees") == 0


def test_a_table_in_another_order_is_another(tmp_path: Path) -> None:
    plain = TABLE.format(1, *CONSTANT, "+")
    turned = plain.replace('{"add", add}, {"twice", twice}', '{"twice", twice}, {"add", add}')
    assert turned != plain
    assert _verdict(tmp_path, plain, turned) in (1, 3)
    assert _verdict(tmp_path, plain, turned, "--assume-same-callees") in (1, 3)


EXTERN = """
extern {} numbers[{}];
extern struct {{ long first; long all[6]; }} things;
extern long single;
long f(long x) {{ {} }}
"""
# Compilers keep that order.
BEFORE = 'long r = {0}; __asm__ volatile("" ::: "memory"); single = x; return r;'
AFTER = 'single = x; __asm__ volatile("" ::: "memory"); return {0};'


@pytest.mark.parametrize(
    ("length", "read", "expected"),
    [
        ("8", "numbers[7]", {0}),
        ("8", "things.all[5]", {0}),
        # Behind its end lies something else, perhaps; of what has no length nothing is known.
        ("8", "*(&numbers[0] + 9)", {1, 3}),
        ("8", "*(&things.all[5] + 1)", {1, 3}),
        ("", "numbers[7]", {1, 3}),
    ],
)
def test_variables_of_other_files_are_as_large_as_declared(
    tmp_path: Path, length: str, read: str, expected: set[int]
) -> None:
    one, other = (EXTERN.format("long", length, body.format(read)) for body in (BEFORE, AFTER))
    assert _verdict(tmp_path, one, other) in expected


def test_the_smaller_declaration_counts(tmp_path: Path) -> None:
    one = EXTERN.format("long", "8", BEFORE.format("numbers[7]"))
    other = EXTERN.format("long", "4", AFTER.format("*(&numbers[0] + 7)"))
    assert _verdict(tmp_path, one, other) in (1, 3)


def test_declared_sizes(tmp_path: Path) -> None:
    source = tmp_path / "sizes.c"
    source.write_text("""
        typedef int grid[3][5];
        struct hidden;
        enum e { A, B };
        extern const volatile grid g; extern char text[]; extern struct hidden h; extern void (*p)(void);
        extern enum e e; extern struct { char a; long b; unsigned c : 3; } s; extern long double x;
        static int mine[7];
        long f(int k) { return g[1][2] + text[k] + (long)&h + (long)p + e + s.c + (long)x + mine[k]; }
        """)
    types = read_input(source).types
    found = {name: types.extent(name) for name in ("g", "text", "h", "p", "e", "s", "x", "mine", "none")}
    expected = {"g": 60, "text": 0, "h": 0, "p": 8, "e": 4, "s": 24, "x": 16, "mine": 0, "none": 0}
    assert found == expected


DIES = """
void die(const char *, int) __attribute__((noreturn));
int f(int x, int y) {{ if (y == 0) {{ {} }} return x / y; }}
"""


def test_what_never_returns_does_so_for_both(tmp_path: Path) -> None:
    call = 'die("no", x);'
    one = DIES.format(call)
    # Only in one of the two is there code behind the call, by which it shows.
    other = one.replace("noreturn", "cold").replace(call, call + " __builtin_unreachable();")
    assert _verdict(tmp_path, one, one.replace("y == 0", "!y")) == 0
    assert _verdict(tmp_path, one, one.replace("x / y", "y / x")) in (1, 3)
    assert _verdict(tmp_path, one, other) in (0, 3)


TRUSTED = """
static __attribute__((noinline)) int g1(int x) {{ return x * 3 + {}; }}
static __attribute__((noinline)) int g2(int x) {{ return x * 5 + 2; }}
static int (*const table[])(int) = {{ g1, g2 }};
int keep(int (*)(int));
__attribute__((noinline, noipa)) int q(int x) {{ __asm__("{}"); return x; }}
int h(int i, int x) {{ return table[i & 1](q(x)); }}
int k(int x) {{ return keep(g1) + q(x); }}
"""


@pytest.mark.parametrize(("function", "names"), [("h", "q g1"), ("k", "q g1")])
def test_what_is_taken_to_be_the_same_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], function: str, names: str
) -> None:
    """A callee that is not the same code makes all of one name count as the same: functions whose addresses are used
    among them."""
    one, other = TRUSTED.format(1, "nop"), TRUSTED.format(7, "nop; nop")
    assert _verdict(tmp_path, one, other, function=function) == 3
    said = capsys.readouterr().out
    assert all(f"provided that {name} is the same in both" in said for name in names.split())
    # Where all functions are compared, the one that is not takes the proof with it.
    assert main(["verify", str(tmp_path / "one.c"), str(tmp_path / "other.c"), "--no-cache"]) == 1
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{function} ")]
    assert "provided that g1 is the same in both" in line


OWN = """
const int k1 = {}; const int k2 = 9;
int g1(int x) {{ return x * 3 + {}; }}
int g2(int x) {{ return x * 5 + 2; }}
static const int *const numbers[] = {{ &k1, &k2 }};
static int (*const calls[])(int) = {{ g1, g2 }};
int f(int i) {{ return *numbers[i & 1]; }}
int g(int i) {{ return calls[i & 1](i); }}
"""


@pytest.mark.parametrize(("function", "changed"), [("f", (6, 1)), ("g", (5, 7))])
def test_what_a_library_exports_is_its_own(tmp_path: Path, function: str, changed: tuple[int, int]) -> None:
    paths: list[str] = []
    for name, numbers in (("one", (5, 1)), ("same", (5, 1)), ("other", changed)):
        source, made = tmp_path / f"{name}.c", tmp_path / f"{name}.so"
        source.write_text(OWN.format(*numbers))
        subprocess.run(["gcc", "-O1", "-g", "-fPIC", "-shared", "-o", made, source], check=True)
        paths.append(str(made))
    command = ["verify", paths[0], "--function", function, "--no-cache", "--timeout", "10"]
    assert main([*command, paths[1]]) in (0, 3)
    assert main([*command, paths[2]]) in (1, 3)
