"""A process that runs already, and whether it can be recorded: each reason against it is one sentence."""

from __future__ import annotations

import os
from collections.abc import Mapping as MappingType
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from burnish.core.errors import HostError, ImageError, TargetError, UsageError
from burnish.images.elf_layout import PF_X, ElfLayout, read_layout
from burnish.runtime.address_space import Mapping, image_base, read_mappings
from burnish.runtime.attached import state, status_fields
from burnish.runtime.ptrace import GoneError, Memory

_PF_W = 2
_DELETED = " (deleted)"
_THROWING = (b"_Unwind_RaiseException", b"__cxa_throw")
_UNWINDER = "libgcc_s.so"


@dataclass(frozen=True, slots=True)
class LiveTarget:
    """A process that can be recorded."""

    pid: int
    program: Path
    argv: tuple[str, ...]
    environment: MappingType[str, str] = field(repr=False)

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """What is mapped now."""
        return read_mappings(self.pid)

    def base(self, path: Path, layout: ElfLayout) -> int:
        """What to add to an image address of a file to get an address in the process. Raises ``TargetError`` where the
        process has not loaded what is in the file now."""
        base = image_base(self.mappings, path.resolve(), layout)
        if base is None:
            raise TargetError(f"Process {self.pid} has not loaded {path}, or the file was replaced since.")
        with Memory(self.pid) as memory:
            for segment in layout.loads:
                if segment.flags & _PF_W:
                    continue
                found = memory.read(base + segment.vaddr, segment.filesz)
                if found != layout.data[segment.offset : segment.offset + segment.filesz]:
                    raise TargetError(
                        f"Process {self.pid} does not run what is in {path} now: the file was changed, or its code was."
                    )
        return base

    def may_throw(self) -> bool:
        """Whether exceptions may pass through its functions: rebuilt code has no unwind table that is found."""
        files = {m.path for m in self.mappings if m.executable and m.path.startswith("/")}
        for name in files:
            with suppress(ImageError):
                if not Path(name).name.startswith(_UNWINDER) and _throws(read_layout(Path(name))):
                    return True
        return False


def live_target(pid: int) -> LiveTarget:
    """The process ``pid``. Raises ``UsageError``, ``TargetError`` or ``HostError`` where it cannot be recorded."""
    status = status_fields(pid) if pid > 0 else {}
    if not status:
        raise TargetError(f"There is no process {pid}.")
    leader = int(status.get("Tgid", pid))
    if leader != pid:
        raise UsageError(f"{pid} is a thread of process {leader}; give that number.")
    if pid == os.getpid():
        raise UsageError("Burnish cannot record itself.")
    _check_status(pid, status)
    program = _program(pid)
    try:
        with Memory(pid) as memory:
            memory.read(0, 1)
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (GoneError, OSError) as error:
        raise HostError(f"Process {pid} cannot be recorded: its memory may not be read.") from error
    pairs = [os.fsdecode(item).partition("=") for item in variables if item]
    try:
        layout = read_layout(program)
    except ImageError as error:
        raise TargetError(f"Process {pid} cannot be recorded: {error}") from error
    found = LiveTarget(
        pid, program, tuple(map(os.fsdecode, words)), {name: value for name, _, value in pairs}
    )
    found.base(program, layout)
    return found


def _check_status(pid: int, status: MappingType[str, str]) -> None:
    owners = set(status.get("Uid", "").split())
    if owners != {str(os.geteuid())}:
        raise HostError(f"Process {pid} belongs to another user; it cannot be recorded.")
    if int(status.get("TracerPid", "0")):
        tracer = status["TracerPid"]
        raise HostError(f"Process {pid} is traced by process {tracer} already; it cannot be recorded.")
    if status.get("Seccomp", "0") != "0":
        raise HostError(f"Process {pid} may not make all system calls (seccomp); it cannot be recorded.")
    match state(pid, pid):
        case "Z" | "X" if int(status.get("Threads", "1")) <= 1:
            raise TargetError(f"Process {pid} has ended already.")
        case "T":
            raise TargetError(f"Process {pid} is stopped; let it go on with: kill -CONT {pid}.")
        case _:
            pass


def _program(pid: int) -> Path:
    try:
        name = str(Path(f"/proc/{pid}/exe").readlink())
        spaces = [Path(f"/proc/{number}/ns/mnt").stat().st_ino for number in (pid, os.getpid())]
        roots = [Path(f"/proc/{number}/root").stat().st_ino for number in (pid, os.getpid())]
    except FileNotFoundError as error:
        raise TargetError(f"Process {pid} is part of the kernel, or has just ended.") from error
    except OSError as error:
        raise HostError(f"Process {pid} cannot be recorded: {error.strerror}.") from error
    if spaces[0] != spaces[1] or roots[0] != roots[1]:
        raise HostError(f"Process {pid} sees other files than this one (a container); record it from there.")
    if name.endswith(_DELETED):
        raise TargetError(
            f"The program of process {pid} was deleted or replaced: {name.removesuffix(_DELETED)}."
        )
    return Path(name)


def _throws(layout: ElfLayout) -> bool:
    strings = layout.dynamic_strings()
    if strings:
        return any(b"\0" + name + b"\0" in strings for name in _THROWING)
    names = {layout.section_name(section) for section in layout.sections}
    if ".gcc_except_table" not in names:
        return False
    # A static program: without symbols it may be anything.
    return ".symtab" not in names or b"\0__cxa_throw\0" in layout.data


def executable_range(layout: ElfLayout) -> tuple[int, int]:
    """From where to where an image lies, in image addresses: all that its code may refer to."""
    loads = layout.loads
    assert any(segment.flags & PF_X for segment in loads)
    return min(s.vaddr for s in loads), max(s.vaddr + s.memsz for s in loads)
