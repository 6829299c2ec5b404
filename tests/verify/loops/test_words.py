"""Words that one side stores in each round of a loop and the other when it has left it: memory differs until then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from burnish.core.verdict import Proved, Refuted
from burnish.verify.loops.values import value_from_text, word

from .conftest import verdict_of

KEPT = ("-O1", "-fno-tree-loop-im")
"""So that a store in a loop stays there."""

HEAD = """
extern long last, more;
void seen(void);
struct counted { long n; int x; };
"""

ROUNDS = """
long f(long x) { do { x ^= x << 13; x ^= (unsigned long)x >> 7; last = x; } while (x & 1023); return x; }
long g(long x) { do { x ^= x << 13; x ^= (unsigned long)x >> 7; } while (x & 1023); last = x; return x; }
"""

POINTERS = """
long f(long x, long *p, long *q)
{ do { x ^= x << 13; x ^= (unsigned long)x >> 7; *p = x; *q = x + 1; } while (x & 1023); return x; }
long g(long x, long *p, long *q)
{ do { x ^= x << 13; x ^= (unsigned long)x >> 7; } while (x & 1023); *p = x; *q = x + 1; return x; }
"""

TOTAL = """
void f(const int *a, long k) { for (long i = 0; i < k; i++) last += a[i]; }
void g(const int *a, long k)
{ if (k <= 0) return; long t = last; for (long i = 0; i < k; i++) t += a[i]; last = t; }
"""

MEMBER = """
void f(struct counted *c, const int *a, long k) { for (long i = 0; i < k; i++) c->n += a[i]; }
void g(struct counted *c, const int *a, long k)
{ if (k <= 0) return; long t = c->n; for (long i = 0; i < k; i++) t += a[i]; c->n = t; }
"""


def verdict(folder: Path, source: str, *, types: bool = False, **options: Any) -> object:
    flags = (*KEPT, "-g") if types else KEPT
    return verdict_of(folder, HEAD + source, *flags, types=types, **options)


@pytest.mark.parametrize("source", [ROUNDS, POINTERS], ids=["an object", "two pointers"])
def test_a_store_after_the_loop(tmp_path: Path, source: str) -> None:
    assert isinstance(verdict(tmp_path, source), Proved)
    # The other way round it may fault where the original goes on, or runs on for ever.
    assert not isinstance(verdict(tmp_path, source, against=("g", "f")), Proved)


@pytest.mark.parametrize(
    ("source", "now", "then"),
    [
        (ROUNDS, "} while (x & 1023); last = x; return x;", "} while (x & 1023); last = x + 1; return x;"),
        (ROUNDS, "} while (x & 1023); last = x; return x;", "} while (x & 1023); return x;"),
        (ROUNDS, "} while (x & 1023); last = x; return x;", "} while (x & 1023); more = x; return x;"),
        (
            ROUNDS,
            "} while (x & 1023); last = x; return x;",
            "} while (x & 1023); *(int *)&last = x; return x;",
        ),
        (ROUNDS, "last = x; } while", "last = x; seen(); } while"),
        (POINTERS, "*p = x; *q = x + 1; return x;", "*q = x + 1; *p = x; return x;"),
        (POINTERS, "*p = x; *q = x + 1; return x;", "*p = x; return x;"),
        (TOTAL, "if (k <= 0) return; ", ""),
        (TOTAL, "long t = last;", "long t = more;"),
        (TOTAL, "", ""),
        (MEMBER, "", ""),
    ],
    ids=[
        "another value",
        "no store",
        "another object",
        "a part",
        "a call sees it",
        "the order of two that may be one",
        "one of two",
        "a store where there was none",
        "another beginning",
        "an element that may be the sum",
        "an element that may be the member",
    ],
)
def test_what_is_seen_is_not_proved(tmp_path: Path, source: str, now: str, then: str) -> None:
    assert now in source
    assert not isinstance(verdict(tmp_path, source.replace(now, then) if now else source), Proved)


@pytest.mark.parametrize("source", [TOTAL, MEMBER], ids=["an object", "a member"])
def test_a_sum_is_kept_in_a_register_under_the_rule_on_types(tmp_path: Path, source: str) -> None:
    assert isinstance(verdict(tmp_path, source), Refuted)
    assert isinstance(verdict(tmp_path, source, types=True), Proved)
    for now, then in (("const int *a", "const long *a"), (") t += a[i]", ") t += a[i] + (i == 9)")):
        assert not isinstance(verdict(tmp_path, source.replace(now, then), types=True), Proved)


def test_a_certificate_says_where_memories_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from burnish.cli.frame import main

    path, kept = tmp_path / "made.c", tmp_path / "certificate.json"
    path.write_text(HEAD + ROUNDS)
    flags = " ".join((*KEPT, "-w"))
    words = ["verify", str(path), str(path), "--function", "f", "--against", "g", "--cflags", flags]
    assert main([*words, "-o", str(kept)]) == 0
    assert main(["verify", str(kept)]) == 0
    data = json.loads(kept.read_text())
    (pairing,) = (one for one in data["claims"][0]["invariants"] if one["kind"] == "pairing")
    (where,) = pairing["words"]
    capsys.readouterr()
    # Claimed of other memory it is no proof, and of what is no memory it is no claim.
    for text in (where.replace("last", "more"), where.replace("+0", "+1")):
        pairing["words"] = [text]
        kept.write_text(json.dumps(data))
        assert main(["verify", str(kept)]) == 3
    pairing["words"] = []
    kept.write_text(json.dumps(data))
    assert main(["verify", str(kept)]) == 3
    for text in ("a:rax", "a:mxmm0+0", "sext(a:mrdi+0.4)", 3, None):
        pairing["words"] = [text]
        kept.write_text(json.dumps(data))
        assert main(["verify", str(kept)]) in (2, 3)
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("base", ["rbx", "&last", "&static a.b-c~d e+4", "&x-3"])
@pytest.mark.parametrize("kind", [None, 2])
def test_words_are_read_back(base: str, kind: int | None) -> None:
    value = word("a", base, -24, kind, 4)
    assert value_from_text(str(value)) == value
    assert value.word is not None
    assert (value.word.base, value.word.offset, value.word.kind) == (base, -24, kind)


@pytest.mark.parametrize(
    "text", ["a:mrsp+0", "a:mxmm0+0", "a:mzf+0", "a:mfs_base+0", "e:mrbx+0", "b:mrbx+0as1"]
)
def test_words_are_where_a_pointer_leads(text: str) -> None:
    with pytest.raises(ValueError, match="names no value"):
        value_from_text(text)
