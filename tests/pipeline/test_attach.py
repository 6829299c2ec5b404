"""``record --pid``: what a live process does is counted exactly, and it is left as it was, whatever happens."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import burnish
from burnish.core.errors import (
    BurnishError,
    FunctionNotFoundError,
    HostError,
    RefusedError,
    TargetError,
    UsageError,
)
from burnish.core.recording import What
from burnish.images.elf_layout import PF_X, read_layout
from burnish.pipeline.live import record_process
from burnish.pipeline.profile import profile
from burnish.pipeline.recording import RecordOptions, RecordResult
from burnish.pipeline.recording_words import duration
from burnish.record.store import open_recording
from burnish.runtime.address_space import image_base, read_mappings

FILES = Path(__file__).parents[1] / "files"
BOTH = (What.EDGES, What.BLOCKS)
LIMIT_S = 30.0


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("attached", (FILES / "attached.c").read_text(), "-pthread", "-fno-ipa-sra")


class Target:
    """A program that takes orders."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        assert self.read() == "ready"

    @property
    def pid(self) -> int:
        return self.process.pid

    def read(self) -> str:
        assert self.process.stdout is not None
        # Unbuffered bytes: what is waited for must not lie in a buffer already.
        line = b""
        while not line.endswith(b"\n"):
            assert select.select([self.process.stdout], [], [], LIMIT_S)[0], "the program hangs"
            part = os.read(self.process.stdout.fileno(), 1)
            if not part:
                break
            line += part
        return line.decode().strip()

    def send(self, *orders: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{order}\n" for order in orders).encode())

    def do(self, *orders: str) -> list[str]:
        self.send(*orders)
        return [self.read() for _ in orders]

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(LIMIT_S)

    @property
    def code_is_original(self) -> bool:
        layout = read_layout(self.program)
        base = image_base(read_mappings(self.pid), self.program, layout)
        assert base is not None
        with Path(f"/proc/{self.pid}/mem").open("rb", buffering=0) as memory:
            for segment in layout.loads:
                if segment.flags & PF_X:
                    memory.seek(base + segment.vaddr)
                    expected = layout.data[segment.offset : segment.offset + segment.filesz]
                    if memory.read(segment.filesz) != expected:
                        return False
        return True

    @property
    def placed(self) -> list[str]:
        """What of ours is mapped: rebuilt code, and areas."""
        rows = read_mappings(self.pid)
        return [m.path or "code" for m in rows if "/burnish-" in m.path or (m.executable and not m.path)]

    def wait_probed(self) -> None:
        until(lambda: not self.code_is_original)


@contextmanager
def started(program: Path) -> Generator[Target]:
    target = Target(program)
    try:
        yield target
    finally:
        target.process.kill()
        target.process.wait()
        for pipe in (target.process.stdin, target.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def options(output: Path, what: tuple[What, ...] = (What.EDGES,), *functions: str) -> RecordOptions:
    return RecordOptions("", (), output, what, functions or ("step", "many"))


@contextmanager
def recorded(
    target: Target, wanted: RecordOptions, seconds: float | None = None
) -> Generator[list[RecordResult]]:
    """Records in the background; the body begins when the probes are in, and the result is there after it. Without
    ``seconds`` the body must end the target."""
    results: list[RecordResult] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(record_process(target.pid, seconds, wanted))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        until(lambda: not target.code_is_original or bool(errors))
        assert not errors, errors
        yield results
    finally:
        thread.join(LIMIT_S)
    assert not errors, errors
    assert results


def calls(result: RecordResult) -> dict[str, int]:
    return {row.name: row.calls for row in profile(result.open()).functions}


def test_counts_are_exact_and_everything_is_put_back(program: Path, tmp_path: Path) -> None:
    orders = ["c 1000", "t 2000 3", "f 500", "s", "t 300 8", "f 1"]
    with started(program) as other:
        expected = other.do("c 100", *orders, *orders)
        assert other.end() == 3
    with started(program) as target:
        assert target.placed == []
        answers = target.do("c 100")
        with recorded(target, options(tmp_path / "r", BOTH), 4.0) as results:
            assert target.placed
            answers += target.do(*orders)
        assert target.code_is_original
        assert target.placed == []
        assert answers + target.do(*orders) == expected
        assert target.end() == 3
    (result,) = results
    assert calls(result) == {"step": 1000 + 3 * 2000 + 500 + 8 * 300 + 1, "many": 1 + 3 + 1 + 8 + 1}
    recording = result.open()
    # The first thread, eleven more, and the two children.
    assert recording.threads.num_rows == 1 + 11 + 2
    assert len(set(recording.threads.column("process").to_pylist())) == 3
    traced: Counter[int] = Counter()
    for process, thread in recording.traced_threads():
        traced.update(recording.trace(process, thread).tolist())
    rows = recording.blocks.to_pylist()
    assert traced == Counter({row["block"]: row["entered"] for row in rows if row["entered"]})
    assert result.dropped == 0
    assert result.exit_code is result.signal is None
    assert recording.manifest.command == (str(program),)


def test_busy_threads_go_on_with_the_same_result(program: Path, tmp_path: Path) -> None:
    with started(program) as target:
        assert target.do("b 50 4") != ["0"]
        done = record_process(target.pid, 0.8, RecordOptions("", (), tmp_path / "r", BOTH))
        assert target.code_is_original
        assert target.placed == []
        assert target.do("e") == ["0"]
        assert target.end() == 3
    assert done.entered == done.events > 1000
    assert done.covered is not None
    assert done.covered > 0.9
    found = calls(done)
    # A fiftieth of the calls is of the other function: samples may not have met it. Each thread may have been in one
    # call at the beginning, and at the end.
    assert "many" not in found or abs(found["step"] - found["many"] * 50) <= 4 * 50


def cli(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "burnish", "record", *words],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_the_recorder_can_be_killed_at_any_time(program: Path, tmp_path: Path) -> None:
    with started(program) as target:
        target.do("b 1000 2")
        words = ["-o", str(tmp_path / "r"), "--pid", str(target.pid), "--for", "60s"]
        recorder = cli(*words, "--function", "step,many", "--what", "blocks")
        target.wait_probed()
        ring = next(path for path in target.placed if path != "code")
        time.sleep(0.2)
        recorder.kill()
        recorder.wait()
        until(lambda: target.code_is_original)
        until(lambda: not Path(ring).parent.exists())
        assert target.do("e") == ["0"]
        assert target.do("c 10")
        assert target.end() == 3
        assert recorder.stderr is not None
        recorder.stderr.close()


def test_the_recorder_puts_the_code_back_when_its_agent_is_killed(program: Path, tmp_path: Path) -> None:
    with started(program) as target:
        expected = target.do("c 1000")
        with recorded(target, options(tmp_path / "r"), 60.0) as results:
            assert target.do("c 1000") == expected
            tracer = int(status(target.pid)["TracerPid"])
            os.kill(tracer, signal.SIGKILL)
        assert target.code_is_original
        assert target.do("c 1000") == expected
        assert target.end() == 3
    (result,) = results
    assert calls(result) == {"step": 1000, "many": 1}
    assert "killed" in result.warnings[0]


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize(
    ("order", "code", "number"), [("", 3, None), ("a", None, signal.SIGABRT), ("x", None, None)]
)
def test_the_end_of_the_process_ends_the_recording(
    program: Path, tmp_path: Path, order: str, code: int | None, number: int | None
) -> None:
    with started(program) as target:
        with recorded(target, options(tmp_path / "r")) as results:
            target.do("c 700", "t 10 2")
            if order:
                target.send(order)
            else:
                target.end()
        if order == "x":
            assert target.read() == "changed"
    (result,) = results
    assert (result.exit_code, result.signal) == (code, number)
    assert calls(result) == {"step": 720, "many": 3}


def test_ctrl_c_ends_the_recording_and_keeps_it(program: Path, tmp_path: Path) -> None:
    with started(program) as target:
        recorder = cli("-o", str(tmp_path / "r"), "--pid", str(target.pid), "--function", "step")
        target.wait_probed()
        target.do("c 50")
        recorder.send_signal(signal.SIGINT)
        _, said = recorder.communicate(timeout=LIMIT_S)
        assert recorder.returncode == 0, said
        assert target.code_is_original
        assert target.placed == []
        assert target.end() == 3
    assert profile(open_recording(tmp_path / "r")).functions[0].calls == 50


def test_a_thread_that_stays_in_rebuilt_code_runs_on_in_it(
    build: Callable[..., Path], tmp_path: Path
) -> None:
    text = """
    #include <stdio.h>
    __attribute__((noinline, noclone)) unsigned loop(FILE *in) {
        unsigned sum = 0, n;
        while (fscanf(in, "%u", &n) == 1) { sum = sum * 31 + n; printf("%u\\n", sum); fflush(stdout); }
        return sum;
    }
    int main(void) { puts("ready"); fflush(stdout); loop(stdin); return loop(stdin) == 0 ? 4 : 5; }
    """
    program = build("stays", text)
    with started(program) as target:
        with recorded(target, options(tmp_path / "r", BOTH, "loop"), 2.5) as results:
            # The frame that was there before stays original; one that begins later is rebuilt. Here is only the first.
            assert target.do("1", "2") == ["1", "33"]
        assert target.code_is_original
        assert target.placed == []
        assert target.do("3") == [str(33 * 31 + 3)]
        assert target.end() == 4
    assert results[0].entered == 0


def test_code_that_is_in_use_stays(build: Callable[..., Path], tmp_path: Path) -> None:
    text = """
    #include <stdio.h>
    __attribute__((noinline, noclone)) unsigned loop(FILE *in) {
        unsigned sum = 0, n;
        while (fscanf(in, "%u", &n) == 1 && n) {
            for (unsigned j = 0; j < 1000; j++) sum = sum * 31 + (n ^ j);
            printf("%u\\n", sum);
            fflush(stdout);
        }
        return sum;
    }
    int main(void) {
        puts("ready"); fflush(stdout);
        for (;;) { unsigned n = loop(stdin); printf("end %u\\n", n); fflush(stdout); if (!n) return 6; }
    }
    """
    program = build("inuse", text, "-fno-tree-vectorize", "-fno-unroll-loops")

    def expected(total: int, order: int) -> int:
        for j in range(1000):
            total = (total * 31 + (order ^ j)) % (1 << 32)
        return total

    with started(program) as target:
        total = expected(0, 5)
        with recorded(target, options(tmp_path / "r", BOTH, "loop"), 2.5) as results:
            first = str(expected(0, 1))
            target.send("1", "0", "5")
            assert [target.read() for _ in range(3)] == [first, f"end {first}", str(total)]
        assert target.code_is_original
        assert target.placed == ["code", "code"]
        assert any("stays in the process" in text for text in results[0].warnings)
        for _ in range(700):  # more than a chunk of the ring holds
            total = expected(total, 7)
            assert target.do("7") == [str(total)]
        assert target.do("0", "0") == [f"end {total}", "end 0"]
        assert target.end() == 6
    assert calls(results[0]) == {"loop": 1}


@pytest.mark.parametrize(
    "flags", [("-static",), ("-static-pie",), ("-no-pie", "-fno-pie"), ("-fcf-protection=full",)]
)
def test_programs_of_every_kind(build: Callable[..., Path], tmp_path: Path, flags: tuple[str, ...]) -> None:
    program = build("kinds", (FILES / "attached.c").read_text(), "-pthread", *flags)
    with started(program) as target:
        expected = target.do("t 100 2")
        with recorded(target, options(tmp_path / "r", (What.EDGES,), "step"), 2.0) as results:
            assert target.do("t 100 2") == expected
        assert target.code_is_original
        assert target.do("t 100 2") == expected
        assert target.end() == 3
    assert calls(results[0]) == {"step": 200}


THROWS = """
#include <cstdio>
extern "C" __attribute__((noinline, noclone)) int inner(int x) { if (x % 3 == 0) throw x; return x * 2; }
extern "C" __attribute__((noinline, noclone)) int outer(int x) { return inner(x) + 1; }
extern "C" __attribute__((noinline, noclone)) int leaf(int x) {
    int s = 0;
    while (x) { s += x & 1; x >>= 1; }
    return s;
}
int main() {
    int n;
    std::puts("ready"); std::fflush(stdout);
    while (std::scanf("%d", &n) == 1) {
        int found = leaf(n);
        try { found += outer(n); } catch (int x) { found -= x; }
        std::printf("%d\\n", found); std::fflush(stdout);
    }
}
"""


def test_what_exceptions_pass_through_is_refused(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    (tmp_path / "t.cpp").write_text(THROWS)
    program = tmp_path / "throws"
    subprocess.run(["g++", "-O2", "-o", program, tmp_path / "t.cpp"], check=True)
    with started(program) as target:
        with pytest.raises(RefusedError, match="exceptions"):
            record_process(target.pid, 0.2, options(tmp_path / "r", (What.EDGES,), "outer"))
        with recorded(target, options(tmp_path / "r", (What.EDGES,), "leaf"), 2.0) as results:
            assert target.do("5", "9") == ["13", "-7"]
        assert target.do("9") == ["-7"]
    assert calls(results[0]) == {"leaf": 2}


def refused(pid: int, output: Path, kind: type[BurnishError], match: str, *functions: str) -> None:
    with pytest.raises(kind, match=match) as caught:
        record_process(pid, 0.2, options(output, (What.EDGES,), *functions))
    assert str(caught.value).count(". ") == 0


PRELUDE = """
#define _GNU_SOURCE
#include <stdio.h>
#include <signal.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <linux/seccomp.h>
#include <asm/prctl.h>
__attribute__((noinline, noclone)) int step(int x) { int s = 0; while (x) { s += x & 1; x >>= 1; } return s; }
static int wait_for_line(void) { char b[9]; puts("ready"); fflush(stdout); return fgets(b, 9, stdin) ? step(b[0]) : 0; }
"""


def test_what_cannot_be_recorded_is_refused(
    build: Callable[..., Path], program: Path, tmp_path: Path
) -> None:
    output = tmp_path / "r"
    refused(1 << 22, output, TargetError, "There is no process")
    refused(-1, output, TargetError, "There is no process")
    refused(os.getpid(), output, UsageError, "itself")
    with started(program) as target:
        refused(target.pid, output, FunctionNotFoundError, "no function", "nothing")
        with pytest.raises(UsageError):
            record_process(target.pid, 0.0, options(output))
        os.kill(target.pid, signal.SIGSTOP)
        until(lambda: status(target.pid)["State"].startswith("T"))
        refused(target.pid, output, TargetError, "is stopped")
        os.kill(target.pid, signal.SIGCONT)
        assert target.do("c 1")
    gone = subprocess.Popen(["true"])
    until(lambda: status(gone.pid)["State"].startswith("Z"))
    refused(gone.pid, output, TargetError, "has ended already")
    gone.wait()
    bodies = {
        "uses gs": "syscall(SYS_arch_prctl, ARCH_SET_GS, &x); wait_for_line(); x = 77; long y; "
        '__asm__("movq %%gs:0, %0" : "=r"(y) : : "memory"); return y == 77 ? 0 : 4;',
        "seccomp": "prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); (void)x; "
        'if (write(1, "ready\\n", 6) == 6) for (;;) step(3);',
        "is traced by": "(void)x; if (fork()) for (;;) pause(); ptrace(PTRACE_TRACEME, 0, 0, 0); "
        "return wait_for_line();",
    }
    for number, (match, body) in enumerate(bodies.items()):
        other = build(f"refused{number}", PRELUDE + f"static long x; int main(void) {{ {body} }}")
        with started(other) as target:
            pid = target.pid
            if match == "is traced by":
                (pid,) = children(pid)
            refused(pid, output, HostError, match, "step")
            if match == "is traced by":
                os.kill(pid, signal.SIGKILL)
            if match == "uses gs":
                assert target.end() == 0
    assert not output.exists()


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_program_that_was_replaced_is_refused(program: Path, tmp_path: Path) -> None:
    copy, other = tmp_path / "copy", tmp_path / "other"
    shutil.copy2(program, copy)
    shutil.copy2(program, other)
    with started(copy) as target:
        other.replace(copy)
        refused(target.pid, tmp_path / "r", TargetError, "deleted or replaced", "step")
        assert target.do("c 1")


def test_words_for_times() -> None:
    assert [duration(text) for text in ("10s", "500ms", "2m", "1.5", None)] == [10.0, 0.5, 120.0, 1.5, None]
    for text in ("", "0s", "-1s", "ten", "5 parsecs"):
        with pytest.raises(UsageError):
            duration(text)


def test_the_command_line_and_python_agree(program: Path, tmp_path: Path) -> None:
    with started(program) as target:
        for words in (["--for", "1s", "--", "true"], ["--pid", str(target.pid), "--", "true"]):
            done = cli("-o", str(tmp_path / "r"), *words)
            _, said = done.communicate(timeout=LIMIT_S)
            assert done.returncode == 2
            assert said.count("\n") == 1
        recording = burnish.record(pid=target.pid, seconds=0.2, output=tmp_path / "r", functions=("step",))
        assert recording.functions.num_rows == 1
        assert target.code_is_original
    with pytest.raises(UsageError):
        burnish.record(seconds=1.0)
    with pytest.raises(UsageError):
        burnish.record(["true"], pid=target.pid)
