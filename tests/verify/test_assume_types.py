"""C's rule on types, where the user takes it for granted (``--assume-types``): what it proves, and what it does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import burnish
from burnish.core.verdict import Proved, Refuted, Unknown
from burnish.verify.keeping import keeps_types
from burnish.verify.pair import Side
from burnish.verify.subject import Overrides, Reading, choose_functions, read_input, read_pair

LIST = """
struct list {{ struct list *next; {member} value; }};
void f(struct list *l, const {other} *by) {{ for (; l; l = l->next) l->value += *by; }}
void g(struct list *l, const {other} *by)
{{
    if (!l) return;
    {other} once = *by;
    for (; l; l = l->next) l->value += once;
}}
"""
"""The second loads once what the first loads in each round."""


def made(folder: Path, source: str, *flags: str) -> Path:
    """An object of C."""
    path = folder / "made.c"
    path.write_text(source)
    compiled = ["gcc", "-O1", "-w", *(flags or ("-g",)), "-c", str(path), "-o", str(folder / "made.o")]
    subprocess.run(compiled, check=True)
    return folder / "made.o"


def verdict(path: Path, *, types: bool = True) -> object:
    """That on ``f`` against ``g`` of one file."""
    (row,) = burnish.verify(path, path, "f", "g", types=types, timeout_s=20, cache=False).functions
    return row.verdict


@pytest.mark.parametrize(
    ("member", "other"), [("int", "long"), ("int", "float"), ("long", "short"), ("unsigned", "double")]
)
def test_what_has_another_type_is_elsewhere(tmp_path: Path, member: str, other: str) -> None:
    path = made(tmp_path, LIST.format(member=member, other=other))
    assert isinstance(verdict(path, types=False), Refuted)
    assert isinstance(verdict(path), Proved)


@pytest.mark.parametrize(
    ("member", "other"),
    [("int", "int"), ("int", "unsigned"), ("int", "char"), ("char", "long"), ("unsigned char", "char")],
)
def test_what_has_no_other_type_may_be_the_same(tmp_path: Path, member: str, other: str) -> None:
    """Signed and unsigned are one type, and characters may be anything."""
    assert isinstance(verdict(made(tmp_path, LIST.format(member=member, other=other))), Refuted)


APART = "struct a { int x; }; struct b { short tag; int y; }; "
INSIDE = "struct a { int x; }; struct b { int y; struct a in; }; "
UNION = "union a { int x; float y; }; "
SAME = "struct a { int x; int y; }; "
BOTH = """
int f({a} *p, {b} *q) {{ int first = q->y; p->x = 7; return first + (int)q->y; }}
int g({a} *p, {b} *q) {{ int first = q->y; p->x = 7; return first + first; }}
"""


@pytest.mark.parametrize(
    ("declared", "a", "b", "expected"),
    [
        (APART, "struct a", "struct b", Proved),
        (INSIDE, "struct a", "struct b", Refuted),
        (SAME, "struct a", "struct a", Proved),
        (UNION, "union a", "union a", Refuted),
    ],
    ids=["apart", "inside", "same", "union"],
)
def test_structures(tmp_path: Path, declared: str, a: str, b: str, expected: type) -> None:
    """Members of two structures are apart if neither contains the other, and two members of one are."""
    assert isinstance(verdict(made(tmp_path, declared + BOTH.format(a=a, b=b))), expected)


CAST = """
struct head { long kind; };
struct item { long kind; int value; };
int f(struct head *h, long *n)
{
    struct item *i = (struct item *)h;
    int first = i->value;
    h->kind = 1; *n = 5;
    return first + i->value;
}
int g(struct head *h, long *n)
{
    struct item *i = (struct item *)h;
    int first = i->value;
    h->kind = 1; *n = 5;
    return first + first;
}
"""


def test_what_another_structure_begins_with_may_be_that(tmp_path: Path) -> None:
    """A pointer is often cast where it is used, and nothing tells of it."""
    source = """
    struct head { long kind; };
    struct item { long kind; long value; };
    long f(struct head *h, struct item *i)
    {
        long first = i->kind;
        ((struct item *)h)->kind = 7;
        return first + i->kind;
    }
    long g(struct head *h, struct item *i) { long first = i->kind; h->kind = 7; return first + first; }
    """
    assert isinstance(verdict(made(tmp_path, source)), Refuted)


def test_a_pointer_that_is_used_as_two_types(tmp_path: Path) -> None:
    assert isinstance(verdict(made(tmp_path, CAST)), Proved)


@pytest.mark.parametrize(
    ("original", "rewrite"),
    [
        ("int t = *n; *v = 2.0f; return t;", "*v = 2.0f; return *n;"),
        ("*n = 1; *v = 2.0f; return 0;", "*v = 2.0f; *n = 1; return 0;"),
        ("*v = 2.0f; return 0;", "int t = *n; *v = 2.0f; *n = t; return 0;"),
    ],
    ids=["read, then written", "written twice", "written by the rewrite alone"],
)
def test_what_is_written_may_be_of_any_type(tmp_path: Path, original: str, rewrite: str) -> None:
    """The rule is one on what is read: an object that was allocated may become another."""
    head = "(int *n, float *v)"
    path = made(tmp_path, f"int f{head} {{ {original} }} int g{head} {{ {rewrite} }}")
    assert not isinstance(verdict(path), Proved)


def test_the_rewrite_need_not_keep_the_rule(tmp_path: Path) -> None:
    """It is the original that is taken to keep it: on an input where the two pointers are one address it does."""
    source = """
    int f(int *n, float *v) { int t = *n; *v = 1; return t; }
    int g(int *n, float *v) { *v = 1; return *n; }
    """
    assert isinstance(verdict(made(tmp_path, source)), Refuted)


def test_a_wrong_rewrite_is_refuted(tmp_path: Path) -> None:
    source = LIST.format(member="int", other="long").replace("l->value += once", "l->value += once + 1")
    path = made(tmp_path, source)
    found = verdict(path)
    assert isinstance(found, Refuted)
    assert keeps_types(original(path), found.counterexample)


def original(path: Path) -> Side:
    """The side of ``f``."""
    read = read_input(path)
    functions = choose_functions(read, read, "f", "g")[0]
    reading = read_pair(read, read, functions, Overrides(types=True))
    assert isinstance(reading, Reading)
    return reading.pair.original


def test_an_input_that_breaks_the_rule_refutes_nothing(tmp_path: Path) -> None:
    path = made(tmp_path, LIST.format(member="int", other="long"))
    found = verdict(path, types=False)
    assert isinstance(found, Refuted)
    assert keeps_types(original(path), found.counterexample) is False


def test_what_calls_is_not_known_to_keep_the_rule(tmp_path: Path) -> None:
    source = """
    int puts(const char *);
    int f(int *n, float *v) { *n = 3; puts("x"); *v = 1; return *n; }
    int g(int *n, float *v) { *n = 3; puts("x"); *v = 2; return 3; }
    """
    found = verdict(made(tmp_path, source))
    assert isinstance(found, Unknown)
    assert "it is not known whether the original accesses objects as what they are" in found.reason


def test_without_debug_information_nothing_follows(tmp_path: Path) -> None:
    path = made(tmp_path, LIST.format(member="int", other="long"), "-g0")
    assert isinstance(verdict(path), Refuted)


ELEMENTS = """
struct ids {{ long count; int *of; }};
struct list {{ struct list *next; long at; }};
void f(struct ids *p, struct list *l, long first)
{{
    for (; l; l = l->next) p->of[first + l->at] = 5;
}}
void g(struct ids *p, struct list *l, long first)
{{
    if (!l) return;
    int *to = p->of + first;
    for (; l; l = l->next) to[{index}] = 5;
}}
"""


def test_what_follows_from_a_word_is_kept_over_a_loop(tmp_path: Path) -> None:
    """One side loads a pointer in each round, the other has made another of it."""
    assert isinstance(verdict(made(tmp_path, ELEMENTS.format(index="l->at"))), Proved)
    assert not isinstance(verdict(made(tmp_path, ELEMENTS.format(index="first"))), Proved)


def test_the_verdict_says_so_and_can_be_checked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from burnish.cli.frame import main

    path = str(made(tmp_path, LIST.format(member="int", other="long")))
    kept = str(tmp_path / "certificate.json")
    words = ["verify", path, path, "--function", "f", "--against", "g", "--assume-types"]
    assert main([*words, "-o", kept]) == 0
    assert "PROVED assuming that the original accesses objects as what they are" in capsys.readouterr().out
    assert main(["verify", kept]) == 0
    assert "assuming that the original accesses objects as what they are" in capsys.readouterr().out
