"""Right and wrong replacements of functions of real programs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from burnish.core import verdict
from burnish.core.errors import ImageError, TargetError
from burnish.runtime.command import Command, CommandResult
from burnish.verify import compare
from burnish.verify.compare import ReturnPart
from burnish.verify.replay import PlacedCode, Replay, ReplayReport, Subject, replay_check

Build = Callable[..., object]

MAIN = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
struct state { unsigned count, last; unsigned table[16]; unsigned guard; };
struct state *state;
static int zero;
unsigned char inbox[64];
__attribute__((noipa)) unsigned update(struct state *s, unsigned x) {
    s->count++;
    s->last = x;
    s->table[x % 16] += x * 2654435761u;
    return s->table[(x + 1) % 16] ^ x;
}
__attribute__((noipa)) double scale(double x, float y) { return x * 3.0 + y; }
__attribute__((noipa)) unsigned tree(unsigned n) { return n < 2 ? n : tree(n - 1) + tree(n - 2) * 3; }
__attribute__((noipa)) char *put(char *to, const char *text) { return strcpy(to, text); }
__attribute__((noipa)) void *get(size_t size) { return malloc(size); }
__attribute__((noipa)) char *copy(const char *text) { return put(get(strlen(text) + 1), text); }
__attribute__((noipa)) void emit(unsigned n) { printf("%u\n", n); fflush(stdout); }
__attribute__((noipa)) void say(unsigned n) { emit(n); }
__attribute__((noipa)) int settle(unsigned n) { state->guard = n; return fsync(1) != 0; }
__attribute__((noipa)) long take(long count) {
    long sum = 0, got = read(zero, inbox, count);
    for (long i = 0; i < got; i++) sum += inbox[i] * (i + 1);
    return sum;
}
__attribute__((noipa)) unsigned never(unsigned n) { return n * 7; }
int main(int argc, char **argv) {
    unsigned sum = 0; double d = 0;
    state = calloc(1, sizeof *state);
    for (unsigned i = 0; i < 300; i++) {
        sum += update(state, i * i + argc);
        d += scale(i * 0.5, (float)i);
        sum += tree(i % 7);
        char *p = copy("some text"); sum += p[i % 9]; free(p);
    }
    zero = open("/dev/zero", O_RDONLY);
    for (unsigned i = 0; i < 3; i++) say(sum + i);
    for (unsigned i = 0; i < 3; i++) settle(0);
    for (unsigned i = 0; i < 20; i++) sum += take(i + 1);
    if (argc > 9) sum += never(argc);
    printf("%u %u %u %.3f\n", sum, state->count, state->guard, d);
    return 7;
}
"""

STATE = "struct state { unsigned count, last; unsigned table[16]; unsigned guard; };"
RIGHT = """
    s->last = x; s->count += 1; unsigned *t = s->table; t[x & 15] += x * 2654435761u; return t[x + 1 & 15] ^ x;"""


def body(text: str) -> str:
    return f"{STATE} unsigned rebuilt(struct state *s, unsigned x) {{ {text} }}"


def check(program: object, subject: Subject, **options: object) -> ReplayReport:
    replay = replay_check(program.command(), [subject], **options)  # type: ignore[attr-defined]
    assert replay.run.exit_code == 7
    return replay.reports[0]


def refuted(report: ReplayReport) -> str:
    """The counterexample's text."""
    assert isinstance(report.verdict, verdict.Refuted), report
    assert report.counterexample is not None
    assert report.counterexample.registers["rsp"] % 8 == 0
    return str(report.counterexample)


@pytest.fixture(scope="session")
def program(build: Build) -> object:
    return build(MAIN)


@pytest.mark.parametrize("flags", [(), ("-no-pie",), ("-static",)])
def test_a_right_replacement_passes_and_the_run_is_as_ever(
    build: Build, flags: tuple[str], tmp_path: Path
) -> None:
    program = build(MAIN, *flags)
    plain = subprocess.run([program.path], capture_output=True, check=False)
    replay = replay_check(
        program.command(),
        [
            program.subject("update", body(RIGHT)),
            program.subject("scale", "double rebuilt(double x, float y) { return y + 3.0 * x; }"),
            program.subject("tree", "unsigned rebuilt(unsigned n) { unsigned AT_tree(unsigned);"
                            "return n > 1 ? AT_tree(n - 2) * 3 + AT_tree(n - 1) : n; }"),
            program.subject("never", "unsigned rebuilt(unsigned n) { return 0; }"),
        ],
        stdout=tmp_path / "out",
    )  # fmt: skip
    update, scale, tree, never = replay.reports
    for report in (update, scale, tree):
        assert isinstance(report.verdict, verdict.Tested), report
        assert report.full_trials >= 20
        assert report.mutated_trials >= 10
        assert report.verdict.tests == report.full_trials + report.mutated_trials
    assert never.verdict == verdict.Unknown("the run did not call it")
    assert replay.run.exit_code == plain.returncode == 7
    assert (tmp_path / "out").read_bytes() == plain.stdout


def test_calls_into_the_c_library_from_both_sides(program: object) -> None:
    source = """
    char *AT_put(char *, const char *); void *AT_get(unsigned long);
    char *rebuilt(const char *text) { unsigned long n = 0; while (text[n]) n++; return AT_put(AT_get(n + 1), text); }"""
    report = check(program, program.subject("copy", source, returns=(ReturnPart("rax", 8),)))
    assert isinstance(report.verdict, verdict.Tested)
    assert report.full_trials >= 20


def test_pointers_that_dangle_may_differ(build: Build) -> None:
    where = (
        'void *NAME(long n) { char room[SIZE]; void *p = room; __asm__("" : "+r"(p) : "r"(n)); return p; }'
    )
    main = "int main(void) { for (long i = 0; i < 30; i++) if (where(i) == 0) return 1; return 7; }"
    small, large = (where.replace("SIZE", size) for size in ("64", "640"))
    program = build(f"__attribute__((noipa)) {small.replace('NAME', 'where')}\n{main}")
    right, wrong = (
        large.replace("NAME", "rebuilt"),
        "void *rebuilt(long n) { return __builtin_frame_address(0) + 32; }",
    )
    assert isinstance(check(program, program.subject("where", right)).verdict, verdict.Tested)  # type: ignore[attr-defined]
    assert "rax is" in refuted(check(program, program.subject("where", wrong)))  # type: ignore[attr-defined]


def test_what_comes_to_a_system_call_counts_apart(program: object) -> None:
    source = """
    struct state { unsigned count, last; unsigned table[16]; unsigned guard; };
    extern struct state *AT_state;
    int rebuilt(unsigned n) {
        long done;
        AT_state->guard = n;
        __asm__ volatile("syscall" : "=a"(done) : "0"(74L), "D"(1L) : "rcx", "r11", "memory");
        return done != 0;
    }"""
    report = check(program, program.subject("settle", source))
    assert report.verdict == verdict.Unknown("no call returned before its first system call")
    assert (report.full_trials, report.mutated_trials) == (0, 0)
    assert report.syscall_trials >= 3


def test_a_write_is_followed_to_the_return(program: object) -> None:
    source = "void AT_emit(unsigned); void rebuilt(unsigned n) { AT_emit(n); }"
    report = check(program, program.subject("say", source))
    assert isinstance(report.verdict, verdict.Tested)
    assert report.full_trials >= 2
    wrong = source.replace("AT_emit(n);", "AT_emit(n); AT_inbox[3] = 1;").replace(
        "void AT_emit", "extern unsigned char AT_inbox[64]; void AT_emit"
    )
    assert "The 8 bytes at" in refuted(check(program, program.subject("say", wrong)))


TAKE = """
extern unsigned char AT_inbox[64]; extern int AT_zero;
static long ask(long count) {
    long got;
    __asm__ volatile("syscall" : "=a"(got) : "0"(0L), "D"((long)AT_zero), "S"(AT_inbox), "d"(count)
                     : "rcx", "r11", "memory");
    return got;
}
long rebuilt(long count) {
    long sum = 0, got = ask(count);
    for (long i = got; i-- > 0;) sum += (i + 1) * AT_inbox[i];
    return sum;
}
"""


def test_what_is_read_is_the_same_for_both_sides(program: object) -> None:
    returns = (ReturnPart("rax", 8),)
    report = check(program, program.subject("take", TAKE, returns=returns))
    assert isinstance(report.verdict, verdict.Tested), report
    assert report.full_trials >= 10
    # The run itself only ever reads zeros: only bytes that are made up show this.
    wrong = TAKE.replace("(i + 1) * AT_inbox[i]", "i * AT_inbox[i]")
    assert "rax is" in refuted(check(program, program.subject("take", wrong, returns=returns)))
    asks = TAKE.replace("ask(count);", "ask(count + 1);")
    assert "Argument 3 of the system call read" in refuted(
        check(program, program.subject("take", asks, returns=returns))
    )


def test_other_bytes_written_are_refuted(program: object) -> None:
    source = "void AT_emit(unsigned); void rebuilt(unsigned n) { AT_emit(n ^ 1); }"
    text = refuted(check(program, program.subject("say", source)))
    assert "Argument 2 of the system call write" in text


def test_nothing_written_is_refuted(program: object) -> None:
    text = refuted(check(program, program.subject("say", "void rebuilt(unsigned n) { }")))
    assert "the rebuilt code returns." in text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (body("if (x > 4000 && x % 3 == 0) s->last ^= 4;" + RIGHT.replace("s->last = x;", "")), "The 8 bytes at"),
        (body(RIGHT.replace("s->last = x;", "s->last = x > 5000 ? x ^ 4 : x;")), "The 8 bytes at"),
        (body(RIGHT.replace("^ x;", "^ x ^ (x == 26);")), "rax is"),
        (body("s->guard = 1;" + RIGHT), "The 8 bytes at"),
        (body(RIGHT.replace("s->count += 1;", "")), "([heap] + "),
        (body("for (;;) __asm__ volatile(\"\");" + RIGHT), "does not come to an end"),
        (body("*(volatile int *)8 = 1;" + RIGHT), "ends with SIGSEGV"),
        (body("__builtin_trap();"), "ends with SIGILL"),
        (body(RIGHT.replace("return", "__asm__ volatile(\"mov $1, %ebx\"); return")), "rbx is"),
        (body(RIGHT.replace("return", "__asm__ volatile(\"std\"); return")), "The direction flag is"),
        (body(RIGHT.replace("return", "unsigned c = 0x5f80; __asm__ volatile(\"ldmxcsr %0\" :: \"m\"(c)); return")),
         "The control bits of MXCSR is"),
        (body("((volatile unsigned *)s)[3000000] = 1;" + RIGHT), "rebuilt"),
        (body("__asm__ volatile(\"pop %rax; add $8, %rsp; jmp *%rax\"); __builtin_unreachable();"), "is"),
        (body("register long n __asm__(\"rax\") = 39; __asm__ volatile(\"mov $231, %eax; mov $3, %edi; syscall\");"
              + RIGHT), "system call exit_group"),
    ],
)  # fmt: skip
def test_wrong_replacements_are_refuted(program: object, source: str, expected: str) -> None:
    text = refuted(check(program, program.subject("update", source), trial_timeout_s=0.1))
    assert expected in text
    assert text.startswith("update on a captured input")


def test_a_value_in_xmm0_is_compared(program: object) -> None:
    source = "double rebuilt(double x, float y) { return x * 3.0 + y + (x > 100) * 1e-13; }"
    assert "xmm0 is" in refuted(check(program, program.subject("scale", source)))


CALLERS = r"""
__attribute__((noipa)) int twice(int x) { return x * 2; }
int main(void) {
    int sum = 0;
    for (int i = 0; i < 30; i++) {
        sum += twice(i);
#ifdef LOOKS
        int rest; __asm__ volatile("mov %%edx, %0" : "=r"(rest) : "r"(sum));
#else
        __asm__ volatile("nop; xor %%edx, %%edx" ::: "edx");
#endif
    }
    return sum & 7;
}
"""


@pytest.mark.parametrize("looks", [True, False])
def test_a_register_counts_where_the_caller_looks_at_it(build: Build, looks: bool) -> None:
    program = build(CALLERS, *(["-DLOOKS"] if looks else []))
    source = 'int rebuilt(int x) { __asm__ volatile("mov $77, %%edx" ::: "edx"); return x + x; }'
    report = replay_check(program.command(), [program.subject("twice", source)]).reports[0]
    if looks:
        assert "rdx is" in refuted(report)
    else:
        assert isinstance(report.verdict, verdict.Tested)
    fewer = program.subject("twice", source, returns=(ReturnPart("rax", 4),))
    assert isinstance(replay_check(program.command(), [fewer]).reports[0].verdict, verdict.Tested)


def test_only_changed_inputs_reach_a_rare_path(program: object) -> None:
    """All real arguments are below 2^17; and the same seed finds the same counterexample."""
    source = body("if (x >> 20) s->last++;" + RIGHT.replace("s->last = x;", "s->last = x + (x >> 20 != 0);"))
    found = [check(program, program.subject("update", source), seed=5) for _ in range(2)]
    text = refuted(found[0])
    assert "a captured input with changes (seed " in text
    assert found[0].counterexample.seed == found[1].counterexample.seed
    assert any(change.startswith("rsi was") for change in found[0].counterexample.changed)


@pytest.mark.parametrize("wrong", [False, True])
def test_without_frame_numbers(program: object, monkeypatch: pytest.MonkeyPatch, wrong: bool) -> None:
    """What users other than root have: all pages are read, with the same verdicts."""
    monkeypatch.setattr(compare, "frames_visible", lambda: False)
    report = check(program, program.subject("update", body("s->guard = 1;" * wrong + RIGHT)))
    assert isinstance(report.verdict, verdict.Refuted if wrong else verdict.Tested)


def test_two_candidates_for_one_function(program: object) -> None:
    subjects = [program.subject("update", body("return 0;")), program.subject("update", body(RIGHT))]
    wrong, right = replay_check(program.command(), subjects).reports
    assert isinstance(wrong.verdict, verdict.Refuted)
    assert isinstance(right.verdict, verdict.Tested)


class InPlace:
    """The original itself as its replacement."""

    size = 16

    def __init__(self, address: int) -> None:
        self.address = address

    def place(self, address: int, image_base: int) -> PlacedCode:
        return PlacedCode(b"\xcc" * 16, image_base + self.address)


@pytest.fixture
def libbz2() -> tuple[Path, dict[str, int]]:
    if shutil.which("bzip2") is None or shutil.which("nm") is None:
        pytest.skip("needs bzip2 and nm")
    linked = subprocess.run(["ldd", shutil.which("bzip2")], capture_output=True, text=True, check=True).stdout
    path = next((line.split()[2] for line in linked.splitlines() if "libbz2" in line), None)
    if path is None:
        pytest.skip("bzip2 is not linked with libbz2")
    listing = subprocess.run(["nm", "-D", path], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return Path(path), {row[2].partition("@")[0]: int(row[0], 16) for row in rows if len(row) == 3}


def test_functions_of_libbz2_agree_with_themselves(
    libbz2: tuple[Path, dict[str, int]], tmp_path: Path
) -> None:
    library, symbols = libbz2
    names = [
        "BZ2_hbMakeCodeLengths",
        "BZ2_hbAssignCodes",
        "BZ2_compressBlock",
        "BZ2_blockSort",
        "BZ2_bzCompress",
    ]
    source = Path(os.__file__).parent / "_pydecimal.py"
    plain = subprocess.run(["bzip2", "-c", source], capture_output=True, check=True).stdout
    replay = replay_check(
        Command(("bzip2", "-c", str(source))),
        [Subject(library, symbols[name], 1, name, InPlace(symbols[name])) for name in names],
        stdout=tmp_path / "out",
    )
    assert (tmp_path / "out").read_bytes() == plain
    assert replay.run.exit_code == 0
    for name, report in zip(names, replay.reports, strict=True):
        assert isinstance(report.verdict, verdict.Tested), (name, report)
        assert report.full_trials >= 1


THREADS = r"""
#include <pthread.h>
#include <stdio.h>
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
unsigned total;
__attribute__((noipa)) unsigned work(unsigned x, unsigned *sum) { *sum += x * 7 ^ x >> 3; return *sum; }
static void *run(void *p) {
    unsigned sum = 0;
    for (unsigned i = 0; i < 20000; i++) work(i, &sum);
    pthread_mutex_lock(&lock); total += sum; pthread_mutex_unlock(&lock);
    return p;
}
int main(void) {
    pthread_t t[4];
    for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, run, 0);
    for (int i = 0; i < 4; i++) pthread_join(t[i], 0);
    printf("%u\n", total);
    return 7;
}
"""


@pytest.mark.parametrize("right", [True, False])
def test_threads(build: Build, tmp_path: Path, right: bool) -> None:
    program = build(THREADS, "-pthread")
    source = "unsigned rebuilt(unsigned x, unsigned *s) { return *s += x * 7 ^ x >> 3 %s; }"
    subject = program.subject("work", source % ("" if right else "^ (x == 21)"))
    replay = replay_check(program.command(), [subject], stdout=tmp_path / "out")
    assert replay.run.exit_code == 7
    assert (tmp_path / "out").read_bytes() == subprocess.run([program.path], capture_output=True).stdout
    expected = verdict.Tested if right else verdict.Refuted
    assert isinstance(replay.reports[0].verdict, expected), replay.reports


FORKS = r"""
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
__attribute__((noipa)) unsigned work(unsigned x) { return x * 5 + 1; }
int main(int argc, char **argv) {
    unsigned sum = 0;
    if (argc > 1) { for (int i = 0; i < 50; i++) sum += work(i); return sum & 127; }
    work(1);
    for (int i = 0; i < 5; i++) {
        pid_t child = i % 2 ? fork() : vfork();
        if (!child) {
            if (i % 2) { for (int k = 0; k < 10; k++) sum += work(k); _exit(sum & 127); }
            execl(argv[0], argv[0], "again", (char *)0);
            _exit(99);
        }
        int status, extra;
        waitpid(child, &status, 0);
        printf("%d %x %d\n", i, status, waitpid(-1, &extra, 0));
    }
    printf("%d\n", system("exit 5") >> 8);
    return 7;
}
"""


def test_children_that_inherit_breakpoints_live(build: Build, tmp_path: Path) -> None:
    """By fork, vfork and exec; and the program sees no other children than its own."""
    program = build(FORKS)
    subject = program.subject("work", "unsigned rebuilt(unsigned x) { return 1 + x + 4 * x; }")
    replay = replay_check(program.command(), [subject], stdout=tmp_path / "out", entries_per_function=40)
    assert (tmp_path / "out").read_bytes() == subprocess.run([program.path], capture_output=True).stdout
    assert replay.run.exit_code == 7
    assert isinstance(replay.reports[0].verdict, verdict.Tested)
    assert replay.reports[0].entries_seen > 40


SHARED = r"""
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <signal.h>
#include <unistd.h>
unsigned *shared;
volatile int alarms;
static void on(int n) { alarms++; }
__attribute__((noipa)) unsigned bump(unsigned x) { return shared[x % 8] += x; }
__attribute__((noipa)) long now(void) {
    struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_nsec;
}
__attribute__((noipa)) long clock_now(void) { return now(); }
__attribute__((noipa)) int number(void) { return getpid(); }
__attribute__((noipa)) int self(void) { return number(); }
int main(void) {
    shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    signal(SIGUSR1, on);
    unsigned sum = 0;
    for (unsigned i = 0; i < 30; i++) {
        sum += bump(i); sum += clock_now() < 0; sum += self() != getpid(); raise(SIGUSR1);
    }
    printf("%u %u %d\n", sum, shared[3], alarms);
    return 7;
}
"""


def test_shared_memory_clock_and_signals(build: Build, tmp_path: Path) -> None:
    """Trials do not write to shared memory; the clock is an outside effect, the process number is not."""
    program = build(SHARED)
    source = "extern unsigned *AT_shared; unsigned rebuilt(unsigned x) { return AT_shared[x & 7] += x; }"
    lines = [
        program.subject("bump", source),
        program.subject("clock_now", "long AT_now(void); long rebuilt(void) { return AT_now(); }"),
        program.subject("self", "int AT_number(void); int rebuilt(void) { return AT_number(); }"),
    ]  # fmt: skip
    replay = replay_check(program.command(), lines, stdout=tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == subprocess.run([program.path], capture_output=True).stdout
    bump, clock, self = replay.reports
    assert isinstance(bump.verdict, verdict.Tested)
    assert bump.full_trials > 10
    assert clock.verdict == verdict.Unknown("no call returned before its first system call")
    assert isinstance(self.verdict, verdict.Tested)
    wrong = program.subject("bump", source.replace("+=", "+"))
    assert isinstance(replay_check(program.command(), [wrong]).reports[0].verdict, verdict.Refuted)


def test_a_late_library(build: Build, tmp_path: Path) -> None:
    """Code that dlopen brings is found when it comes."""
    library = build("int plus(int x) { return x + 3; }", "-shared", "-fPIC")
    source = r"""
    #include <dlfcn.h>
    int main(int n, char **argv) {
        int sum = 0;
        for (int i = 0; i < 10; i++) {
            void *h = dlopen(argv[1], RTLD_NOW); int (*f)(int) = dlsym(h, "plus");
            sum += f(i); if (i % 2) dlclose(h);
        }
        return sum;
    }"""
    host = build(source)
    subject = library.subject("plus", "int rebuilt(int x) { return x + 3; }")
    replay = replay_check(host.command(str(library.path)), [subject])
    assert replay.run.exit_code == 75
    assert isinstance(replay.reports[0].verdict, verdict.Tested)


SLOW = r"""
#include <stdio.h>
#include <unistd.h>
__attribute__((noipa)) unsigned spin(unsigned n) {
    unsigned x = n;
    for (;;) { x = x * 5 + 1; if (x == 0x80000000u) usleep(1); }
}
__attribute__((noipa)) unsigned step(unsigned n) { return n + 1; }
int main(int argc, char **argv) {
    unsigned n = 0;
    if (argc > 1) spin(1);
    for (;;) { n = step(n); if (n % 512 == 0) usleep(100); }
}
"""


def test_the_budget_ends_a_run_that_never_does(build: Build) -> None:
    program = build(SLOW)
    subject = program.subject("step", "unsigned rebuilt(unsigned n) { return 1 + n; }")
    begun = time.monotonic()
    replay = replay_check(
        program.command(), [subject], budget_s=1.0, timeout_s=1.5, entries_per_function=10**6
    )
    assert time.monotonic() - begun < 4
    assert replay.run.timed_out
    assert isinstance(replay.reports[0].verdict, verdict.Tested)


def test_an_original_that_does_not_return_is_void(build: Build) -> None:
    program = build(SLOW)
    subject = program.subject("spin", "unsigned rebuilt(unsigned n) { return 1; }")
    replay = replay_check(
        program.command("x"), [subject], trial_timeout_s=0.1, budget_s=1.0, let_finish=False
    )
    assert replay.reports[0].verdict == verdict.Unknown("the original did not return in time")
    assert replay.reports[0].void_trials == 1


def test_a_target_killed_meanwhile(build: Build) -> None:
    program = build(SLOW)
    subject = program.subject("step", "unsigned rebuilt(unsigned n) { return 1 + n; }")
    results: list[Replay] = []

    def kill() -> None:
        time.sleep(0.6)
        for entry in Path("/proc").iterdir():
            with suppress(OSError):  # a copy, gone again
                if entry.name.isdigit() and (entry / "exe").readlink() == program.path:
                    os.kill(int(entry.name), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    results.append(replay_check(program.command(), [subject], entries_per_function=10**6, budget_s=20.0))
    killer.join()
    assert results[0].run.signal == signal.SIGKILL
    assert results[0].run.wall_s < 10


@pytest.mark.parametrize("code", ["return 0;", "int *p = 0; *p = 1; return 0;", "abort();"])
def test_how_the_program_ends_is_reported(build: Build, code: str) -> None:
    source = """#include <stdlib.h>
    __attribute__((noipa)) unsigned step(unsigned n) { return n + 1; }
    int main(int argc, char **argv) { step(argc); %s }"""
    program = build(source % code, "-O0")
    subject = program.subject("step", "unsigned rebuilt(unsigned n) { return 1 + n; }")
    run: CommandResult = replay_check(program.command(), [subject]).run
    plain = subprocess.run([program.path], check=False).returncode
    assert plain == (-run.signal if run.signal else run.exit_code)


def test_errors(build: Build, tmp_path: Path) -> None:
    program = build(MAIN)
    subject = program.subject("update", body(RIGHT))
    with pytest.raises(TargetError):
        replay_check(Command(("/does/not/exist",)), [subject])
    text = tmp_path / "text"
    text.write_text("#!/bin/nonsense\n")
    with pytest.raises(ImageError):
        replay_check(program.command(), [Subject(text, 0, 1, "x", subject.code)])
    text.chmod(0o755)
    with pytest.raises(TargetError):
        replay_check(Command((str(text),)), [subject])


@pytest.fixture(autouse=True)
def nothing_remains() -> None:
    """No test leaves a process behind."""
    yield
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in children]
    assert not [name for name in names if name.startswith(("program", "bzip2"))]
