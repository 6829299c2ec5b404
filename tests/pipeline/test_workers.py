"""What dies, hangs or grows in a child costs one job and not the run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from burnish.core.code import Reason, Refused
from burnish.core.errors import ImageError
from burnish.pipeline.workers import run_jobs

JOBS = '''
import os, signal, sys, time
from dataclasses import dataclass
from burnish.core.code import Reason, Refused
from burnish.core.errors import ImageError


@dataclass(frozen=True)
class Odd:
    """A job that does as it is told."""

    name: str
    what: str
    address: int = 0x1000

    def run(self, known):
        match self.what:
            case "abort":
                print("LLVM ERROR: inline assembly requires more registers", file=sys.stderr, flush=True)
                os.abort()
            case "exit":
                os._exit(1)
            case "spin":
                while True:
                    pass
            case "grow":
                return len([bytearray(1 << 26) for _ in range(1 << 10)])
            case "print":
                print("this belongs to nobody", flush=True)
            case "refuse":
                return Refused(Reason.X87, self.address)
            case "unfit":
                raise ImageError("the file is gone")
            case "bug":
                raise KeyError("ours")
            case "pid":
                return os.getpid()
            case "llvm":
                from burnish.recompile.codegen import Target, compile_module
                return compile_module(
                    'define void @f() {\\n call void asm sideeffect "nonsense", ""()\\n ret void\\n}\\n', Target()
                )
        return self.what
'''


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """``Odd(name, what)``, importable in a child as well."""
    (tmp_path / "odd_jobs.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "odd_jobs", raising=False)
    from importlib import import_module

    return import_module("odd_jobs").Odd


def jobs_of(odd: object, *whats: str) -> list[object]:
    return [odd(f"f{number}", what) for number, what in enumerate(whats)]  # type: ignore[operator]


def test_answers_come_in_the_order_of_the_jobs_whatever_dies(odd: object) -> None:
    whats = ("a", "abort", "b", "print", "exit", "c", "refuse", "d")
    said: list[str] = []
    answers = run_jobs(jobs_of(odd, *whats), said.append)  # type: ignore[arg-type]
    assert [a for a in answers if isinstance(a, str)] == ["a", "b", "print", "c", "d"]
    abort, gone, refused = answers[1], answers[4], answers[6]
    assert isinstance(abort, Refused)
    assert abort.reason is Reason.CODE_GENERATION
    assert "SIGABRT" in abort.detail
    assert "inline assembly requires more registers" in abort.detail
    assert isinstance(gone, Refused)
    assert "exit code 1" in gone.detail
    assert refused == Refused(Reason.X87, 0x1000)
    assert len(said) == len(whats)


def test_assembly_that_llvm_dies_of_is_a_refusal(odd: object) -> None:
    (answer,) = run_jobs(jobs_of(odd, "llvm"))  # type: ignore[arg-type]
    assert isinstance(answer, Refused)
    assert answer.reason is Reason.CODE_GENERATION


def test_what_never_ends_and_what_grows_is_stopped(odd: object) -> None:
    spun, done = run_jobs(jobs_of(odd, "spin", "x"), limit_s=1.5)  # type: ignore[arg-type]
    assert str(spun).endswith("(not done after 1.5 s)")
    assert done == "x"
    grown, done = run_jobs(jobs_of(odd, "grow", "x"), memory=2 << 30)  # type: ignore[arg-type]
    assert str(grown).endswith("(memory is used up)")
    assert done == "x"


def test_errors_are_those_of_the_job_and_bugs_stay_bugs(odd: object) -> None:
    with pytest.raises(ImageError, match="the file is gone"):
        run_jobs(jobs_of(odd, "unfit"))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="KeyError: 'ours'"):
        run_jobs(jobs_of(odd, "bug"))  # type: ignore[arg-type]


def test_no_child_is_left_and_the_current_directory_is_not_searched(
    odd: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "pickle.py").write_text("raise SystemExit('wrong pickle')")
    monkeypatch.chdir(tmp_path / "here")
    answers = run_jobs(jobs_of(odd, "pid", "pid", "pid"))  # type: ignore[arg-type]
    pids = {answer for answer in answers if isinstance(answer, int)}
    assert 1 <= len(pids) <= 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_without_jobs_there_are_no_answers() -> None:
    assert run_jobs([]) == []
