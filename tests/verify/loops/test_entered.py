"""Conditions under which a loop is entered hold for as long as it runs; so do bounds that code reduces values below,
and limits in memory that a count is compared with each time."""

from __future__ import annotations

from pathlib import Path

import pytest

import burnish
from burnish.core.verdict import Proved

from .conftest import verdict_of

ASKED = """
long f(const long *a, int n, long k)
{
    if (!(k & 1)) return 0;
    long s = 0;
    for (int i = 0; i < n; i++) { __asm__("" : "+r"(k)); s += k & 1 ? a[i] : 7; }
    return s;
}
long g(const long *a, int n, long k)
{ if (!(k & 1)) return 0; long s = 0; for (int i = 0; i < n; i++) s += a[i]; return s; }
"""

REDUCED = """
unsigned f(const unsigned char *p, int n)
{ unsigned s = 1; for (int i = 0; i < n; i++) s = (s + p[i]) % 65521; return s; }
unsigned g(const unsigned char *p, int n)
{ unsigned s = 1; for (int i = 0; i < n; i++) { s += p[i]; if (s >= 65521) s -= 65521; } return s; }
"""

LIMIT = """
struct one { struct one *next; signed char n; int a[20]; };
void use(int);
int f(struct one *p, int k)
{
    do {
        if (k != p->n) { for (int i = 0; i < p->n; i++) use(p->a[i]); p->n = -1; }
        p = p->next;
    } while (p);
    return 0;
}
"""


@pytest.mark.parametrize("source", [ASKED, REDUCED], ids=["asked before", "reduced"])
def test_what_holds_for_as_long_as_the_loop_runs(tmp_path: Path, source: str) -> None:
    assert isinstance(verdict_of(tmp_path, source, "-O1", timeout_s=30), Proved)


@pytest.mark.parametrize(
    ("source", "now", "then"),
    [
        (ASKED, "if (!(k & 1)) return 0;", "if (!(k & 3)) return 0;"),
        (ASKED, "s += k & 1 ? a[i] : 7;", "s += k & 1 ? a[i] : 7; k++;"),
        (REDUCED, "s >= 65521", "s > 65521"),
        (REDUCED, "s = 1; for (int i = 0; i < n; i++) { s", "s = 65530; for (int i = 0; i < n; i++) { s"),
    ],
)
def test_what_does_not(tmp_path: Path, source: str, now: str, then: str) -> None:
    assert now in source
    assert not isinstance(verdict_of(tmp_path, source.replace(now, then), "-O1", timeout_s=30), Proved)


@pytest.mark.parametrize(
    ("now", "then", "proved"),
    [("", "", True), ("i < p->n", "i <= p->n", False), ("use(p->a[i])", "use(p->a[i] + (i == 11))", False)],
)
def test_a_loop_that_is_tested_at_its_top_within_one(
    tmp_path: Path, now: str, then: str, proved: bool
) -> None:
    """One side comes to the head of the inner loop where the other has seen that it has no round."""
    first, second = tmp_path / "first.c", tmp_path / "second.c"
    first.write_text(LIMIT)
    second.write_text(LIMIT.replace(now, then) if now else LIMIT)
    (row,) = burnish.verify(
        first,
        second,
        "f",
        cflags=("-O1", "-fno-tree-ch", "-w"),
        rewrite_cflags=("-O2", "-w"),
        timeout_s=20,
        cache=False,
    ).functions
    assert isinstance(row.verdict, Proved) is proved
