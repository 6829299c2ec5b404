"""``burnish verify`` at a prompt: exit codes, what is printed, and one sentence for what cannot be read."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from burnish.cli.frame import main
from burnish.verify.solve import solver

ADD = "f:\n  leal (%rdi,%rsi), %eax\n  ret\n"
SAME = "f:\n  movl %edi, %eax\n  addl %esi, %eax\n  ret\n"
WRONG = "f:\n  movl %edi, %eax\n  subl %esi, %eax\n  ret\n"
ALWAYS = ["--no-cache", "--live-out", "eax"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in (("a.s", ADD), ("same.s", SAME), ("wrong.s", WRONG)):
        (tmp_path / name).write_text(text)
    (tmp_path / "two.s").write_text("f:\n  ret\ng:\n  ret\n")
    (tmp_path / "empty.s").write_text("")
    (tmp_path / "garbage.s").write_bytes(bytes(range(256)))
    (tmp_path / "garbage.o").write_bytes(bytes(range(256)))
    (tmp_path / "arm.o").write_bytes(b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + b"\x01\0\xb7\0" + bytes(44))
    (tmp_path / "prose.s").write_text("This is not assembly.\n")
    (tmp_path / "cut.json").write_text('{"kind": "burnish certificate", "schema_ver')
    (tmp_path / "later.json").write_text('{"kind": "burnish certificate", "schema_version": 7}')
    (tmp_path / "folder.s").mkdir()
    (tmp_path / "int.c").write_text("int f(int x) { return x; }\n")
    (tmp_path / "long.c").write_text("long f(long x) { return x; }\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.s"], "not a certificate"),
        (["a.s", "missing.s"], "missing.s does not exist"),
        (["a.s", "empty.s"], "empty.s is empty"),
        (["a.s", "folder.s"], "directory"),
        (["a.s", "garbage.s"], "not assembly"),
        (["a.s", "garbage.o"], "not an ELF file"),
        (["a.s", "arm.o"], "AArch64"),
        (["a.s", "prose.s"], "does not assemble: line 1"),
        (["a.s", "a.s", "--function", "ff"], "'ff'; did you mean f?"),
        (["a.s", "two.s", "--function", "f", "--against", "h"], "'h'"),
        (["a.s", "two.s", "--against", "g"], "--function"),
        (["a.s", "same.s", "--live-out", "eaxx"], "eaxx"),
        (["a.s", "same.s", "--assume", "rdi =="], "rdi =="),
        (["a.s", "same.s", "--assume", "rdq == 1"], "rdq"),
        (["a.s", "same.s", "--assume", "rdi & 3 == 0"], "never holds"),
        (["a.s", "same.s", "--prototype", "int"], "declaration"),
        (["a.s", "same.s", "--cflags", '"'], "--cflags"),
        (["a.s", "same.s", "--input", "rdi"], "part of an input"),
        (["a.s", "same.s", "-o", "none/c.json"], "directory none does not exist"),
        (["cut.json"], "cut off"),
        (["later.json"], "another version"),
        (["missing.json"], "missing.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_the_user_can_mend_is_one_sentence(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    code = main(["verify", *arguments])
    printed = capsys.readouterr()
    assert code == 2, printed
    assert words in printed.err
    assert printed.err.count("\n") == 1 and printed.err.startswith("burnish: ")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_functions_of_different_types_are_one_sentence(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "int.c", "long.c"]) == 2
    assert "different types" in capsys.readouterr().err
    assert main(["verify", "int.c", "long.c", *ALWAYS]) == 0


def test_the_verdict_comes_first_and_with_what_was_taken_away(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "a.s", "same.s", *ALWAYS, "--no-memory", "--assume", "edi != 0"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "PROVED for live-out eax, memory not compared, assuming edi != 0: f (a.s, same.s)"


def test_a_refuted_rewrite_is_shown_with_a_command_that_runs_it_again(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shlex

    assert main(["verify", "a.s", "wrong.s", *ALWAYS]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("REFUTED") and "eax is" in printed.replace("rax is", "eax is")
    command = next(line for line in printed.splitlines() if line.startswith("To run it again: "))
    words = shlex.split(command.removeprefix("To run it again: "))
    assert words[:2] == ["burnish", "verify"]
    assert main(words[1:]) == 1
    assert capsys.readouterr().out.splitlines()[:2] == printed.splitlines()[:2]


def test_that_command_reads_the_files_in_the_same_way(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shlex

    (here / "one.c").write_text("#ifndef N\n#define N 1\n#endif\nint g(int a) { return a + N; }\n")
    assert main(["verify", "one.c", "one.c", "--rewrite-cflags", "-O1 -DN=2", "--no-cache"]) == 1
    printed = capsys.readouterr().out
    command = next(line for line in printed.splitlines() if line.startswith("To run it again: "))
    assert main(shlex.split(command.removeprefix("To run it again: "))[1:]) == 1
    assert capsys.readouterr().out.splitlines()[:2] == printed.splitlines()[:2]


@pytest.mark.parametrize("output", ["a.s", "same.s", "pipe"])
def test_a_certificate_takes_no_other_files_place(
    here: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    os.mkfifo(here / "pipe")
    before = [(here / name).read_bytes() for name in ("a.s", "same.s")]
    assert main(["verify", "a.s", "same.s", *ALWAYS, "-o", output]) == 2
    done = capsys.readouterr()
    assert done.out == "" and done.err.count("\n") == 1 and "name another file to write" in done.err
    assert [(here / name).read_bytes() for name in ("a.s", "same.s")] == before
    assert (here / "pipe").is_fifo()


def test_what_is_not_decided_is_exit_code_3(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "odd.s").write_text("f:\n  rdtsc\n  ret\n")
    assert main(["verify", "a.s", "odd.s", *ALWAYS]) == 3
    assert capsys.readouterr().out.startswith("UNKNOWN(f in odd.s: ")


def test_a_megabyte_of_nops_is_answered_soon(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "nops.s").write_text("f:\n  .rept 1000000\n  nop\n  .endr\n  ret\n")
    assert main(["verify", "a.s", "nops.s", *ALWAYS]) == 3
    assert "larger than the limit" in capsys.readouterr().out


def test_a_missing_solver_is_one_sentence(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def installed(name: str) -> bool:
        return False

    monkeypatch.setattr(solver, "installed", installed)
    assert main(["verify", "a.s", "same.s", *ALWAYS, "--solver", "both"]) == 2
    assert "not installed" in capsys.readouterr().err


def test_json_has_all_of_it(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "a.s", "wrong.s", *ALWAYS, "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["schema_version"] == 1 and data["verb"] == "verify"
    (row,) = data["functions"]
    assert row["verdict"]["kind"] == "refuted" and row["verdict"]["counterexample"]["registers"]
    assert row["specification"]["source"] == "option"


def _many(here: Path, *options: str) -> subprocess.Popen[str]:
    """The command at work on more functions than it gets done, in a session of its own."""
    body = "".join(f".globl f{k}\nf{k}:\n  leal {k}(%rdi), %eax\n  ret\n" for k in range(8000))
    (here / "many.s").write_text(body)
    (here / "more.s").write_text(body.replace("leal", "nop\n  leal"))
    return subprocess.Popen(
        [sys.executable, "-m", "burnish", "verify", "many.s", "more.s", "--no-cache", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_is_one_sentence_and_leaves_nothing(here: Path, jobs: str) -> None:
    with _many(here, "-j", jobs, "-o", "c") as process:
        time.sleep(4)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "burnish: interrupted\n")
    assert not (here / "c").exists()


def test_its_jobs_end_when_it_is_killed(here: Path) -> None:
    with _many(here, "-j", "2") as process:
        time.sleep(4)
        process.kill()
        _, err = process.communicate(timeout=30)  # until all that have its outputs have ended
    assert err == ""
