"""Calls with a format take what it tells of; where both sides agree in all that may be one nothing is assumed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import burnish
from burnish.core.verdict import Proved
from burnish.pipeline.verifying import Verification
from burnish.verify.engine.formats import conversions

LOG = "void log_it(int, const char *, ...);\n"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (b"nothing", (0, 0)),
        (b"100%% of %d and %-08.3lx", (2, 0)),
        (b"%*d, %.*s and %*.*f", (7, 1)),
        (b"%g %e %A %s", (4, 3)),
        (b"%zu%hhd%llu%jd%td%Lf%qd", (7, 1)),
        (b"%2$s %1$s", (6, 8)),
        (b"%", (6, 8)),
        (b"%d %T", (6, 8)),
        (b"%Hf", (6, 8)),
    ],
)
def test_conversions_are_counted(text: bytes, counts: tuple[int, int]) -> None:
    assert conversions(text) == counts


def compared(tmp_path: Path, mine: str, theirs: str, declared: str = LOG) -> Verification:
    made: list[str] = []
    for number, text in enumerate((mine, theirs)):
        path = tmp_path / f"side{number}.c"
        path.write_text(f"{declared}{text}\n")
        made.append(str(path.with_suffix(".o")))
        subprocess.run(["gcc", "-O1", "-g", "-c", path, "-o", made[-1]], check=True)
    return burnish.verify(*made, function="f", cache=False, tests=64, timeout_s=8.0)


SAID = 'void f(long a, long b, long c) {{ log_it(1, "{}", {}); }}'


def test_a_register_beyond_the_format_is_no_argument(tmp_path: Path) -> None:
    found = compared(tmp_path, SAID.format("%ld", "c, b"), SAID.format("%ld", "c"))
    assert isinstance(found.verdict, Proved)
    assert 'log_it takes the arguments that the format "%ld" tells of' in found.functions[0].provisos


def test_nothing_is_assumed_where_nothing_differs(tmp_path: Path) -> None:
    found = compared(tmp_path, SAID.format("%ld", "b"), SAID.format("%ld", "b + 0"))
    assert isinstance(found.verdict, Proved)
    assert not any("format" in proviso for proviso in found.functions[0].provisos)


@pytest.mark.parametrize(
    ("mine", "theirs", "declared"),
    [
        # What the format tells of; the format itself; a format that is not understood,
        # or not known; no format at all.
        (SAID.format("%ld %ld", "b, a"), SAID.format("%ld %ld", "b, c"), LOG),
        (SAID.format("%ld", "b"), SAID.format("%lu", "b"), LOG),
        (SAID.format("%1$ld", "c, b"), SAID.format("%1$ld", "c"), LOG),
        (SAID.format("%.*s", "1, (char *) b"), SAID.format("%.*s", "2, (char *) b"), LOG),
        (SAID.format("%d", "1, b"), SAID.format("%d", "1"), "void log_it(int, const long *, ...);\n"),
        (
            "void f(char *a, long b, long c) { log_it(1, a, c, b); }",
            "void f(char *a, long b, long c) { log_it(1, a, c); }",
            LOG,
        ),
        (SAID.format("/bin/true", "c, b"), SAID.format("/bin/true", "c"), LOG),
        (
            "extern char text[]; void f(long b, long c) { log_it(1, text, c, b); }",
            "extern char text[]; void f(long b, long c) { log_it(1, text, c); }",
            LOG,
        ),
        (
            'void f(double a, double b) { log_it(1, "%g", a); }',
            'void f(double a, double b) { log_it(1, "%g", b); }',
            LOG,
        ),
    ],
)
def test_what_may_be_an_argument_is_compared(tmp_path: Path, mine: str, theirs: str, declared: str) -> None:
    assert not isinstance(compared(tmp_path, mine, theirs, declared).verdict, Proved)
