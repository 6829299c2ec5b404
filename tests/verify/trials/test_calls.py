"""Functions that call others: the same calls in the same order, or the same done without."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.verify.pair import Callee, Pair
from burnish.verify.trials import Bench, PreparedOriginal, replay, run_trials

from ..texts import pair_of_texts

EAX = Specification((LiveOut("rax", 4),), source="prototype")
RAX = Specification((LiveOut("rax", 8),), source="prototype")
NOTHING = Specification((), source="prototype")
G = Callee("g", (("rdi", 4),), (("rax", 4),), stack_bytes=0)
H = Callee("h", (("rdi", 8), ("rsi", 4)), (), stack_bytes=0)
MAKE = Callee("make", (("rdi", 8),), (("rax", 8),), stack_bytes=0)
REAL = Callee("real", (("xmm0", 8),), (("xmm0", 8),), stack_bytes=0)
DIE = Callee("abort", (), (), stack_bytes=0, returns=False)
CALLEES = (G, H, MAKE, REAL, DIE)

SOURCES = {
    "result": ("int g(int); int f(int a, int b) { return g(a) + g(b) * 2; }", EAX),
    "memory": ("int g(int); int f(int *p) { p[0] = g(p[1]); p[2] += g(p[0]); return p[3]; }", EAX),
    "loop": ("int g(int); int f(int *p, int n) { int s = 0; while (n-- > 0) s ^= g(*p++); return s; }", EAX),
    "tail": ("int g(int); int f(int a) { return g(a + 1); }", EAX),
    "local": ("void h(int *, int); int f(int a) { int x[4] = {a, 1, 2, 3}; h(x, a); return a; }", EAX),
    "pointer": ("int *make(long); int f(long n) { int *p = make(n); if (!p) return -1; *p = n; return p[1]; }", EAX),
    "vector": ("double real(double); int f(double a) { return real(a) > a; }", EAX),
    "checked": ("void abort(void); int g(int); int f(int a, int b) { if (a == b) abort(); return g(a - b); }", EAX),
    "memset": ("void f(char *p, int n, int c) { for (int i = 0; i < n; i++) p[i] = c; }", NOTHING),
    "copied": (
        "int a[64], b[64]; void f(void) { for (unsigned i = 0; i < 64; i++) a[i] = b[i]; }",
        NOTHING,
    ),
    "length": ("unsigned long f(const char *s) { unsigned long n = 0; while (s[n]) n++; return n; }", RAX),
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("flags", [("-O0", "-O2"), ("-O1", "-O3")])
def test_compiled_code_is_not_told_apart(
    compiled: Callable[..., Pair], bench: Bench, name: str, flags: tuple[str, str]
) -> None:
    source, specification = SOURCES[name]
    pair = compiled(source, specification, flags, CALLEES, idioms=True)
    for seed in range(3):
        original = PreparedOriginal.prepare(pair.original, specification, bench, count=200, seed=seed)
        trials = original.test(pair.rewrite, bench)
        assert trials.counterexample is None
        assert trials.reason == ""
        assert trials.tested >= 100


WRONG = {
    "order": ("int g(int); int f(int a, int b) { int x = g(a); return x - g(b); }",
              "int g(int); int f(int a, int b) { int y = g(b); return g(a) - y; }", "arguments"),
    "argument": ("int g(int); int f(int a) { return g(a); }", "int g(int); int f(int a) { return g(a + 1); }",
                 "arguments"),
    "dropped": ("int g(int); int f(int a) { g(a); return a; }", "int f(int a) { return a; }", "1 calls"),
    "doubled": ("int g(int); int f(int a) { return g(a); }", "int g(int); int f(int a) { g(a); return g(a); }",
                "calls"),
    "store after": ("int g(int); int f(int *p) { *p = 1; return g(0); }",
                    "int g(int); int f(int *p) { int x = g(0); *p = 1; return x; }", "other memory"),
    "result": ("int g(int); int f(int a) { return g(a); }", "int g(int); int f(int a) { g(a); return a; }", "rax"),
    "callee": ("int g(int); int f(int a) { return g(a); }", "int f(int a); int f(int a) { h(a, a); return 0; }", ""),
    "kept": ("int g(int); int f(int a, int b) { return g(a) + b; }",
             "int g(int); int f(int a, int b) { int x = g(a), y; __asm__ volatile(\"\" : \"=S\"(y)); return x + y; }",
             "rax"),
    "new": ("int f(int a) { return a; }", "int g(int); int f(int a) { g(a); return a; }", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_has_a_counterexample(compiled: Callable[..., Pair], bench: Bench, name: str) -> None:
    first, second, word = WRONG[name]
    pair = compiled(first, EAX, ("-O1 -w", "-O1 -w"), CALLEES, idioms=True, against=second)
    one, two = pair.original, pair.rewrite
    found = PreparedOriginal.prepare(one, EAX, bench, count=200).test(two, bench).counterexample
    assert found is not None
    assert word in found.differing[0]
    if name not in ("callee", "new"):
        assert replay(Pair(one, two, EAX), found, bench)


LONG = "push rbx\nmov ebx, esi\ncall g\nadd eax, ebx\npop rbx\nret\n.size f, .-f\n.type g, @function\ng:\n"
LONG += "mov eax, edi\n" + "inc eax\n" * 2100 + "ret\n.size g, .-g\n"


def test_a_callee_that_cannot_be_read_may_be_in_line(bench: Bench) -> None:
    """What stands for it does something else than it does, so that the two differ in tests and nowhere else."""
    inlined = pair_of_texts(LONG, "lea eax, [rdi + 2100]\nadd eax, esi\nret", "eax")
    trials = run_trials(inlined, bench, count=100)
    assert trials.counterexample is None and trials.tested == 0
    # Where both call it, all else is told apart as ever.
    same = pair_of_texts(LONG, LONG.replace("ret\n.size f", "inc eax\nret\n.size f"), "eax")
    assert run_trials(same, bench, count=100).counterexample is not None
