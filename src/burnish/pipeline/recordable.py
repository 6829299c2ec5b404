"""What must be so before a program can be recorded; said before anything is run."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from burnish.core.errors import ImageError, TargetError
from burnish.images.elf_layout import DF_1_PIE, DT_FLAGS_1, ET_DYN, PF_X, PT_INTERP, ElfLayout, read_layout
from burnish.images.file_check import read_elf
from burnish.pipeline.workload import interpreter_of

_IMPORTED = b"\0arch_prctl\0"
_GLIBC = "ld-linux-x86-64.so.2"
_CAPABILITIES = "security.capability"
_SETS_GS = re.compile(
    rb"\xf3(?:[\x48\x49]|[\x41])?\x0f\xae[\xd8-\xdf]"  # wrgsbase
    # mov to eax 158 (arch_prctl) and to edi 0x1001 (ARCH_SET_GS), in either order, then syscall
    rb"|\xb8\x9e\x00\x00\x00.{0,32}?\xbf\x01\x10\x00\x00.{0,32}?\x0f\x05"
    rb"|\xbf\x01\x10\x00\x00.{0,32}?\xb8\x9e\x00\x00\x00.{0,32}?\x0f\x05"
    # the same through syscall(SYS_arch_prctl, ARCH_SET_GS, …)
    rb"|\xbf\x9e\x00\x00\x00.{0,32}?\xbe\x01\x10\x00\x00|\xbe\x01\x10\x00\x00.{0,32}?\xbf\x9e\x00\x00\x00",
    re.DOTALL,
)
"""How code gives gs a base of its own (Intel's manual, volume 2, WRGSBASE; arch_prctl(2)). Compilers put the constants
next to the call."""


def check_recordable(program: Path, named: str) -> None:
    """Raise ``ImageError`` for what is no program that can be recorded, ``TargetError`` where the loader would not let
    us in. ``named`` is what the user called it."""
    try:
        data = read_elf(program)
    except ImageError as error:
        interpreter = interpreter_of(program)
        if interpreter is None:
            raise
        raise ImageError(
            f"{program} is a script; record its interpreter, burnish record -- {interpreter} {named}, or the program "
            "that it runs."
        ) from error
    layout = read_layout(program)
    _check_loader(program, layout)
    _check_privileges(program)
    code = [data[s.offset : s.offset + s.filesz] for s in layout.loads if s.flags & PF_X]
    if _IMPORTED in data or any(_SETS_GS.search(part) for part in code):
        raise ImageError(
            f"{program} uses the segment register gs itself, which recording needs; sample it with perf record and "
            "read that with burnish import."
        )


def _check_loader(program: Path, layout: ElfLayout) -> None:
    segment = layout.segment(PT_INTERP)
    if segment is None:
        flags = [value for tag, value in layout.dynamic() if tag == DT_FLAGS_1]
        if layout.header.type == ET_DYN and not any(value & DF_1_PIE for value in flags):
            raise ImageError(
                f"{program} is a shared library; give a program that uses it: hot functions of libraries are recorded "
                "too."
            )
        raise ImageError(
            f"{program} is statically linked: nothing can be preloaded into it, so it cannot be recorded; link it "
            "dynamically."
        )
    loader = (
        layout.data[segment.offset : segment.offset + segment.filesz].rstrip(b"\0").decode(errors="replace")
    )
    if Path(loader).name != _GLIBC:
        raise ImageError(
            f"{program} is run by {loader}; only programs of the GNU C library ({_GLIBC}) can be recorded."
        )


def _check_privileges(program: Path) -> None:
    """The loader ignores LD_PRELOAD for a program that gets privileges (ld.so(8), secure-execution mode), and a copy
    of it would not get them."""
    status = program.stat()
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        return
    gained = ""
    if status.st_mode & stat.S_ISUID and status.st_uid != os.geteuid():
        gained = "set-user-ID"
    elif status.st_mode & stat.S_ISGID and status.st_mode & stat.S_IXGRP and status.st_gid != os.getegid():
        gained = "set-group-ID"
    elif _has_capabilities(program) and os.geteuid() != 0:
        gained = "given capabilities"
    if gained:
        raise TargetError(
            f"{program} is {gained}: it gets rights that a recorded copy would not have; record a copy without them, "
            "or as the user that has them."
        )


def _has_capabilities(program: Path) -> bool:
    try:
        return bool(os.getxattr(program, _CAPABILITIES))
    except OSError:
        return False
