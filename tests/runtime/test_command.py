"""Running target commands: exits, times, streams, and that nothing is left running."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from burnish.core.errors import HostError, TargetError
from burnish.runtime.command import Command, Stream, run_command, start


def _shell(script: str, **surroundings: object) -> Command:
    return Command(("sh", "-c", script), **surroundings)  # type: ignore[arg-type]


def _gone(pid: int) -> bool:
    """True once the process has ended; a zombie of init counts as ended."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_exit_code_and_streams(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("line\n")
    command = _shell("cat; echo oops >&2; pwd; exit 3", cwd=tmp_path, stdin=tmp_path / "in")
    result = run_command(command, stdout=tmp_path / "out", stderr=tmp_path / "err")
    assert (result.exit_code, result.signal, result.succeeded) == (3, None, False)
    assert (tmp_path / "out").read_text() == f"line\n{tmp_path}\n"
    assert (tmp_path / "err").read_text() == "oops\n"
    assert result.outcome == "ended with exit code 3"


def test_signal_is_named() -> None:
    result = run_command(_shell("kill -SEGV $$"))
    assert (result.exit_code, result.signal) == (None, signal.SIGSEGV)
    assert "SIGSEGV" in result.outcome


def test_processor_time_is_that_of_the_kernel() -> None:
    code = "import time\nwhile time.process_time() < 0.3: pass"
    result = run_command(Command((sys.executable, "-S", "-c", code)))
    assert 0.3 <= result.cpu_s < 0.5
    sleeping = run_command(Command(("sleep", "0.3")))
    assert sleeping.wall_s >= 0.3 and sleeping.cpu_s < 0.1


def test_peak_memory_is_seen_above_our_own() -> None:
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + (100 << 20)
    result = run_command(Command((sys.executable, "-S", "-c", f"x = bytearray({size})")))
    assert result.max_rss is not None and size < result.max_rss < size + (50 << 20)
    assert run_command(Command(("true",))).max_rss is None


def test_environment_and_name_of_the_program(tmp_path: Path) -> None:
    command = Command(
        ("a-name", "-c", 'echo "$0 $GIVEN ${HOME-none}"'), executable=Path("/bin/sh"), env={"GIVEN": "one"}
    )
    run_command(command, stdout=tmp_path / "out")
    assert (tmp_path / "out").read_text() == "a-name one none\n"


def test_timeout_ends_the_whole_tree(tmp_path: Path) -> None:
    # One in the background, one in a session of its own, one that ignores SIGTERM.
    script = (
        "sleep 60 & echo $! >>pids; setsid sleep 60 & sleep 0.1; pgrep -P $$ >>pids; "
        "sh -c 'trap \"\" TERM; echo $$ >>pids; sleep 60; sleep 60'"
    )
    begun = time.monotonic()
    result = run_command(_shell(script, cwd=tmp_path), timeout_s=0.5)
    assert result.timed_out and not result.succeeded
    assert time.monotonic() - begun < 5
    pids = [int(word) for word in (tmp_path / "pids").read_text().split()]
    assert len(set(pids)) >= 3
    assert all(_gone(pid) for pid in pids)


def test_stopped_program_may_clean_up(tmp_path: Path) -> None:
    script = "trap 'rm half; exit 9' TERM; touch half; while :; do sleep 0.02; done"
    result = run_command(_shell(script, cwd=tmp_path), timeout_s=0.3)
    assert result.timed_out and result.exit_code == 9
    assert not (tmp_path / "half").exists()


def test_what_stays_in_the_background_is_ended(tmp_path: Path) -> None:
    result = run_command(_shell("sleep 60 & echo $! >pid", cwd=tmp_path))
    assert result.exit_code == 0 and result.wall_s < 5
    assert _gone(int((tmp_path / "pid").read_text()))


def test_interrupt_ends_the_tree_and_is_raised(tmp_path: Path) -> None:
    code = (
        "import sys; from burnish.runtime.command import Command, run_command\n"
        "try: run_command(Command(('sh', '-c', 'echo $$ >pid; sleep 60')))\n"
        "except KeyboardInterrupt: sys.exit(42)"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    for _ in range(500):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"):
            break
        time.sleep(0.02)
    ours.send_signal(signal.SIGINT)
    assert ours.wait(20) == 42
    assert _gone(int((tmp_path / "pid").read_text()))


def test_no_zombie_is_left() -> None:
    for _ in range(3):
        run_command(Command(("true",)))
        run_command(Command(("sleep", "60")), timeout_s=0.05)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    states = [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] for child in children]
    assert "Z" not in states


def test_a_held_command_starts_as_it_would_otherwise(tmp_path: Path) -> None:
    """Held before exec, the program has the arguments, environment, signals and exit of a plain start."""
    script = (
        'echo "$0 $*"; env | grep -v ^_= | sort; grep -i sig /proc/self/status | grep -v SigQ; '
        "ls /proc/self/fd; exit 5"
    )
    environment = {"PATH": os.environ["PATH"], "X": "1=2"}
    command = Command(("sh", "-c", script, "zero", "a b", "", "ü\n"), env=environment)
    held: list[int] = []
    plain = run_command(command, stdout=tmp_path / "plain")
    child = start(command, stdout=tmp_path / "held", before_exec=held.append)
    assert child.wait(20)
    result = child.finish()
    assert held == [child.pid] and result.exit_code == plain.exit_code == 5
    assert (tmp_path / "held").read_text() == (tmp_path / "plain").read_text()
    assert result.cpu_s < plain.cpu_s + 0.01, "the launcher's own time must not count"


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ((), "No command"),
        (("no-such-command-here",), "was not found"),
        (("./missing",), "does not exist"),
        (("./folder",), "is a directory"),
        (("./text",), "is not executable"),
        (("./noise",), "is not a program that this machine can run"),
        (("./orphan",), "interpreter or loader does not exist"),
        (("true", "zero\0byte"), "cannot be run"),
    ],
)
@pytest.mark.parametrize("held", [False, True])
def test_what_cannot_run_is_one_sentence(
    tmp_path: Path, argv: tuple[str, ...], sentence: str, held: bool
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("hello")
    (tmp_path / "noise").write_bytes(b"\x7fELF" + bytes(range(200)))
    (tmp_path / "noise").chmod(0o755)
    (tmp_path / "orphan").write_text("#!/no/such/interpreter\n")
    (tmp_path / "orphan").chmod(0o755)
    with pytest.raises(TargetError, match=sentence) as raised:
        start(Command(argv, cwd=tmp_path), before_exec=(lambda _: None) if held else None).stop()
    assert "\n" not in str(raised.value)


def test_missing_surroundings_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=r"working directory .* does not exist"):
        run_command(Command(("true",), cwd=tmp_path / "none"))
    with pytest.raises(TargetError, match="cannot be read as standard input"):
        run_command(Command(("true",), stdin=tmp_path / "none"))
    with pytest.raises(HostError, match="cannot be written"):
        run_command(Command(("true",)), stdout=tmp_path / "none" / "out")


def test_a_failing_hook_leaves_nothing() -> None:
    held: list[int] = []

    def fail(pid: int) -> None:
        held.append(pid)
        raise HostError("no.")

    with pytest.raises(HostError):
        start(Command(("sleep", "60")), stdout=Stream.DISCARD, before_exec=fail)
    assert _gone(held[0])
