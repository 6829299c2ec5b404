"""Values that grow by another in each round: sums of products, against one that counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.cli import main
from burnish.core.verdict import Proved

from .conftest import verdict_of

KEPT = ("-O1", "-w", "-fno-tree-scev-cprop", "-fno-ivopts")
"""So that a sum in a loop stays one."""

PRODUCT = """
unsigned f(unsigned x, unsigned n) { unsigned s = 0; for (; n; n--) s += x; return s; }
unsigned g(unsigned x, unsigned n) { return x * n; }
"""

FROM_SOMEWHERE = """
long f(long x, long y, unsigned n) { for (unsigned i = 0; i < n; i++) y += x; return y; }
long g(long x, long y, unsigned n) { return y + x * (unsigned long)n; }
"""

STRIDE = """
char *f(char *p, long s, long n) { for (; n > 0; n--) { *p = 1; p += s; } return p; }
char *g(char *p, long s, long n)
{ char *q = p; for (long k = n; k > 0; k--) { *q = 1; q += s; } return n > 0 ? p + s * n : p; }
"""

BELOW = """
int f(int x, int n) { int s = 0; for (int i = 0; i < n; i++) s -= 3 * x; return s; }
int g(int x, int n) { return n > 0 ? -3 * x * n : 0; }
"""


@pytest.mark.parametrize("source", [PRODUCT, FROM_SOMEWHERE, STRIDE, BELOW])
def test_a_sum_in_a_loop_is_a_product(tmp_path: Path, source: str) -> None:
    assert isinstance(verdict_of(tmp_path, source, *KEPT), Proved)


@pytest.mark.parametrize(
    ("source", "now", "then"),
    [
        (PRODUCT, "return x * n", "return x * (n + 1)"),
        (PRODUCT, "return x * n", "return x * n + (n == 77)"),
        (FROM_SOMEWHERE, "x * (unsigned long)n", "x * (long)(int)n"),
        (STRIDE, "p + s * n : p", "p + s * (n - 1) : p"),
        (STRIDE, "return n > 0 ? p + s * n : p", "return p + s * n"),
        (BELOW, "return n > 0 ? -3 * x * n : 0", "return -3 * x * n"),
    ],
)
def test_another_product_is_none(tmp_path: Path, source: str, now: str, then: str) -> None:
    assert now in source
    assert not isinstance(verdict_of(tmp_path, source.replace(now, then), *KEPT), Proved)


def test_the_certificate_says_the_product(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, kept = tmp_path / "made.c", tmp_path / "certificate.json"
    path.write_text(PRODUCT)
    asked = ["verify", path, path, "--function", "f", "--against", "g", f"--cflags={' '.join(KEPT)}"]
    assert main([*map(str, asked), "-o", str(kept)]) == 0
    assert "(mul:32 (extract:32:0 rdi) @a:rsi.4" in kept.read_text()
    assert main(["verify", str(kept)]) == 0
    kept.write_text(kept.read_text().replace("(mul:32 ", "(and:32 "))
    assert main(["verify", str(kept)]) == 3
    assert "Traceback" not in capsys.readouterr().err
