"""What doctor says is true of this machine, and what it says of a lack."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import llvmlite
import pytest

from burnish.pipeline import doctor as module
from burnish.pipeline import host
from burnish.pipeline.doctor import Diagnosis, Finding, State, doctor


def find(diagnosis: Diagnosis, subject: str) -> Finding:
    return next(finding for finding in diagnosis.findings if finding.subject == subject)


def test_it_finds_what_the_suite_runs_on() -> None:
    diagnosis = doctor()
    assert diagnosis.usable
    assert find(diagnosis, "llvmlite").detail == llvmlite.__version__
    assert find(diagnosis, "native core").state is State.PRESENT
    assert find(diagnosis, "usable cores").detail == str(len(os.sched_getaffinity(0)))
    assert find(diagnosis, "version").detail == os.uname().release


def test_every_lack_says_what_it_costs() -> None:
    for finding in doctor().findings:
        assert bool(finding.cost) == (finding.state is not State.PRESENT), finding


def test_an_unwritable_temporary_directory_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.tempfile, "gettempdir", lambda: "/proc/nothing")
    diagnosis = doctor()
    assert not diagnosis.usable
    assert "TMPDIR" in find(diagnosis, "/proc/nothing").cost


def test_a_missing_dependency_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "lief":
            raise importlib.metadata.PackageNotFoundError(name)
        return importlib.metadata.version(name)

    monkeypatch.setattr(module, "version", version)
    diagnosis = doctor()
    assert not diagnosis.usable
    assert find(diagnosis, "lief").state is State.FATAL


def test_no_isolated_execution_is_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = tuple(
        module._Probe(p.subject, lambda: "not today", p.cost, p.setting, p.needed) for p in module._PROBES
    )
    monkeypatch.setattr(module, "_PROBES", probes)
    diagnosis = doctor()
    assert not diagnosis.usable
    lacking = {f.subject: f.state for f in diagnosis.findings if f.detail.startswith("not today")}
    assert lacking == {
        p.subject: State.FATAL if p.subject == "isolated execution" else State.ABSENT for p in module._PROBES
    }


def test_probes_leave_no_descriptor_and_no_child() -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    host.sample_by_kernel()  # what is imported on first use may keep something open
    before = descriptors()
    for probe in module._PROBES:
        probe.probe()
    assert descriptors() == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_extras_are_not_imported() -> None:
    code = (
        "import sys; from burnish.pipeline.doctor import doctor; doctor();"
        "print({'torch', 'ray', 'z3', 'bitwuzla', 'frida', 'pyqbdi'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_verb_prints_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "burnish", "doctor", "--json"], capture_output=True, text=True, check=True
    )
    document = json.loads(done.stdout)
    assert (document["verb"], document["usable"]) == ("doctor", True)
    assert {"group", "subject", "state", "detail", "cost"} == set(document["findings"][0])


def test_the_verb_exits_2_where_optimize_cannot_work(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1];"
        "from burnish.cli import main; sys.exit(main(['doctor']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(gone)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"burnish optimize cannot work here: {gone}." in done.stdout
