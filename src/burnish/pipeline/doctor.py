"""What this machine has and lacks, and what each lack costs."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import ClassVar, cast

from burnish.pipeline import host
from burnish.pipeline.results import Result

_ENOUGH_SPACE = 256 << 20


class State(Enum):
    """How a finding bears on ``optimize``."""

    PRESENT = "yes"
    ABSENT = "no"
    """Something is lost; ``cost`` says what. ``optimize`` works."""
    FATAL = "NEEDED"
    """``optimize`` cannot work; ``cost`` says what to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about this machine. ``cost`` is empty where nothing is lost."""

    group: str
    subject: str
    state: State
    detail: str = ""
    cost: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis(Result):
    """All findings, in the order in which they are printed; ``usable`` is whether ``optimize`` can work."""

    verb: ClassVar[str] = "doctor"
    usable: bool
    findings: tuple[Finding, ...]


def doctor() -> Diagnosis:
    """Examine this machine. Takes well under a second; changes nothing; raises nothing."""
    findings = tuple(finding for examine in _EXAMINATIONS for finding in examine())
    return Diagnosis(all(f.state is not State.FATAL for f in findings), findings)


def _processor() -> Iterator[Finding]:
    machine = f"{platform.system()} {platform.machine()}"
    if machine != "Linux x86_64":
        yield Finding(
            "processor", "architecture", State.FATAL, machine, "Burnish runs on Linux on x86-64 only."
        )
        return
    yield Finding("processor", "name", State.PRESENT, host.processor_name())
    try:
        from llvmlite import binding
    except ImportError as error:
        yield Finding("processor", "LLVM", State.FATAL, str(error), "Install llvmlite: make setup.")
        return
    features: dict[str, bool] = dict(binding.get_host_cpu_features())
    yield Finding(
        "processor", "LLVM's name for it", State.PRESENT, f"{binding.get_host_cpu_name()} (--cpu native)"
    )
    vectors = [name for name in _VECTOR_FEATURES if features.get(name)]
    yield Finding(
        "processor",
        "vector units",
        State.PRESENT if "avx2" in vectors else State.ABSENT,
        " ".join(vectors),
        "" if "avx2" in vectors else "Rebuilding for this processor has little room beyond SSE2.",
    )


_VECTOR_FEATURES = ("sse4.2", "avx", "avx2", "fma", "bmi2", "avx512f", "avx512vl", "avx512bw")


def _kernel() -> Iterator[Finding]:
    yield Finding("kernel", "version", State.PRESENT, platform.release())
    for probe in _PROBES:
        reason = probe.probe()
        facts = [reason] if reason else []
        if probe.setting:
            facts.append(f"{Path(probe.setting).name} = {host.kernel_setting(probe.setting)}")
        state = State.PRESENT if reason is None else State.FATAL if probe.needed else State.ABSENT
        yield Finding("kernel", probe.subject, state, "; ".join(facts), probe.cost if reason else "")


@dataclass(frozen=True, slots=True)
class _Probe:
    subject: str
    probe: Callable[[], str | None]
    cost: str
    setting: str = ""
    needed: bool = False


_PROBES = (
    _Probe(
        "isolated execution",
        host.execute_in_isolation,
        "Nothing can be checked against its original. It needs seccomp filters and unprivileged processes.",
        needed=True,
    ),
    _Probe(
        "sampling by perf_event",
        host.sample_by_kernel,
        "Sampling falls back to SIGPROF, which a program that uses that signal itself disturbs.",
        "kernel/perf_event_paranoid",
    ),
    _Probe(
        "hardware counters",
        host.count_instructions,
        "No counts of instructions, misses or branches; times are measured all the same.",
    ),
    _Probe(
        "ptrace",
        host.attach_to_child,
        "Nothing in this version; attaching to a live process will need it.",
        "kernel/yama/ptrace_scope",
    ),
    _Probe(
        "userfaultfd",
        host.open_userfaultfd,
        "Nothing in this version; watching memory without a signal for each page will need it.",
        "vm/unprivileged_userfaultfd",
    ),
)


def _native_core() -> Iterator[Finding]:
    try:
        importlib.import_module("burnish._native")
    except ImportError as error:
        yield Finding("burnish", "native core", State.FATAL, str(error), "Build it: make setup.")
        return
    yield Finding("burnish", "native core", State.PRESENT, "loads")


def _dependencies() -> Iterator[Finding]:
    yield Finding("burnish", "Python", State.PRESENT, platform.python_version())
    try:
        declared = requires("burnish") or []
    except PackageNotFoundError:
        yield Finding(
            "burnish", "installation", State.FATAL, "not installed as a package", "Install it: make setup."
        )
        return
    for requirement in declared:
        specification, _, marker = requirement.partition(";")
        if "extra" in marker:
            continue
        name, _, wanted = specification.strip().partition("==")
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding("burnish", name, State.FATAL, f"{wanted} is missing", "Install it: make setup.")
            continue
        if wanted and found != wanted:
            yield Finding("burnish", name, State.ABSENT, found, f"Tested with {wanted}: make setup.")
        else:
            yield Finding("burnish", name, State.PRESENT, found)
    yield from _llvm()


def _llvm() -> Iterator[Finding]:
    try:
        from llvmlite import binding
    except ImportError:
        return  # reported with the processor
    numbers = cast("tuple[int, ...]", binding.llvm_version_info)  # pyright: ignore[reportUnknownMemberType]
    yield Finding("burnish", "LLVM", State.PRESENT, ".".join(map(str, numbers)))


def _programs() -> Iterator[Finding]:
    for name, cost in _PROGRAMS:
        path = shutil.which(name)
        if path is None:
            yield Finding("programs", name, State.ABSENT, "", cost)
        else:
            yield Finding("programs", name, State.PRESENT, _version_line(path))


_PROGRAMS = (
    ("gcc", "C source cannot be given as input, and tests that compile skip: apt-get install gcc."),
    ("g++", "The native core cannot be rebuilt: apt-get install g++."),
    ("clang", "Tests of clang's code skip: apt-get install clang."),
    ("objdump", "Tests that compare with it skip: apt-get install binutils."),
    ("perf", "Nothing but a comparison in the tests: Burnish samples by itself."),
)


def _version_line(path: str) -> str:
    try:
        done = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            timeout=10,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"does not run: {error}"
    return done.stdout.partition("\n")[0].strip()


def _extras() -> Iterator[Finding]:
    for module, subject, cost in _OPTIONAL:
        present = importlib.util.find_spec(module) is not None
        yield Finding(
            "extras", subject, State.PRESENT if present else State.ABSENT, "", "" if present else cost
        )


_OPTIONAL = (
    ("torch", "PyTorch", "Nothing in this version; strategies that learn will need it."),
    ("bitwuzla", "Bitwuzla", "Nothing in this version; proofs will need it."),
    ("z3", "Z3", "Nothing in this version; proofs will need it."),
    ("ray", "Ray", "Nothing in this version; work on a cluster will need it."),
    ("frida", "Frida", "Nothing in this version; attaching to a live process will need it."),
    ("pyqbdi", "QBDI", "Functions that cannot be rebuilt are not recorded: pip install 'burnish[qbdi]'."),
)


def _space() -> Iterator[Finding]:
    directory = tempfile.gettempdir()
    try:
        free = shutil.disk_usage(directory).free
        writable = os.access(directory, os.W_OK)
    except OSError as error:
        yield Finding("disk", directory, State.FATAL, str(error), "Name another directory with TMPDIR.")
        return
    detail = f"{free / (1 << 30):.1f} GiB free"
    if writable and free >= _ENOUGH_SPACE:
        yield Finding("disk", directory, State.PRESENT, detail)
    else:
        cost = "optimize needs 256 MiB for recordings: free some, or name another directory with TMPDIR."
        yield Finding("disk", directory, State.FATAL, detail if writable else "not writable", cost)


def _processors() -> Iterator[Finding]:
    count = len(os.sched_getaffinity(0))
    cost = "" if count > 1 else "Measurements share the processor with Burnish itself and are noisier."
    yield Finding("processor", "usable cores", State.PRESENT if count > 1 else State.ABSENT, str(count), cost)


_EXAMINATIONS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _processor,
    _processors,
    _kernel,
    _native_core,
    _dependencies,
    _programs,
    _extras,
    _space,
)
