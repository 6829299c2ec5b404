"""``record`` of programs as they are: what they start, load and leave behind, and the terminal that they talk to.

The program says itself how often it ran ``stir``; its output and exit code are those of a run without Burnish.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from burnish.core.recording import What
from burnish.pipeline.profile import profile
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.record.store import open_recording

FILES = Path(__file__).parents[1] / "files"
BURNISH = [sys.executable, "-m", "burnish", "record"]
PLUGIN = """
__attribute__((noinline)) long grind(long x) { for (int i = 0; i < 900; i++) x = x * 31 + i % 7; return x; }
"""


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("programs", (FILES / "record_programs.c").read_text(), "-pthread", "-ldl")


def calls(folder: Path) -> dict[str, int]:
    return {row.name: row.calls for row in profile(folder).functions}


def both(
    program: Path, folder: Path, *arguments: str, options: Sequence[str] = ("-f", "stir"), data: bytes = b""
) -> tuple[subprocess.CompletedProcess[bytes], str]:
    """A run without and with Burnish, which must do the same; the first, and what Burnish says of the other."""
    plain = subprocess.run([program, *arguments], input=data, capture_output=True, check=False, timeout=60)
    words = [*BURNISH, "-o", folder / "r", *options, "--", program, *arguments]
    done = subprocess.run(words, input=data, capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout), done.stderr
    return plain, done.stderr.decode()


def test_what_a_program_starts(program: Path, tmp_path: Path) -> None:
    """Itself, by whatever name: recorded. Others, also a shell that starts it: undisturbed."""
    plain, _ = both(program, tmp_path, "starts")
    assert plain.stdout.splitlines() == [*[b"7"] * 6, b"0", b"7", b"0", b"100"]
    assert calls(tmp_path / "r") == {"stir": 100 + 7 * 7}
    rows = open_recording(tmp_path / "r").threads.to_pylist()
    # The command; the eight that it starts; the six children that fork, before they become another.
    assert len({row["process"] for row in rows}) == 1 + 8
    assert len(rows) == 1 + 8 + 4


def test_programs_that_a_shell_starts(program: Path, build: Callable[..., Path], tmp_path: Path) -> None:
    text = (
        "#include <stdio.h>\n"
        + PLUGIN
        + """
    int main(void) { long x = 1; for (int i = 0; i < 200000; i++) x = grind(x + i); return printf("%ld\\n", x) < 0; }
    """
    )
    other = build("grinds", text)
    done = record(RecordOptions("sh", ("-c", f"'{program}' plain 4000000; '{other}' >&2"), tmp_path / "r"))
    found = calls(tmp_path / "r")
    assert found["stir"] == 4_000_000
    assert found["grind"] == 200_000
    images = {image.path for image in done.open().manifest.images}
    assert images >= {str(program.resolve()), str(other.resolve())}
    assert done.covered is not None
    assert done.covered > 0.8


def test_a_program_that_starts_itself_again_has_one_trace_in_order(program: Path, tmp_path: Path) -> None:
    what = (What.EDGES, What.BLOCKS)
    done = record(RecordOptions(str(program), ("self",), tmp_path / "r", what, ("stir",)))
    recording = done.open()
    trace = recording.trace()
    assert len(trace) == done.entered
    # 50 rounds of the loop in each call: the same from the first to the last.
    length = len(trace) // 107
    assert (trace.reshape(107, length) == trace[:length]).all()


def test_a_program_is_told_its_own_name(program: Path, tmp_path: Path) -> None:
    plain, _ = both(program, tmp_path, "name")
    assert plain.stdout.splitlines()[0] == str(program.resolve()).encode()


def test_what_begins_in_other_ways_and_forgets_everything(program: Path, tmp_path: Path) -> None:
    """clone, _Fork; then without open files, without an environment and in another directory."""
    plain, _ = both(program, tmp_path, "cloned,forked,closed")
    assert int(plain.stdout) == 100 + 8000 + 6000 + 10000 + 1800
    assert calls(tmp_path / "r") == {"stir": int(plain.stdout)}


def test_thousands_of_short_threads(program: Path, tmp_path: Path) -> None:
    plain, said = both(program, tmp_path, "threads", options=("-f", "stir", "--what", "edges,blocks"))
    assert calls(tmp_path / "r") == {"stir": int(plain.stdout)}
    recording = open_recording(tmp_path / "r")
    assert recording.threads.num_rows == 4001
    # Each had four MiB of the ring, 16 GiB together.
    assert int(said.split()[0]) < 4 << 20
    assert len(recording.traced_threads()) == 4001


def test_processes_that_cannot_be_told_apart_are_told_of(program: Path, tmp_path: Path) -> None:
    _, said = both(program, tmp_path, "raw")
    assert "counts may be too low" in said
    assert calls(tmp_path / "r")["stir"] <= 3100


def test_threads_that_begin_where_no_file_can_be_made_are_counted(program: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, for chroot")
    _, said = both(program, tmp_path, "chroot", "100", str(tmp_path))
    assert "1 threads were not recorded" in said
    assert calls(tmp_path / "r") == {"stir": 100 + 900}


def test_what_runs_on_in_the_background_is_recorded_to_its_end(program: Path, tmp_path: Path) -> None:
    words = [*BURNISH, "-o", tmp_path / "r", "-f", "stir", "--", program, "background"]
    done = subprocess.run(words, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0
    assert b"The command has ended; process " in done.stderr
    assert calls(tmp_path / "r") == {"stir": 100 + 200}


@pytest.mark.parametrize("ending", ["interrupt", "timeout"])
def test_daemons(program: Path, tmp_path: Path, ending: str) -> None:
    file = tmp_path / "pid"
    options = ["--timeout", "1.5"] if ending == "timeout" else []
    words = [
        *BURNISH,
        "-o",
        tmp_path / "r",
        "-f",
        "stir",
        *options,
        "--",
        program,
        "daemon",
        "100",
        file,
        "1000",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stderr is not None
        first = started.stderr.readline()
        assert first.startswith(b"burnish: The command has ended; process ")
        if ending == "interrupt":
            time.sleep(0.5)
            started.send_signal(signal.SIGINT)
        said = started.stderr.read()
    pid = int(file.read_text())
    assert str(pid) in first.decode()
    manifest = open_recording(tmp_path / "r").manifest
    assert manifest.exit_code == 0
    os.kill(pid, 0)  # it was not touched
    os.kill(pid, signal.SIGKILL)
    assert f"Process {pid} was left running" in said.decode()
    assert started.returncode == (130 if ending == "interrupt" else 0)
    assert manifest.interrupted
    assert 100 < calls(tmp_path / "r")["stir"] < 10100


@pytest.mark.parametrize("way", ["by path", "by name"])
def test_libraries_that_are_loaded_later(
    program: Path, build: Callable[..., Path], tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = build("plug.so", PLUGIN, "-shared", "-fPIC")
    name = str(library) if way == "by path" else library.name
    if way == "by name":
        monkeypatch.setenv("LD_LIBRARY_PATH", str(library.parent))
    monkeypatch.chdir(library.parent)
    plain, said = both(program, tmp_path, "plugin", "100", name, "200000", options=())
    assert calls(tmp_path / "r")["grind"] == 200_000
    assert plain.stderr.decode().strip() in said
    assert plain.stdout.splitlines()[0] == library.parent.name.encode()
    assert "Warning" not in said


def test_standard_input_is_the_programs(program: Path, tmp_path: Path) -> None:
    data = b"some text\n" * 1000
    plain, _ = both(program, tmp_path, "echo", data=data)
    assert plain.stdout.startswith(data)
    assert calls(tmp_path / "r") == {"stir": 100 + len(data)}


class Terminal:
    """A command under a terminal of its own."""

    def __init__(self, words: Sequence[str | Path]) -> None:
        self.ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        run = (
            "import os, sys, fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
            "os.execvp(sys.argv[1], sys.argv[1:])"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", run, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = b""

    def wait_for(self, text: bytes, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while text not in self.seen:
            left = until - time.monotonic()
            assert left > 0, self.seen
            if select.select([self.ours], [], [], left)[0]:
                try:
                    self.seen += os.read(self.ours, 4096)
                except OSError:  # the other side is closed
                    assert text in self.seen, self.seen

    def type(self, text: bytes) -> None:
        os.write(self.ours, text)

    def end(self) -> int:
        code = self.process.wait(60)
        os.close(self.ours)
        return code


def test_a_program_that_talks_to_a_terminal(program: Path, tmp_path: Path) -> None:
    terminal = Terminal([*BURNISH, "-o", tmp_path / "r", "-f", "stir", "--", program, "terminal"])
    terminal.wait_for(b"1 1 1 33 77 1\r\n")
    terminal.type(b"one\n")
    terminal.wait_for(b"read one\r\n")
    terminal.type(b"two\n")
    terminal.wait_for(b"read two\r\n")
    terminal.type(b"\x04")
    terminal.wait_for(b"end\r\n102\r\n")
    terminal.wait_for(b"block entries were counted.\r\n")
    assert terminal.end() == 0
    assert calls(tmp_path / "r") == {"stir": 102}


def test_ctrl_c_is_the_programs(program: Path, tmp_path: Path) -> None:
    terminal = Terminal([*BURNISH, "-o", tmp_path / "r", "-f", "stir", "--", program, "terminal"])
    terminal.wait_for(b"1 1 1 33 77 1\r\n")
    terminal.type(b"one\n")
    terminal.wait_for(b"read one\r\n")
    terminal.type(b"\x03")
    terminal.wait_for(b"ended by signal 2")
    assert terminal.end() == 130
    assert calls(tmp_path / "r") == {"stir": 101}
    assert open_recording(tmp_path / "r").manifest.signal == 2


def test_ctrl_z_stops_both_and_fg_goes_on(program: Path, tmp_path: Path) -> None:
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"])
    words = " ".join(str(word) for word in [*BURNISH, "-o", tmp_path / "r", "-f", "stir", "--", program])
    terminal.type(f"PS1='ready>'; {words} terminal\n".encode())
    terminal.wait_for(b"1 1 1 33 77 1\r\n")
    terminal.type(b"one\n")
    terminal.wait_for(b"read one\r\n")
    terminal.type(b"\x1a")
    terminal.wait_for(b"Stopped")
    terminal.type(b"echo the $((6 * 7)) shell\n")
    terminal.wait_for(b"the 42 shell")
    terminal.type(b"fg\n")
    time.sleep(0.5)
    terminal.type(b"two\n")
    terminal.wait_for(b"read two\r\n")
    terminal.type(b"\x04")
    terminal.wait_for(b"end\r\n102\r\n")
    terminal.wait_for(b"block entries were counted.\r\n")
    terminal.type(b"exit 3\n")
    assert terminal.end() == 3
    assert calls(tmp_path / "r") == {"stir": 102}
