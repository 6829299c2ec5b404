"""What is around every verb: help, exit codes, one sentence for each failure."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from burnish import __version__
from burnish.cli import frame
from burnish.cli.verbs import VERBS
from burnish.core.errors import ImageError

BURNISH = (sys.executable, "-m", "burnish")


def burnish(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BURNISH, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | environment,
        timeout=60,
        check=False,
    )


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    """The exit code of the command line when a verb raises ``error``."""

    def fail(*arguments: object) -> int:
        raise error

    monkeypatch.setattr(frame, "_run_verb", fail)
    return frame.main(["doctor"])


def test_help_lists_every_verb_and_the_exit_codes() -> None:
    done = burnish("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for name, verb in VERBS.items():
        assert name in done.stdout
        assert verb.summary in done.stdout
    assert "Exit codes: 0 done or holds" in done.stdout


def test_help_is_quick() -> None:
    seconds: list[float] = []
    for _ in range(7):
        start = time.perf_counter()
        assert burnish("--help").returncode == 0
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.3, "what else the machine does only adds"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from burnish.cli import main; main(['--help']);"
        "print(sorted({m.split('.')[0] for m in sys.modules}"
        " & {'typer', 'rich', 'llvmlite', 'pypcode', 'lief', 'numpy', 'capstone', 'torch'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    done = burnish(verb, "--help")
    assert done.returncode == 0
    assert f"Usage: burnish {verb}" in done.stdout
    assert "Exit codes" in done.stdout
    assert "--json" in done.stdout


def test_version() -> None:
    done = burnish("--version")
    assert (done.returncode, done.stdout) == (0, f"burnish {__version__}\n")


def test_no_arguments_is_a_usage_error_with_the_help_on_stderr() -> None:
    done = burnish()
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: burnish" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["doctr"], "burnish: there is no verb 'doctr'; did you mean doctor?\n"),
        (["zzz"], "burnish: there is no verb 'zzz'; see burnish --help.\n"),
        (["--nonsense"], "burnish: there is no option '--nonsense'; see burnish --help.\n"),
        (["doctor", "--", "x"], "burnish: doctor takes nothing after --\n"),
    ],
)
def test_usage_errors_are_one_sentence(arguments: list[str], sentence: str) -> None:
    done = burnish(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["doctor", "--nonsense"], "--nonsense"),
        (["doctor", "extra"], "extra"),
        (["coverage"], "FILE"),
        (["show", "x"], "--function"),
        (["show", "x", "-f", "f", "--as", "poem"], "poem"),
    ],
)
def test_errors_of_a_verbs_options_are_one_line(arguments: list[str], word: str) -> None:
    done = burnish(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("burnish: ")
    assert done.stderr.count("\n") == 1
    assert word in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (ImageError("x is not ELF"), 2, "burnish: x is not ELF\n"),
        (KeyboardInterrupt(), 130, "burnish: interrupted\n"),
        (MemoryError(), 2, "burnish: memory is used up\n"),
        (
            OSError(errno.ENOSPC, "No space left on device", "/t/out"),
            2,
            "burnish: /t/out: no space is left on the device\n",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/t/x"),
            2,
            "burnish: /t/x: permission is denied\n",
        ),
    ],
    ids=["ours", "interrupt", "memory", "full disk", "permission"],
)
def test_failures_are_one_sentence_on_stderr(
    error: BaseException,
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert failing(monkeypatch, error) == code
    assert capfd.readouterr() == ("", sentence)


def test_a_bug_is_one_sentence_and_its_traceback_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("BURNISH_DEBUG", raising=False)
    assert failing(monkeypatch, ZeroDivisionError("one over none")) == frame.BUG
    log = tmp_path / "burnish" / "last-error.log"
    said = capfd.readouterr().err
    assert said == f"burnish: this is a bug in Burnish (ZeroDivisionError); the traceback is in {log}.\n"
    assert "one over none" in log.read_text()


def test_a_bug_shows_its_traceback_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("BURNISH_DEBUG", "1")
    assert failing(monkeypatch, ZeroDivisionError("one over none")) == frame.BUG
    said = capfd.readouterr().err
    assert "Traceback" in said
    assert "one over none" in said
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_closes_the_pipe_is_not_an_error() -> None:
    script = f"{sys.executable} -m burnish --help | true; echo ${{PIPESTATUS[0]}}"
    # `true` may end before or after the help is written; either way there is no message.
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert int(done.stdout) in (0, frame.BROKEN_PIPE)


def test_a_closed_pipe_has_its_own_exit_code() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(
            [*BURNISH, "--help"], stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (frame.BROKEN_PIPE, "")


def test_a_full_disk_under_stdout_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*BURNISH, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "burnish: no space is left on the device\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it_with_their_exit_code(number: int, code: int, tmp_path: Path) -> None:
    # A verb that waits, in short naps: a signal that comes just before a long one would be seen only after it.
    script = (
        "import sys, time; from burnish.cli import frame;"
        "frame._run_verb = lambda *a: (print('ready', flush=True), [time.sleep(0.01) for _ in range(3000)])[0];"
        "sys.argv = ['burnish', 'doctor']; sys.exit(frame.main())"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(number)
    _, said = child.communicate(timeout=20)
    assert child.returncode == code
    assert said == ("burnish: interrupted\n" if number == signal.SIGINT else "")


def test_completion_offers_the_verbs() -> None:
    done = burnish(
        _BURNISH_COMPLETE="complete_bash",
        COMP_WORDS="burnish co",
        COMP_CWORD="1",
        _TYPER_COMPLETE_ARGS="burnish co",
    )
    assert "coverage" in done.stdout.split()
