"""Commands under observation: they run as ever, stop where they shall, and their copies are exact."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from burnish.core.errors import HostError, TargetError
from burnish.runtime import ptrace
from burnish.runtime.address_space import free_near, image_base, mapping_at, read_mappings
from burnish.runtime.bounded_run import Returned
from burnish.runtime.command import Command
from burnish.runtime.process import CodePoint, Hit, TracedCommand
from burnish.runtime.snapshot import Snapshot
from burnish.runtime.vdso import VdsoPatch

Compile = Callable[..., tuple[Path, dict[str, int]]]

LOOP = r"""
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
unsigned total;
__attribute__((noipa)) unsigned step(unsigned n) { total += n; return total; }
__attribute__((noipa)) void hello(void) { write(1, "hello\n", 6); }
int main(int argc, char **argv) {
    for (int i = 0; i < 20; i++) step(i);
    hello();
    printf("%u\n", total);
    return 3;
}
"""


@pytest.fixture(scope="session")
def compile_program(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    if shutil.which("gcc") is None or shutil.which("nm") is None:
        pytest.skip("needs gcc and nm")
    folder = tmp_path_factory.mktemp("traced")

    def build(source: str, *flags: str) -> tuple[Path, dict[str, int]]:
        made = folder / f"traced{len(list(folder.iterdir()))}"
        text = made.with_suffix(".c")
        text.write_text(source)
        subprocess.run(["gcc", "-O1", text, "-o", made, *flags], check=True)
        listing = subprocess.run(["nm", made], check=True, capture_output=True, text=True).stdout
        return made, {
            row.split()[2]: int(row.split()[0], 16) for row in listing.splitlines() if row[0] != " "
        }

    return build


@pytest.fixture(autouse=True)
def waited() -> Iterator[None]:
    with ptrace.child_signals_waited():
        yield


def run_through(process: TracedCommand, at: Callable[[Hit], None] = lambda hit: None) -> int:
    """Runs to the end; the number of hits."""
    count = 0
    while (hit := process.next_hit(20.0)) is not None:
        count += 1
        at(hit)
        process.proceed(hit)
    assert process.ended
    return count


@pytest.mark.parametrize("flags", [(), ("-no-pie",), ("-static",), ("-static-pie",)])
def test_every_call_is_hit_and_the_output_is_as_ever(
    compile_program: Compile, flags: tuple[str, ...], tmp_path: Path
) -> None:
    path, symbols = compile_program(LOOP, *flags)
    points = [CodePoint(path, symbols["step"]), CodePoint(path, symbols["hello"])]
    seen: list[int] = []
    with TracedCommand(Command((str(path),)), points, stdout=tmp_path / "out") as process:
        assert run_through(process, lambda hit: seen.append(hit.point)) == 21
        result = process.finish(5.0)
    assert seen == [0] * 20 + [1]
    assert (tmp_path / "out").read_text() == "hello\n190\n"
    assert result.exit_code == 3


def test_a_copy_runs_without_effect(compile_program: Compile, tmp_path: Path) -> None:
    """What a copy stores stays in it, what it writes is not written, and copies of a copy are independent."""
    path, symbols = compile_program(LOOP)
    points = [CodePoint(path, symbols["step"]), CodePoint(path, symbols["hello"])]
    sums: list[tuple[int, int, int]] = []

    def trial(hit: Hit) -> None:
        total = hit.base + symbols["total"]
        with process.capture(hit) as base, base.fork() as first, base.fork() as second:
            base.isolate(VdsoPatch())
            back = base.memory.word(base.registers.rsp)
            assert back is not None
            assert base.registers.rip == hit.address
            outcome = first.run(base.registers, None, back, 5.0)
            assert isinstance(outcome, Returned)
            if hit.point:
                (call,) = outcome.calls
                assert (call.number, call.arguments[0], call.arguments[2], call.data) == (1, 1, 6, b"hello\n")
                return
            assert outcome.registers.rsp == base.registers.rsp + 8
            values = [int.from_bytes(s.memory.read(total, 4), "little") for s in (base, first, second)]
            assert outcome.registers.rax == values[1]
            sums.append((values[0], values[1], values[2]))

    with TracedCommand(Command((str(path),)), points, stdout=tmp_path / "out") as process:
        run_through(process, trial)
        assert process.finish(5.0).exit_code == 3
    assert (tmp_path / "out").read_text() == "hello\n190\n"
    before = [i * (i - 1) // 2 for i in range(20)]
    assert sums == [(b, b + i, b) for i, b in enumerate(before)]


TRAP_FLAG = r"""
__asm__(".globl step; .type step, @function\nstep: push $2\n popfq\n lea 1(%rdi), %eax\n ret\n .size step, .-step\n");
int step(int n);
int main(void) { int n = 0; for (int i = 0; i < 9; i++) n = step(n); return n; }
"""


def test_a_copy_leaves_no_trap_flag_behind(compile_program: Compile) -> None:
    """Where the third byte of a function is that of popf the kernel takes a single step for the program's own."""
    path, symbols = compile_program(TRAP_FLAG)
    flags: list[int] = []

    def at(hit: Hit) -> None:
        process.capture(hit).close()
        ptrace.step(hit.tid)
        assert ptrace.wait(hit.tid, 5.0) == ptrace.Stopped(signal.SIGTRAP, ptrace.Event.NONE)
        flags.append(ptrace.get_registers(hit.tid).eflags & 0x100)

    with TracedCommand(Command((str(path),)), [CodePoint(path, symbols["step"])]) as process:
        hit = process.next_hit(5.0)
        assert hit is not None
        process.disarm(0)
        at(hit)
        process.arm(0)
        process.proceed(hit)
        assert run_through(process, lambda hit: process.capture(hit).close()) == 8
        assert process.finish(5.0).exit_code == 9
    assert flags == [0]


def test_remote_system_calls_and_places(compile_program: Compile) -> None:
    path, symbols = compile_program(LOOP)
    with TracedCommand(Command((str(path),)), [CodePoint(path, symbols["step"])]) as process:
        hit = process.next_hit(10.0)
        assert hit is not None
        with process.capture(hit) as copy:
            assert copy.call(39) == copy.pid  # getpid
            assert copy.call(3, 12345) == -9  # close: EBADF
            image = [m for m in copy.mappings if m.path == str(path)]
            place = free_near(copy.mappings, image[0].start, image[-1].end, 10000)
            assert place is not None
            assert all(abs(edge - place) < 1 << 31 for edge in (image[0].start, image[-1].end))
            assert mapping_at(copy.mappings, place) is None
            copy.place(place, b"\x48\xc7\xc0\x2a\x00\x00\x00\xc3" + bytes(9992))  # mov $42, %rax; ret
            mapping = mapping_at(copy.mappings, place)
            assert mapping is not None
            assert mapping.access == "r-xp"
            registers = copy.registers.copy()
            registers.rip = place
            back = copy.memory.word(registers.rsp)
            assert back is not None
            outcome = copy.run(registers, None, back, 5.0)
            assert isinstance(outcome, Returned)
            assert outcome.registers.rax == 42
        assert mapping_at(read_mappings(process.pid), place) is None


STOPS = r"""
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
__attribute__((noipa)) int step(int n) { return n + 1; }
volatile int got;
static void on(int n) { got += step(n); }
int main(void) {
    signal(SIGUSR1, on); signal(SIGTRAP, on);
    step(1); raise(SIGSTOP); step(2); raise(SIGUSR1); step(3);
    __asm__ volatile("int3");
    printf("%d\n", got);
    return 4;
}
"""


def test_signals_stops_and_a_breakpoint_of_the_program_itself(
    compile_program: Compile, tmp_path: Path
) -> None:
    path, symbols = compile_program(STOPS)
    states: list[str] = []

    def wake() -> None:
        while len(states) < 200:
            with suppress(OSError):
                state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
                if state == "T" or (state == "t" and len(states) > 40):
                    states.append(state)
                    os.kill(process.pid, signal.SIGCONT)
                    return
            states.append("")
            time.sleep(0.02)

    with TracedCommand(
        Command((str(path),)), [CodePoint(path, symbols["step"])], stdout=tmp_path / "out"
    ) as process:
        waker = threading.Thread(target=wake)
        waker.start()
        count = run_through(process)
        waker.join()
        assert process.finish(5.0).exit_code == 4
    assert count == 5
    assert states[-1]
    assert (tmp_path / "out").read_text() == f"{signal.SIGUSR1 + signal.SIGTRAP + 2}\n"


POLLING = r"""
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <errno.h>
#include <unistd.h>
int fds[2], broken;
__attribute__((noipa)) int step(int n) { return n + 1; }
static void *wait_for_byte(void *p) {
    struct epoll_event e = {.events = EPOLLIN}; int q = epoll_create1(0);
    epoll_ctl(q, EPOLL_CTL_ADD, fds[0], &e);
    if (epoll_wait(q, &e, 1, -1) != 1) broken = errno;
    return p;
}
int main(void) {
    pthread_t t; pipe(fds); pthread_create(&t, 0, wait_for_byte, 0);
    usleep(50000);
    for (int i = 0; i < 50; i++) step(i);
    write(fds[1], "x", 1); pthread_join(t, 0);
    printf("%d\n", broken);
    return 0;
}
"""


def test_a_waiting_thread_does_not_see_that_it_was_held(compile_program: Compile, tmp_path: Path) -> None:
    """epoll_wait fails with EINTR when a tracer stops its thread: signal(7)."""
    path, symbols = compile_program(POLLING, "-pthread")
    with TracedCommand(
        Command((str(path),)), [CodePoint(path, symbols["step"])], stdout=tmp_path / "out"
    ) as process:
        assert run_through(process, lambda hit: process.capture(hit).close()) == 50
        process.finish(5.0)
    assert (tmp_path / "out").read_text() == "0\n"


def test_programs_that_a_shell_starts(compile_program: Compile, tmp_path: Path) -> None:
    path, symbols = compile_program(LOOP)
    command = Command(("sh", "-c", f"{path} | tr h H; {path} > /dev/null; exit 9"))
    pids: set[int] = set()

    def at(hit: Hit) -> None:
        pids.add(hit.tid)
        with process.capture(hit) as copy:
            assert copy.origin == (hit.tid, hit.tid)

    with TracedCommand(command, [CodePoint(path, symbols["step"])], stdout=tmp_path / "out") as process:
        assert run_through(process, at) == 40
        assert process.finish(5.0).exit_code == 9
    assert len(pids) == 2
    assert process.pid not in pids
    assert (tmp_path / "out").read_text() == "Hello\n190\n"


def test_armed_and_disarmed(compile_program: Compile) -> None:
    path, symbols = compile_program(LOOP)
    hits: list[Hit] = []

    def at(hit: Hit) -> None:
        hits.append(hit)
        if hit.point == 0 and len(hits) == 5:
            process.disarm(0)

    points = [CodePoint(path, symbols["step"]), CodePoint(path, symbols["hello"])]
    with TracedCommand(Command((str(path),)), points) as process:
        assert run_through(process, at) == 6
    with TracedCommand(Command((str(path),)), points) as process:
        process.disarm(0)
        while (hit := process.next_hit(5.0)) is not None:
            assert hit.point == 1
            process.proceed(hit)


EXECING_THREAD = r"""
#include <pthread.h>
#include <unistd.h>
__attribute__((noipa)) int step(int n) { return n + 1; }
char **arguments;
static void *run(void *p) { execl(arguments[0], arguments[0], "again", (char *)0); return p; }
int main(int argc, char **argv) {
    if (argc > 1) return step(40);
    pthread_t t; arguments = argv; step(1);
    for (int i = 0; i < 3; i++) pthread_create(&t, 0, i == 2 ? run : (void *(*)(void *))pause, 0);
    for (;;) pause();
}
"""


def test_exec_by_another_thread(compile_program: Compile) -> None:
    path, symbols = compile_program(EXECING_THREAD, "-pthread")
    with TracedCommand(Command((str(path),)), [CodePoint(path, symbols["step"])]) as process:
        assert run_through(process) == 2
        assert process.finish(5.0).exit_code == 41


def test_closing_kills_all_threads_and_children(compile_program: Compile) -> None:
    path, symbols = compile_program(
        r"""
        #include <pthread.h>
        #include <unistd.h>
        __attribute__((noipa)) int step(int n) { return n + 1; }
        static void *spin(void *p) { for (;;) step(1); }
        int main(void) { pthread_t t; pthread_create(&t, 0, spin, 0); fork(); for (;;) step(2); }
        """,
        "-pthread",
    )
    with TracedCommand(Command((str(path),)), [CodePoint(path, symbols["step"])]) as process:
        for _ in range(20):
            hit = process.next_hit(5.0)
            assert hit is not None
            process.proceed(hit)
    alive = [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _executable(entry) == path and "Z" not in _state(entry)
    ]
    assert not alive


def _executable(entry: Path) -> Path | None:
    with suppress(OSError):
        return (entry / "exe").readlink()
    return None


def _state(entry: Path) -> str:
    with suppress(OSError):
        return (entry / "stat").read_text().rpartition(")")[2].split()[0]
    return "Z"


def test_released_in_the_middle(compile_program: Compile, tmp_path: Path) -> None:
    """At a hit, with the breakpoint in place: the program ends as ever."""
    path, symbols = compile_program(LOOP)
    with TracedCommand(
        Command((str(path),)), [CodePoint(path, symbols["step"])], stdout=tmp_path / "out"
    ) as process:
        assert process.next_hit(5.0) is not None
        result = process.finish(5.0)
    assert result.exit_code == 3
    assert (tmp_path / "out").read_text() == "hello\n190\n"


BUSY = r"""
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
__attribute__((noipa)) int step(int n) { return n + 1; }
static void *run(void *p) { step(1); return p; }
int main(int argc, char **argv) {
    if (argc > 1) return step(4);
    int sum = 0;
    for (int i = 0; i < 60; i++) {
        pthread_t t[3];
        for (int k = 0; k < 3; k++) pthread_create(&t[k], 0, run, 0);
        int status;
        pid_t child = i % 3 ? fork() : vfork();
        if (!child) { if (i % 3 == 1) _exit(step(4)); execl(argv[0], argv[0], "again", (char *)0); _exit(1); }
        waitpid(child, &status, 0); sum += WEXITSTATUS(status);
        for (int k = 0; k < 3; k++) pthread_join(t[k], 0);
    }
    return sum - 200;
}
"""


@pytest.mark.parametrize("hits", [1, 2, 7, 30, 31, 64])
def test_released_while_threads_and_children_come_and_go(compile_program: Compile, hits: int) -> None:
    """None is left behind stopped, and none runs into a breakpoint."""
    path, symbols = compile_program(BUSY, "-pthread")
    with TracedCommand(Command((str(path),)), [CodePoint(path, symbols["step"])]) as process:
        for _ in range(hits):
            hit = process.next_hit(10.0)
            assert hit is not None
            process.proceed(hit)
        result = process.finish(30.0)
    assert result.exit_code == 100


def test_what_cannot_be_started() -> None:
    with pytest.raises(TargetError):
        TracedCommand(Command(("/does/not/exist",)), [])


def test_a_process_of_another_tracer_is_a_host_error() -> None:
    """The sentence names what is forbidden."""
    sleeper = subprocess.Popen(["sleep", "30"])
    try:
        ptrace.seize(sleeper.pid, ptrace.Options.EXITKILL)
        with pytest.raises(HostError, match="ptrace is forbidden"):
            ptrace.seize(sleeper.pid, ptrace.Options.EXITKILL)
    finally:
        sleeper.kill()
        sleeper.wait()


def test_image_base_is_where_the_loader_says() -> None:
    """Against the addresses that the dynamic linker itself gives out for this process."""
    import ctypes

    from burnish.images.elf_layout import read_layout

    libc = ctypes.CDLL("libc.so.6")
    address = ctypes.cast(libc.qsort, ctypes.c_void_p).value
    assert address is not None
    path = Path(next(m.path for m in read_mappings(os.getpid()) if m.start <= address < m.end))
    listing = subprocess.run(["nm", "-D", path], check=True, capture_output=True, text=True).stdout
    qsort = next(int(row.split()[0], 16) for row in listing.splitlines() if " qsort@" in row)
    assert image_base(read_mappings(os.getpid()), path, read_layout(path)) == address - qsort


def test_a_snapshot_can_be_closed_twice(compile_program: Compile) -> None:
    path, symbols = compile_program(LOOP)
    with TracedCommand(Command((str(path),)), [CodePoint(path, symbols["step"])]) as process:
        hit = process.next_hit(5.0)
        assert hit is not None
        copy: Snapshot = process.capture(hit)
        pid = copy.pid
        assert Path(f"/proc/{pid}").exists()
        copy.close()
        copy.close()
        assert not Path(f"/proc/{pid}").exists()
