"""``optimize`` from end to end, on programs that gcc compiles."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from burnish.core.candidate import Candidate
from burnish.core.deployment import Method, ObjectCode
from burnish.core.measure import Comparison, Samples
from burnish.core.verdict import Accept, Proved, Refuted, Tested
from burnish.images import load
from burnish.pipeline import optimize as optimize_module
from burnish.pipeline.hotspots import find_hot
from burnish.pipeline.optimization import Choice, OptimizeOptions, Outcome
from burnish.pipeline.optimize import optimize
from burnish.pipeline.proposing import Proposals, propose
from burnish.pipeline.revert import revert
from burnish.pipeline.workload import leave_as_the_original, prepare
from burnish.pipeline.writing import write

Build = Callable[..., Path]


def silent(text: str) -> None:
    del text


def printed(program: Path, *arguments: str) -> bytes:
    return subprocess.run([program, *arguments], stdout=subprocess.PIPE, check=True).stdout


def options(program: Path, output: Path, *arguments: str) -> OptimizeOptions:
    return OptimizeOptions(str(program), arguments, output, budget_s=1.0, entries=4)


def test_a_busy_program_gets_faster_and_does_the_same(
    busy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    original = busy.read_bytes()
    output = tmp_path / "busy.fast"
    done = optimize(options(busy, output))

    assert done.deployment is not None, done
    assert done.reason == ""
    row = done.functions[0]
    assert (row.name, row.outcome) == ("mix", Outcome.KEPT)
    assert isinstance(row.verdict, Tested)
    assert row.comparison is not None
    assert row.comparison.low > 1.5
    assert done.cpu_time is not None
    assert done.cpu_time.speedup > 1.5
    # Other rounds than those of the workload: what main keeps in registers across mix is intact.
    for rounds in ("0", "1", "777", "10000"):
        assert printed(output, rounds) == printed(busy, rounds)
    assert busy.read_bytes() == original
    assert output.stat().st_mode == busy.stat().st_mode

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["busy.fast", "busy.fast.report"]
    folder = tmp_path / "busy.fast.report"
    assert sorted(path.name for path in folder.iterdir()) == ["mix.after.s", "mix.before.s", "report.json"]
    assert "imul" in (folder / "mix.before.s").read_text()
    assert "vp" in (folder / "mix.after.s").read_text() or "pmul" in (folder / "mix.after.s").read_text()
    document = json.loads((folder / "report.json").read_text())
    assert (document["schema_version"], document["verb"]) == (1, "optimize")
    assert document["functions"][0]["verdict"]["kind"] == "tested"
    assert len(document["functions"][0]["comparison"]["baseline"]["values"]) >= 5

    revert(output, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == original


def test_what_is_required_to_be_proved_is_proved(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
    #include <stdio.h>
    __attribute__((noinline)) unsigned step(unsigned x) {
      unsigned a = x * 3, b = a ^ (x >> 7), c = b + (a << 3), d = c & 0xFF00FF, e = d | (b & 0xFF00);
      unsigned f = e - (c >> 1), g = f ^ (f << 5), h = g + a, i = h ^ (b >> 3), j = i + d;
      return j ^ (j >> 16);
    }
    int main(int argc, char **argv) {
      unsigned x = 1;
      for (long k = 0; k < 60000000; k++) x = step(x);
      printf("%u\\n", x);
    }"""
    program = build("steps", text, "-O0")
    monkeypatch.chdir(tmp_path)
    done = optimize(replace(options(program, tmp_path / "o"), budget_s=10.0, require=Accept.PROVED))
    (row,) = (row for row in done.functions if row.name == "step")
    assert (row.outcome, row.verdict) == (Outcome.KEPT, Proved()), done
    assert done.deployment is not None
    assert printed(tmp_path / "o") == printed(program)


def test_what_is_not_proved_is_not_used_where_a_proof_is_required(
    busy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = replace(options(busy, tmp_path / "o"), require=Accept.PROVED, proof_s=0.01)
    done = optimize(wanted)
    row = done.functions[0]
    assert (row.name, row.outcome) == ("mix", Outcome.UNPROVED)
    assert row.detail
    assert done.deployment is None
    assert list(tmp_path.iterdir()) == []


def test_the_shares_of_the_report_are_those_of_the_whole_run(
    busy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = options(busy, tmp_path / "o", "3000")
    hot = find_hot(prepare(wanted, tmp_path), wanted)
    total = sum(row.share for row in hot.functions) + sum(row.share for row, _ in hot.foreign)
    assert total + sum(part.share for part in hot.elsewhere) == pytest.approx(1.0, abs=0.01)


def test_nothing_gained_is_said_and_nothing_is_written(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
    #include <stdio.h>
    #include <string.h>
    static char data[1 << 20];
    int main(void) {
      long n = 0;
      for (int i = 0; i < 3000; i++) { data[i] = 0; n += memchr(data + 4000, 1, sizeof data - 4000) != 0; }
      printf("%ld\\n", n);
    }"""
    program = build("inlibc", text)
    monkeypatch.chdir(tmp_path)
    done = optimize(options(program, tmp_path / "out"))
    assert (done.deployment, done.report) == (None, None)
    assert done.reason == "nothing got faster beyond noise"
    assert done.functions[0].outcome is Outcome.FOREIGN
    assert done.functions[0].image.name.startswith("libc.so")
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_is_asked_for_is_written_without_an_output(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = build("idle", "int main(void) { return 0; }")
    monkeypatch.chdir(tmp_path)
    done = optimize(replace(options(program, tmp_path / "out"), report=tmp_path / "said"))
    assert done.deployment is None
    assert [path.name for path in tmp_path.iterdir()] == ["said"]
    assert json.loads((tmp_path / "said" / "report.json").read_text())["reason"] == done.reason


def test_a_hot_function_of_a_library_is_replaced_in_a_copy(
    build: Build, hot_text: str, main_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = build("libmix.so", hot_text, "-shared", "-fPIC", "-Wl,-soname,libmix.so")
    folder = library.parent
    program = build("user", main_text, f"-L{folder}", "-l:libmix.so", f"-Wl,-rpath,{folder}")
    before = library.read_bytes()
    monkeypatch.chdir(tmp_path)
    done = optimize(options(program, tmp_path / "user.fast"))
    assert done.deployment is not None
    assert done.deployment.method in (Method.RPATH, Method.RUNPATH)
    assert done.functions[0].image.name == "libmix.so"
    copy = tmp_path / "user.fast.libs" / "libmix.so"
    assert copy.is_file()
    assert [image.path for image in done.deployment.images] == [tmp_path / "user.fast", copy]
    assert printed(tmp_path / "user.fast", "777") == printed(program, "777")
    assert library.read_bytes() == before


def wrong_code(build: Build, text: str, candidate: Candidate) -> Candidate:
    """The candidate with code that computes something else, from gcc."""
    symbol = candidate.code.symbol
    text = text.replace("mix", symbol).replace("2654435761u", "2654435763u")
    data = build(f"{symbol}.o", text, "-c", "-fPIC").read_bytes()
    return replace(candidate, code=ObjectCode(data, symbol, candidate.code.address))


def test_a_wrong_candidate_is_refuted_and_the_report_has_the_input(
    busy: Path, build: Build, hot_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def propose_wrong(*arguments: object) -> Proposals:
        found = propose(*arguments)  # type: ignore[arg-type]
        rows = {
            k: (wrong_code(build, hot_text, row[0]),)
            for k, row in found.candidates.items()
            if row[0].bounds.name == "mix"
        }
        return Proposals(rows, found.refused)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(optimize_module, "propose", propose_wrong)
    done = optimize(replace(options(busy, tmp_path / "out"), report=tmp_path / "said"))
    assert done.deployment is None
    row = done.functions[0]
    assert row.outcome is Outcome.REFUTED
    assert isinstance(row.verdict, Refuted)
    assert any("bug in Burnish" in warning and "mix" in warning for warning in done.warnings)
    document = json.loads((tmp_path / "said" / "report.json").read_text())
    verdict = document["functions"][0]["verdicts"]["vectors"]
    assert verdict["kind"] == "refuted"
    assert verdict["counterexample"]["registers"]["rsi"] == hex(20000)
    assert not (tmp_path / "out").exists()


def test_a_function_that_spoils_the_whole_is_dropped_and_the_rest_kept(
    build: Build, hot_text: str, main_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = hot_text.replace("mix", "blend").replace("2654435761u", "2246822519u")
    main = main_text.replace("mix(a, n, r) + r", "mix(a, n, r) + blend(a, n, r)")
    text = hot_text + second + main.replace('printf("%u\\n", s)', 'fprintf(fopen("sum", "w"), "%u", s)')
    program = build("two", text)
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    wanted = options(program, here / "out", "2000")
    workload = prepare(wanted, work)
    right = (here / "sum").read_bytes()
    made = propose(find_hot(workload, wanted), wanted, silent).candidates
    samples = Samples("x", "s", (1.0,))
    comparison = Comparison(samples, samples, 2.0, 1.5, 3.0, 0.95, "made up")
    choices = [
        Choice(
            wrong_code(build, hot_text, row[0]) if row[0].bounds.name == "blend" else row[0],
            Tested(1),
            comparison,
        )
        for row in made.values()
        if row[0].bounds.name in ("mix", "blend")
    ]
    assert len(choices) == 2
    written = write(workload, choices, wanted, work, silent)
    assert [choice.candidate.bounds.name for choice in written.kept] == ["mix"]
    assert [choice.candidate.bounds.name for choice in written.wrong] == ["blend"]
    assert "blend" in written.warnings[0]

    (here / "sum").write_text("spoilt")
    leave_as_the_original(workload)
    assert (here / "sum").read_bytes() == right


def test_the_files_of_the_workload_are_as_a_normal_run_leaves_them(
    build: Build, hot_text: str, main_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (hot_text + main_text).replace('printf("%u\\n", s)', 'fprintf(fopen("sum", "w"), "%u", s)')
    program = build("writer", text)
    monkeypatch.chdir(tmp_path)
    subprocess.run([program], check=True)
    expected = (tmp_path / "sum").read_bytes()
    optimize(options(program, tmp_path / "out"))
    assert (tmp_path / "sum").read_bytes() == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.report", "sum"]
    assert load(tmp_path / "out").functions
