"""C's rule on types, where the user takes it for granted (``--assume-types``): what it proves, and what it does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import burnish
from burnish.core.verdict import Proved, Refuted
from burnish.verify.keeping import keeps_types
from burnish.verify.pair import Pair, Unseen
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


COPIED = """
{declared}
int f({type} *p, {type} *q) {{ q{member} = p{member}; asm volatile ("" ::: "memory"); return p{member}; }}
int g({type} *p, {type} *q) {{ int once = p{member}; q{member} = once; return once; }}
"""


@pytest.mark.parametrize(
    ("declared", "kind", "member", "expected"),
    [("struct s { long a; int n; };", "struct s", "->n", Proved), ("", "int", "[0]", Refuted)],
    ids=["members", "no members"],
)
def test_two_objects_of_one_type_are_the_same_or_apart(
    tmp_path: Path, declared: str, kind: str, member: str, expected: type
) -> None:
    """And so are their members. Numbers that are none may lie anywhere."""
    path = made(tmp_path, COPIED.format(declared=declared, type=kind, member=member))
    assert isinstance(verdict(path, types=False), Refuted)
    assert isinstance(verdict(path), expected)


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
    assert keeps_types(pair_of(path), found.counterexample)


def pair_of(path: Path) -> Pair:
    """``f`` and ``g``."""
    read = read_input(path)
    functions = choose_functions(read, read, "f", "g")[0]
    reading = read_pair(read, read, functions, Overrides(types=True))
    assert isinstance(reading, Reading)
    return reading.pair


def test_an_input_that_breaks_the_rule_refutes_nothing(tmp_path: Path) -> None:
    path = made(tmp_path, LIST.format(member="int", other="long"))
    found = verdict(path, types=False)
    assert isinstance(found, Refuted)
    assert keeps_types(pair_of(path), found.counterexample) is False


CALLS = """
int puts(const char *);
int f(int *n, long *v) {{ *n = 3; puts("x"); *v = 1; return *n; }}
int g(int *n, long *v) {{ *n = 3; puts("x"); int t = *n; *v = {value}; return t; }}
"""


def test_what_calls_is_followed(tmp_path: Path) -> None:
    """An input refutes if the original keeps the rule on it, also in what it does between calls."""
    wrong = made(tmp_path, CALLS.format(value=2))
    found = verdict(wrong)
    assert isinstance(found, Refuted)
    assert keeps_types(pair_of(wrong), found.counterexample)
    right = made(tmp_path, CALLS.format(value=1))
    assert isinstance(verdict(right), Proved)
    plain = verdict(right, types=False)
    assert isinstance(plain, Refuted)
    assert keeps_types(pair_of(right), plain.counterexample) is False


ANYTHING = {
    "characters": """
        int f(int *d, float *v) { *v = 1; return *((unsigned char *)d + 3); }
        int g(int *d, float *v) { int r = *((unsigned char *)d + 3); *v = 1; return r; }""",
    "a copy of a scalar": """
        int f(int *n, float *v) { *n = 3; int t; __builtin_memcpy(&t, v, 4); return t; }
        int g(int *n, float *v) { int t; __builtin_memcpy(&t, v, 4); *n = 3; return t; }""",
    "a copy into a scalar": """
        int f(int *n, float *v, int x) { __builtin_memcpy(v, &x, 4); return *n; }
        int g(int *n, float *v, int x) { int r = *n; __builtin_memcpy(v, &x, 4); return r; }""",
    "a pointer cast": """
        int f(int *n, float *v) { *n = 3; return *(int *)v; }
        int g(int *n, float *v) { int t = *(int *)v; *n = 3; return t; }""",
    "an address of a socket": """
        struct s { unsigned short family; char data[14]; };
        struct in { unsigned short family, port; unsigned addr; char zero[8]; };
        int f(struct s *s, struct in *q) { q->port = 5; return ((struct in *)s)->port; }
        int g(struct s *s, struct in *q) { int r = ((struct in *)s)->port; q->port = 5; return r; }""",
    "a distance in bytes": """
        float f(int *p, long n, float *q) { *q = 1; return *(float *)((char *)p + n); }
        float g(int *p, long n, float *q) { float r = *(float *)((char *)p + n); *q = 1; return r; }""",
    "a distance to something of the same width": """
        long f(long *a, long d, char **c) { *c = 0; return (long)*(char **)((char *)a + d); }
        long g(long *a, long d, char **c) { long r = (long)*(char **)((char *)a + d); *c = 0; return r; }""",
    "what lies behind a header": """
        struct hdr { long n; long cap; };
        float f(struct hdr *h, long i, float *q) { *q = 1; return ((float *)(h + 1))[i]; }
        float g(struct hdr *h, long i, float *q) { float r = ((float *)(h + 1))[i]; *q = 1; return r; }""",
    "an array without an end": """
        struct elem { float f; int k; }; struct hdr { long n; struct elem items[]; };
        float f(struct hdr *h, long i, float *q) { *q = 1; return h->items[i].f; }
        float g(struct hdr *h, long i, float *q) { float r = h->items[i].f; *q = 1; return r; }""",
    "an object in characters": """
        struct buf { long len; char data[64]; }; struct hdr { int x, y; };
        int f(struct buf *b, struct hdr *q) { q->x = 5; return *(int *)b->data; }
        int g(struct buf *b, struct hdr *q) { int r = *(int *)b->data; q->x = 5; return r; }""",
    "a void pointer": """
        struct a { int tag; float v; };
        float f(void *e, int *q) { struct a *x = e; if (x->tag) return x->v; *q = 7; return ((int *)e)[1]; }
        float g(void *e, int *q)
        { struct a *x = e; if (x->tag) return x->v; int r = ((int *)e)[1]; *q = 7; return r; }""",
    "a union of pointers": """
        union u { void *v; float *f; };
        int f(union u *p, int *q) { *q = 5; return *(int *)p->v; }
        int g(union u *p, int *q) { int *v = p->v; int r = *v; *q = 5; return r; }""",
    "an enumeration": """
        enum e { A = 1ul << 40 };
        long f(enum e *p, unsigned long *q) { *p = A; return *q; }
        long g(enum e *p, unsigned long *q) { long r = *q; *p = A; return r; }""",
    "a long integer": """
        long f(__int128 *p, unsigned __int128 *q) { *p = 5; return *q; }
        long g(__int128 *p, unsigned __int128 *q) { long r = *q; *p = 5; return r; }""",
    "a complex number": """
        float f(_Complex float *z, float *q) { *q = 1; return __real__ *z; }
        float g(_Complex float *z, float *q) { float r = __real__ *z; *q = 1; return r; }""",
    "no alignment": """
        struct __attribute__((packed)) s { int x; char c; };
        int f(struct s *p) { return p->x; }
        int g(struct s *p) { if ((long)p & 3) return 0; return p->x; }""",
}
"""Programs that keep to C's rule where two of their pointers are one, though a pointer's type may tell otherwise."""


@pytest.mark.parametrize("name", ANYTHING)
def test_what_a_pointer_is_declared_as_is_not_all(tmp_path: Path, name: str) -> None:
    assert not isinstance(verdict(made(tmp_path, ANYTHING[name])), Proved)


@pytest.mark.parametrize("flags", [("-g", "-fno-strict-aliasing"), ("-g0",)], ids=" ".join)
def test_nothing_is_assumed_of_what_does_not_tell_that_it_keeps_the_rule(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    path = made(tmp_path, LIST.format(member="int", other="long"), *flags)
    (row,) = burnish.verify(path, path, "f", "g", types=True, timeout_s=20, cache=False).functions
    assert isinstance(row.verdict, Refuted)
    assert any("nothing is assumed of it" in note for note in row.notes)


def test_the_first_classes_alone() -> None:
    whole = Unseen({1: 0, 2: 1, 3: 2}, {7: frozenset({0, 2}), 8: frozenset({1})})
    assert whole.first(1) == Unseen({1: 0}, {7: frozenset({0}), 8: frozenset()})
    assert whole.first(3) == whole


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


VARIABLE = """
struct node {{ struct node *left; long key; }};
struct table {{ {first} struct node *a[23]; }};
{variable};
struct node *f(struct node *p, long i{more}) {{ p->left = 0; return {element}; }}
struct node *g(struct node *p, long i{more}) {{ struct node *q = {element}; p->left = 0; return q; }}
"""


def test_an_element_of_a_variable_is_part_of_that(tmp_path: Path) -> None:
    """Of a structure that is a variable there is nothing behind its last element, and it is part of nothing."""
    words = {"first": "long n;", "variable": "extern struct table t", "more": "", "element": "t.a[i]"}
    assert isinstance(verdict(made(tmp_path, VARIABLE.format_map(words))), Proved)
    for other in (
        {"more": ", struct table *t", "element": "t->a[i]", "variable": ""},
        {"first": "struct node n;"},
        {"variable": "extern struct node *t[23]", "element": "t[i]"},
    ):
        assert not isinstance(verdict(made(tmp_path, VARIABLE.format_map(words | other))), Proved)


def test_the_verdict_says_so_and_can_be_checked_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from burnish.cli.frame import main

    path = str(made(tmp_path, LIST.format(member="int", other="long")))
    kept = str(tmp_path / "certificate.json")
    words = ["verify", path, path, "--function", "f", "--against", "g", "--assume-types"]
    assert main([*words, "-o", kept]) == 0
    assert (
        "PROVED assuming that the original accesses objects as its pointers declare them"
        in capsys.readouterr().out
    )
    assert main(["verify", kept]) == 0
    assert (
        "assuming that the original accesses objects as its pointers declare them" in capsys.readouterr().out
    )
