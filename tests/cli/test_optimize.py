"""``burnish optimize``: wrong input is one sentence, Ctrl-C leaves nothing, results and progress keep apart."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from burnish.cli.frame import main

Build = Callable[..., Path]
BURNISH = (sys.executable, "-m", "burnish")


def damaged(source: Path, changes: dict[int, int], size: int | None = None) -> bytes:
    data = bytearray(source.read_bytes())
    for offset, value in changes.items():
        data[offset] = value
    return bytes(data[:size])


@pytest.fixture
def here(busy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with things in it that are no good program."""
    files = {
        "empty": b"",
        "text": b"hello\n",
        "script": b"#!/usr/bin/env python3\nprint(1)\n",
        "arm": damaged(busy, {18: 183, 19: 0}),
        "elf32": damaged(busy, {4: 1, 18: 3}),
        "truncated": damaged(busy, {}, 5000),
        "head": damaged(busy, {}, 40),
        "plain": busy.read_bytes(),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o644 if name == "plain" else 0o755)
    shutil.copy(busy, tmp_path / "busy")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("busy")
    (tmp_path / "taken.report").mkdir()
    (tmp_path / "taken.report" / "mine").write_text("mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["./missing", "-o", "out", "--"], "does not exist"),
        (["no-such-command", "-o", "out", "--"], "was not found"),
        (["", "-o", "out", "--"], "No command"),
        (["./folder", "-o", "out", "--"], "is a directory"),
        (["./empty", "-o", "out", "--"], "is empty"),
        (["./text", "-o", "out", "--"], "not an ELF file but text"),
        (
            ["./script", "-o", "out", "--"],
            "is a script; optimise its interpreter: burnish optimize python3 -o out",
        ),
        (["./arm", "-o", "out", "--"], "is for AArch64"),
        (["./elf32", "-o", "out", "--"], "is for 32-bit x86"),
        (["./truncated", "-o", "out", "--"], "is truncated"),
        (["./head", "-o", "out", "--"], "truncated"),
        (["./plain", "-o", "out", "--"], "is not executable; chmod +x"),
        (["./busy", "-o", "busy", "--", "1"], "busy is the input"),
        (["./busy", "-o", "link", "--", "1"], "link is the input"),
        (["./busy", "-o", "folder", "--", "1"], "is a directory"),
        (["./busy", "-o", "no/out", "--", "1"], "The directory no does not exist"),
        (["./busy", "-o", "/dev/full", "--", "1"], "not a regular file"),
        (["./busy", "-o", "taken", "--", "1"], "taken.report is in the way"),
        (["./busy", "-o", "out", "--report", "text", "--", "1"], "text is in the way"),
        (["./busy", "-o", "out", "--cpu", "z80", "--", "1"], "no CPU named 'z80'"),
        (["./busy", "-o", "out", "--budget", "0", "--", "1"], "--budget"),
        (["./busy", "--", "1"], "--output"),
        (["-o", "out", "--", "1"], "PROGRAM"),
        (["./busy", "1", "-o", "out"], "unexpected extra argument"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    before = contents(here)
    assert main(["optimize", *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("burnish: ")
    assert said.err.count("\n") == 1
    assert words in said.err
    assert contents(here) == before


@pytest.mark.parametrize(
    ("body", "options", "words"),
    [
        ("*(volatile int *)0 = 1;", [], "was killed by SIGSEGV"),
        ('fputs("no such thing\\n", stderr); return 3;', [], "exit code 3: no such thing"),
        ("for (;;) ;", ["--timeout", "0.5"], "did not end within the time limit"),
        ('printf("%d\\n", getpid());', [], "Two runs of the same command differ: Standard output differs"),
        ('return remove("input") != 0;', [], "it uses up its input"),
        ("return !isatty(0);", [], "exit code 1"),
    ],
)
def test_a_workload_that_cannot_be_measured(
    build: Build,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    body: str,
    options: list[str],
    words: str,
) -> None:
    program = build("odd", f"#include <stdio.h>\n#include <unistd.h>\nint main(void) {{ {body} return 0; }}")
    (tmp_path / "input").write_text("x")
    monkeypatch.chdir(tmp_path)
    with open(os.devnull) as nothing:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", nothing)
        assert main(["optimize", str(program), "-o", "out", *options, "--"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_library_is_no_program(
    build: Build,
    hot_text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    library = build("libmix.so", hot_text, "-shared", "-fPIC")
    monkeypatch.chdir(tmp_path)
    for mode in (0o755, 0o644):
        library.chmod(mode)
        assert main(["optimize", str(library), "-o", "out", "--"]) == 2
        assert "is a shared library; give a program that uses it" in capsys.readouterr().err


def run(folder: Path, *arguments: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [*BURNISH, "optimize", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **more,
    )


def test_json_is_alone_on_stdout_and_a_quiet_run_says_nothing_on_stderr(busy: Path, tmp_path: Path) -> None:
    done = run(tmp_path, busy, "-o", "out", "--budget", "1", "--json", "--", "300", stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1
    assert document["command"] == [str(busy), "300"]
    assert document["functions"][0]["name"] == "mix"


def test_the_workload_reads_what_we_are_given(build: Build, tmp_path: Path) -> None:
    text = """
    #include <stdio.h>
    int main(void) { int n = 0; while (getchar() >= 0) n++; fprintf(stderr, "read %d\\n", n); return n != 5000; }
    """
    program = build("reader", text)
    done = run(tmp_path, program, "-o", "out", "--", input="x" * 5000)
    assert done.returncode == 0, done.stderr
    assert "Nothing was written" in done.stdout
    (tmp_path / "data").write_text("x" * 4999)
    with (tmp_path / "data").open() as file:
        done = run(tmp_path, program, "-o", "out", "--", stdin=file)
    assert done.returncode == 2
    assert "read 4999" in done.stderr


def test_without_permission(busy: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody who may not")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o755)
    hidden = tmp_path / "hidden"
    shutil.copy(busy, hidden)
    hidden.chmod(0o711)
    for folder in (tmp_path, busy.parent, *tmp_path.parents, *busy.parent.parents):
        if folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(folder.stat().st_mode | 0o055)
    for program, output, words in (
        (busy, closed / "out", "closed"),
        (hidden, closed / "out", "hidden"),
    ):
        # All that is imported late is imported before: Python itself may lie where nobody else may read.
        code = (
            "import os, sys; from burnish.cli.frame import main; main(['optimize', '/bin/true', '-o', '/', '--']);"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534); sys.stderr.write('***');"
            "sys.exit(main(sys.argv[1:]))"
        )
        command = [sys.executable, "-c", code, "optimize", program, "-o", output, "--", "1"]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
        said = done.stderr.partition("***")[2]
        assert words in said
        assert "permission" in said
        assert said.count("\n") == 1
        assert list(closed.iterdir()) == []


def test_a_full_disk_leaves_nothing(busy: Path, tmp_path: Path) -> None:
    target = tmp_path / "small"
    target.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16k", "none", target], stderr=subprocess.DEVNULL, check=False
        ).returncode
    ):
        pytest.skip("needs the right to mount")
    try:
        done = run(
            tmp_path, busy, "-o", target / "out", "--budget", "1", "--", "1000", stdin=subprocess.DEVNULL
        )
        left = list(target.iterdir())
    finally:
        subprocess.run(["umount", target], check=True)
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1
    assert left == []


@pytest.mark.parametrize(
    "stage",
    ["Running the original", "Sampling", "Rebuilding", "Checking", "Measuring", "Comparing whole runs"],
)
def test_ctrl_c_in_every_stage_leaves_nothing(busy: Path, tmp_path: Path, stage: str) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    original = busy.read_bytes()
    mark = f"interrupt-{os.getpid()}-{stage}"
    environment = os.environ | {"TMPDIR": str(scratch), "BURNISH_TEST_MARK": mark}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*BURNISH, "optimize", busy, "-o", "out", "--budget", "1", "--", "5000"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    said, sent = b"", False
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                said += os.read(ours, 4096)
            except OSError:  # closed: it has ended
                break
        if not sent and stage.encode() in said:
            os.kill(process.pid, signal.SIGINT)
            sent = True
    os.close(ours)
    output, _ = process.communicate(timeout=30)
    assert sent, said
    assert (process.returncode, output) == (130, b"")
    assert said.endswith(b"burnish: interrupted\r\n")
    assert b"Traceback" not in said
    assert list(scratch.iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["scratch"]
    assert busy.read_bytes() == original
    assert not [pid for pid in _processes() if mark in _environment(pid)]


def _processes() -> list[str]:
    return [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environment(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""
