"""Sampling of real programs by both methods, on functions whose cost is known and beside ``perf``."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from burnish.core.errors import HostError, TargetError
from burnish.core.image import FunctionBounds, Image, ImageKind
from burnish.core.profile import Method, Profile
from burnish.record import perf_event
from burnish.record.sampling import hot_functions, sample
from burnish.runtime.command import Command, Stream, run_command

WORK = """
#include <stdint.h>
#include <stdlib.h>
static volatile uint64_t sink;
#define SPIN(name) __attribute__((noinline, visibility("default"))) void name(long rounds) { \\
    uint64_t x = 88172645463325252u; \\
    for (long i = 0; i < rounds; i++) { x ^= x << 13; x ^= x >> 7; x ^= x << 17; } \\
    sink = x; }
"""
MAIN = (
    WORK
    + """
SPIN(three) SPIN(one)
int main(int count, char **words) {
    long rounds = atol(words[1]);
    for (int i = 0; i < 100; i++) { three(3 * rounds); one(rounds); }
    return count > 2 ? atoi(words[2]) : 0;
}
"""
)
ROUNDS = "1000000"


def _build(folder: Path, name: str, source: str, *flags: str) -> Path:
    (folder / f"{name}.c").write_text(source)
    subprocess.run(["gcc", "-O2", *flags, "-o", folder / name, folder / f"{name}.c"], check=True)
    return folder / name


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(tmp_path_factory.mktemp("program"), "program", MAIN)


def _permitted() -> bool:
    try:
        os.close(perf_event._perf_event_open(0, -1, 1_000_000, 1 | 1 << 5))
    except OSError:
        return False
    return True


METHODS = [
    pytest.param(
        Method.PERF_EVENT,
        marks=pytest.mark.skipif(not _permitted(), reason="perf_event_open is not permitted here"),
    ),
    Method.SIGPROF,
]


def _image(path: Path) -> Image:
    """The functions of an ELF file as ``nm`` lists them."""
    functions: list[FunctionBounds] = []
    listing = subprocess.run(["nm", "-S", path], check=True, capture_output=True, text=True).stdout
    for address, size, name in re.findall(r"^(\w+) (\w+) [tT] (\w+)$", listing, re.M):
        functions.append(FunctionBounds(name, int(address, 16), int(size, 16), "symbol"))
    functions.sort(key=lambda bounds: bounds.address)
    return Image(path, ImageKind.PIE, (), tuple(functions))


def _shares(profile: Profile, *paths: Path) -> dict[str, float]:
    return {
        row.bounds.name: row.share for row in hot_functions(profile, {path: _image(path) for path in paths})
    }


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "flags", [(), ("-no-pie",), ("-Wl,-z,noseparate-code",)], ids=["pie", "fixed", "joined"]
)
def test_shares_are_the_known_costs(tmp_path: Path, method: Method, flags: tuple[str, ...]) -> None:
    program = _build(tmp_path, "program", MAIN, *flags)
    profile = sample(Command((str(program), ROUNDS, "7")), method=method)
    shares = _shares(profile, program)
    assert profile.method is method and profile.exit_code == 7 and not profile.completed
    # 3:1, at four standard deviations of a binomial variable.
    slack = 4 * (0.75 * 0.25 / profile.samples) ** 0.5
    assert profile.samples > 50
    assert shares["three"] == pytest.approx(0.75, abs=slack + 0.02)
    assert shares["one"] == pytest.approx(0.25, abs=slack + 0.02)
    assert list(shares)[:2] == ["three", "one"]


@pytest.mark.parametrize("method", METHODS)
def test_samples_add_up_to_processor_time(program: Path, method: Method) -> None:
    clock = f"import resource, subprocess; subprocess.run(['{program}', '{ROUNDS}']); "
    clock += "u = resource.getrusage(resource.RUSAGE_CHILDREN); print(u.ru_utime + u.ru_stime)"
    out = program.with_name(f"time-{method.value}")
    profile = sample(Command((sys.executable, "-S", "-c", clock)), method=method, stdout=out)
    shares = _shares(profile, program)
    seconds = (shares["three"] + shares["one"]) * profile.samples * profile.period_ns * 1e-9
    assert seconds == pytest.approx(float(out.read_text()), rel=0.12)


@pytest.mark.skipif(shutil.which("perf") is None, reason="perf is not installed")
@pytest.mark.parametrize("method", METHODS)
def test_shares_are_those_of_perf(tmp_path: Path, method: Method) -> None:
    """bzip2's library has no symbols for its hot code: compared are the shares of pages of 256 bytes."""
    data = tmp_path / "data"
    words = random.Random(1)
    vocabulary = [words.randbytes(words.randint(2, 9)).hex() for _ in range(2000)]
    data.write_text(" ".join(words.choices(vocabulary, k=1_200_000)))
    command = ("bzip2", "-c", str(data))
    record = [
        "perf",
        "record",
        "-q",
        "-e",
        "cpu-clock",
        "-F",
        "997",
        "-o",
        tmp_path / "perf.data",
        "--",
        *command,
    ]
    if subprocess.run(record, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("perf cannot record here")
    script = ["perf", "script", "-i", tmp_path / "perf.data", "-F", "ip,sym,symoff,dso", "--show-mmap-events"]
    text = subprocess.run(script, check=True, capture_output=True, text=True).stdout
    theirs = Counter(re.findall(r"\(([^()]*)\)$", text, re.M))
    profile = sample(Command(command), method=method, stdout=Stream.DISCARD)
    ours: Counter[str] = Counter()
    for index, _, count in profile.locations:
        ours[str(profile.images[index].path)] += count
    user = sum(count for path, count in theirs.items() if path.startswith("/"))
    library = next(path for path in ours if "libbz2" in path)
    share = ours[library] / sum(ours.values())
    assert share == pytest.approx(theirs[library] / user, abs=0.05)
    # Where in the library: perf's addresses are those of the process, ours of the file.
    base = next(
        int(start, 16) - int(offset, 16)
        for start, offset, path in re.findall(r"\[(0x\w+)\(0x\w+\) @ (\w+) [^\]]*\]: r-xp (\S+)", text)
        if path == library
    )
    cells = Counter(
        (int(pointer, 16) - base) >> 8
        for pointer, path in re.findall(r"^\s+([0-9a-f]+) .*\(([^()]*)\)$", text, re.M)
        if path == library
    )
    mine: Counter[int] = Counter()
    for index, address, count in profile.locations:
        if str(profile.images[index].path) == library:
            mine[address >> 8] += count
    distance = sum(abs(cells[cell] / cells.total() - mine[cell] / mine.total()) for cell in cells | mine) / 2
    assert distance < 0.25, "the two profiles lie apart"


THREADS = (
    WORK
    + """
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
SPIN(by_main) SPIN(by_thread) SPIN(by_fork)
static void *run(void *rounds) { by_thread(100 * (long)rounds); return 0; }
int main(int count, char **words) {
    long rounds = atol(words[1]);
    pthread_t threads[2];
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);  /* as xz does for its workers */
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, run, (void *)rounds);
    pthread_sigmask(SIG_SETMASK, &old, 0);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
    by_main(100 * rounds);
    if (fork() == 0) { by_fork(100 * rounds); _exit(0); }
    wait(0);
    return 0;
}
"""
)


@pytest.mark.parametrize("method", METHODS)
def test_threads_and_forks_are_sampled(tmp_path: Path, method: Method) -> None:
    program = _build(tmp_path, "program", THREADS, "-pthread")
    profile = sample(Command((str(program), "1500000")), method=method)
    shares = _shares(profile, program)
    slack = 4 * (0.25 / profile.samples) ** 0.5 + 0.02
    assert shares["by_thread"] == pytest.approx(0.5, abs=slack)
    assert shares["by_main"] == pytest.approx(0.25, abs=slack)
    assert shares["by_fork"] == pytest.approx(0.25, abs=slack)


@pytest.mark.parametrize("method", METHODS)
def test_a_library_loaded_later_is_known(tmp_path: Path, method: Method) -> None:
    """By dlopen, in a process that became another program by exec, and that ends by SIGKILL."""
    library = _build(tmp_path, "late.so", WORK + "SPIN(late)", "-shared", "-fPIC")
    source = """
    #include <dlfcn.h>
    #include <signal.h>
    int main(int count, char **words) {
        void (*late)(long) = (void (*)(long))dlsym(dlopen(words[1], RTLD_NOW), "late");
        late(200000000);
        raise(SIGKILL);
    }
    """
    program = _build(tmp_path, "program", source)
    profile = sample(Command(("sh", "-c", 'exec "$0" "$1"', str(program), str(library))), method=method)
    assert profile.signal == signal.SIGKILL and profile.exit_code is None
    assert _shares(profile, library)["late"] > 0.9
    build_id = subprocess.run(["readelf", "-n", library], check=True, capture_output=True, text=True).stdout
    ids = {image.path: image.build_id for image in profile.images}
    assert ids[library] and ids[library] in build_id


@pytest.mark.parametrize("method", METHODS)
def test_code_without_a_file_is_unknown(tmp_path: Path, method: Method) -> None:
    source = """
    #include <string.h>
    #include <sys/mman.h>
    int main(void) {
        /* mov $300000000,%eax; 1: dec %eax; jnz 1b; ret */
        unsigned char code[] = {0xb8, 0x00, 0xa3, 0xe1, 0x11, 0xff, 0xc8, 0x75, 0xfc, 0xc3};
        void *place = mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memcpy(place, code, sizeof code);
        ((void (*)(void))place)();
        return 0;
    }
    """
    profile = sample(Command((str(_build(tmp_path, "program", source)),)), method=method)
    assert profile.unknown > 0.8 * profile.samples > 10


@pytest.mark.parametrize("method", METHODS)
def test_a_program_that_never_ends_gives_its_profile(program: Path, method: Method) -> None:
    profile = sample(Command((str(program), "1000000000")), method=method, timeout_s=0.5)
    assert profile.timed_out and not profile.completed
    assert _shares(profile, program)["three"] > 0.9
    assert json.loads(profile.to_json())["timed_out"] is True


@pytest.mark.parametrize("method", METHODS)
def test_interrupt_gives_the_profile(program: Path, tmp_path: Path, method: Method) -> None:
    script = 'echo x >started; exec "$0" 1000000000'
    code = (
        "from burnish.record.sampling import sample; from burnish.runtime.command import Command\n"
        "from burnish.core.profile import Method\n"
        f"p = sample(Command(('sh', '-c', {script!r}, '{program}')), method=Method.{method.name})\n"
        "print(p.interrupted, p.samples > 20)"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    for _ in range(500):
        if (tmp_path / "started").exists():
            break
        time.sleep(0.02)
    time.sleep(0.7)
    ours.send_signal(signal.SIGINT)
    assert ours.communicate(timeout=20)[0].split() == ["True", "True"]


@pytest.mark.parametrize("method", METHODS)
def test_many_processes(program: Path, method: Method) -> None:
    script = 'for i in $(seq 150); do "$0" 1000; done; "$0" 200000'
    profile = sample(Command(("sh", "-c", script, str(program))), method=method)
    assert profile.completed and profile.lost == 0
    slack = 4 * (0.75 * 0.25 / profile.samples) ** 0.5 + 0.02
    shares = _shares(profile, program)
    assert shares["three"] / (shares["three"] + shares["one"]) == pytest.approx(0.75, abs=slack)


def test_frequency_is_kept(program: Path) -> None:
    if not _permitted():
        pytest.skip("perf_event_open is not permitted here")
    profile = sample(Command((str(program), "200000")), frequency_hz=9973)
    assert profile.period_ns == 100_270 and profile.lost == 0
    cost = run_command(Command((str(program), "200000"))).cpu_s
    assert profile.samples * profile.period_ns * 1e-9 == pytest.approx(cost, rel=0.3)


def test_without_permission_the_signal_is_used(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(perf_event, "_perf_event_open", refuse)
    profile = sample(Command((str(program), "100000")))
    assert profile.method is Method.SIGPROF and profile.exit_code == 0 and profile.samples > 0
    with pytest.raises(HostError, match="not permitted"):
        sample(Command((str(program), "1")), method=Method.PERF_EVENT)


def test_a_static_program_needs_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _build(tmp_path, "program", MAIN, "-static")
    script = tmp_path / "script"
    script.write_text(f"#!{program}\n")
    script.chmod(0o755)
    for command in (program, script):
        with pytest.raises(HostError, match="statically linked") as raised:
            sample(Command((str(command), "1")), method=Method.SIGPROF)
        assert "\n" not in str(raised.value)
    if _permitted():
        profile = sample(Command((str(program), ROUNDS)))
        assert profile.method is Method.PERF_EVENT and _shares(profile, program)["three"] > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_the_target_sees_nothing_of_it(program: Path, tmp_path: Path, method: Method) -> None:
    """The user's own preloads stay, and no descriptor is left open in the target."""
    command = Command(
        ("sh", "-c", "echo $LD_PRELOAD; ls /proc/self/fd"), env=os.environ | {"LD_PRELOAD": "libm.so.6"}
    )
    sample(command, method=method, stdout=tmp_path / "out")
    preloads, *descriptors = (tmp_path / "out").read_text().split()
    assert preloads.split(":")[-1] == "libm.so.6"
    assert descriptors == ["0", "1", "2", "3"]  # 3 is ls reading the folder


def test_what_cannot_run_is_said() -> None:
    for method in (None, Method.SIGPROF):
        with pytest.raises(TargetError, match="was not found"):
            sample(Command(("no-such-command",)), method=method)
