"""What a compiler makes of one source at two levels of optimisation is never told apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.verify.pair import Pair
from burnish.verify.trials import Bench, PreparedOriginal

EAX = Specification((LiveOut("rax", 4),), source="prototype")
RAX = Specification((LiveOut("rax", 8),), source="prototype")
XMM0 = Specification((LiveOut("xmm0", 8),), source="prototype")
SINGLE = Specification((LiveOut("xmm0", 4),), source="prototype")
NOTHING = Specification((), source="prototype")

SOURCES = {
    "average": ("unsigned f(unsigned x, unsigned y) { return (x & y) + ((x ^ y) >> 1); }", EAX),
    "sum": ("int f(int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i]; return s; }", EAX),
    "length": ("unsigned long f(const char *s) { unsigned long n = 0; while (s[n]) n++; return n; }", RAX),
    "list": (
        "struct n { int v; struct n *next; };"
        "int f(struct n *p) { int s = 0; while (p) { s += p->v; p = p->next; } return s; }",
        EAX,
    ),
    "copy": ("void f(char *d, const char *s, unsigned long n) { while (n--) *d++ = *s++; }", NOTHING),
    "switch": (
        "int f(int x) { switch (x) { case 0: return 5; case 1: return 77; case 2: return x * 3; case 3: return -1;"
        "case 4: return 9; case 5: return x - 100; case 6: return 1234; case 7: return 31; } return 0; }",
        EAX,
    ),
    "jumps": (
        "int f(int x, int *p) { switch (x) { case 0: *p = 5; break; case 1: p[1] += 77; break; case 2: return *p * 3;"
        "case 3: p[2]--; case 4: *p += 9; break; case 5: p[0] ^= x; break; case 6: return p[3]; } return *p; }",
        EAX,
    ),
    "table": (
        "static const int t[8] = {3, 1, 4, 1, 5, 9, 2, 6}; int f(unsigned x) { return t[x & 7]; }",
        EAX,
    ),
    "global": ("int g[4]; int f(int x) { g[x & 3] += x; return g[0]; }", EAX),
    "double": ("double f(double a, double b) { return a > b ? a * b + a : b / (a - b); }", XMM0),
    "float": ("float f(float *a, int n) { float s = 0; for (int i = 0; i < n; i++) s += a[i]; return s; }", SINGLE),
    "struct": (
        "struct s { int a; long b; char c[8]; short d; };"
        "void f(struct s *p, int k) { p->a += k; p->b -= k; p->c[k & 7] = k; p->d = p->a; }",
        NOTHING,
    ),
    "tree": (
        "struct t { struct t *l, *r; int k; };"
        "int f(struct t *p, int k) { while (p) { if (p->k == k) return 1; p = k < p->k ? p->l : p->r; } return 0; }",
        EAX,
    ),
    "compare": (
        "int f(const unsigned char *a, const unsigned char *b)"
        "{ while (*a && *a == *b) a++, b++; return *a - *b; }",
        EAX,
    ),
    "sort": (
        "void f(int *a, int n) { for (int i = 0; i + 1 < n; i++) if (a[i] > a[i + 1])"
        "{ int t = a[i]; a[i] = a[i + 1]; a[i + 1] = t; } }",
        NOTHING,
    ),
    "division": ("int f(int a, int b) { return a / b + a % 7; }", EAX),
    "range": ("long f(const int *p, const int *e) { long s = 0; for (; p < e; p++) s += *p; return s; }", RAX),
    "matrix": (
        "void f(int (*m)[4], const int *v, int *r) { for (int i = 0; i < 4; i++) { r[i] = 0;"
        "for (int j = 0; j < 4; j++) r[i] += m[i][j] * v[j]; } }",
        NOTHING,
    ),
    "indirect": ("int f(int **rows, int i, int j) { return rows[i & 3][j & 3]; }", EAX),
    "many": ("long f(long a, long b, long c, long d, long e, long g, long h, long i) { return a - h + i * g; }", RAX),
    "crc": (
        "unsigned f(unsigned c, const unsigned char *p, int n) { while (n-- > 0) { c ^= *p++;"
        "for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xEDB88320u : c >> 1; } return c; }",
        EAX,
    ),
}  # fmt: skip
STACK = {"many": 16}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("flags", [("-O0", "-O3"), ("-O3", "-O0"), ("-O1", "-Os")])
def test_compiled_code_is_not_told_apart(
    compiled: Callable[..., Pair], bench: Bench, name: str, flags: tuple[str, str]
) -> None:
    source, specification = SOURCES[name]
    specification = Specification(
        specification.live_outs, stack_bytes=STACK.get(name, 0), source=specification.source
    )
    pair = compiled(source, specification, flags)
    for seed in range(3):
        original = PreparedOriginal.prepare(pair.original, specification, bench, count=300, seed=seed)
        trials = original.test(pair.rewrite, bench)
        assert trials.counterexample is None
        assert trials.reason == ""
        assert trials.tested >= 150
