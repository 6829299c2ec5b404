"""Whether two runs that came to a system call ask the kernel for the same: its number, arguments and data.

Only what the kernel looks at is compared; registers beyond a call's arguments hold anything. Arguments: the manual
pages of section 2; numbers: arch/x86/entry/syscalls/syscall_64.tbl of Linux.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from typing import assert_never

from burnish.runtime.bounded_run import AnsweredCall, SystemCallReached
from burnish.runtime.ptrace import Memory


class Kind(Enum):
    """What an argument is."""

    WORD = "64-bit value"
    INT = "32-bit value"
    POINTER = "address that the kernel writes to, or whose content is not compared"
    STRING = "text"
    BUFFER = "bytes; their number is the next argument"
    VECTOR = "array of (address, size); their number is the next argument"


_W, _I, _P, _S, _B, _V = Kind.WORD, Kind.INT, Kind.POINTER, Kind.STRING, Kind.BUFFER, Kind.VECTOR

_CALLS: dict[int, tuple[str, tuple[Kind, ...]]] = {
    0: ("read", (_I, _P, _W)),
    1: ("write", (_I, _B, _W)),
    2: ("open", (_S, _I)),
    3: ("close", (_I,)),
    4: ("stat", (_S, _P)),
    5: ("fstat", (_I, _P)),
    6: ("lstat", (_S, _P)),
    7: ("poll", (_P, _I, _I)),
    8: ("lseek", (_I, _W, _I)),
    9: ("mmap", (_W, _W, _I, _I, _I, _W)),
    13: ("rt_sigaction", (_I, _P, _P, _W)),
    16: ("ioctl", (_I, _I)),
    17: ("pread64", (_I, _P, _W, _W)),
    18: ("pwrite64", (_I, _B, _W, _W)),
    19: ("readv", (_I, _P, _W)),
    20: ("writev", (_I, _V, _W)),
    21: ("access", (_S, _I)),
    22: ("pipe", (_P,)),
    32: ("dup", (_I,)),
    33: ("dup2", (_I, _I)),
    35: ("nanosleep", (_P, _P)),
    44: ("sendto", (_I, _B, _W, _I, _P, _I)),
    45: ("recvfrom", (_I, _P, _W, _I, _P, _P)),
    46: ("sendmsg", (_I, _P, _I)),
    47: ("recvmsg", (_I, _P, _I)),
    59: ("execve", (_S, _P, _P)),
    60: ("exit", (_I,)),
    61: ("wait4", (_I, _P, _I, _P)),
    62: ("kill", (_I, _I)),
    72: ("fcntl", (_I, _I)),
    73: ("flock", (_I, _I)),
    74: ("fsync", (_I,)),
    77: ("ftruncate", (_I, _W)),
    80: ("chdir", (_S,)),
    82: ("rename", (_S, _S)),
    83: ("mkdir", (_S, _I)),
    87: ("unlink", (_S,)),
    90: ("chmod", (_S, _I)),
    96: ("gettimeofday", (_P, _P)),
    201: ("time", (_P,)),
    202: ("futex", (_P, _I, _I)),
    217: ("getdents64", (_I, _P, _I)),
    228: ("clock_gettime", (_I, _P)),
    230: ("clock_nanosleep", (_I, _I, _P, _P)),
    231: ("exit_group", (_I,)),
    234: ("tgkill", (_I, _I, _I)),
    257: ("openat", (_I, _S, _I)),
    262: ("newfstatat", (_I, _S, _P, _I)),
    263: ("unlinkat", (_I, _S, _I)),
    302: ("prlimit64", (_I, _I, _P, _P)),
    318: ("getrandom", (_P, _W, _I)),
    332: ("statx", (_I, _S, _I, _I, _P)),
}

_MOST = 16 << 20
_TEXT = 4096

IsDead = Callable[[int], bool]


@dataclass(frozen=True, slots=True)
class Side:
    """A system call that one run came to, and that run's memory."""

    call: SystemCallReached
    memory: Memory


def call_name(number: int) -> str:
    """``write`` for 1; ``system call 999`` for those not in the table."""
    return _CALLS[number][0] if number in _CALLS else f"system call {number}"


def call_differences(original: Side, rebuilt: Side, is_dead: IsDead) -> tuple[str, ...]:
    """Sentences that say what differs. ``is_dead`` tells addresses in the dead frame, where each of the two has
    its own layout: two such addresses are not compared, what lies there is. Calls that are not in the table are
    compared by number only."""
    if original.call.number != rebuilt.call.number:
        names = call_name(original.call.number), call_name(rebuilt.call.number)
        return (f"The original makes the system call {names[0]}, the rebuilt code {names[1]}.",)
    name, kinds = _CALLS.get(original.call.number, ("", ()))
    found: list[str] = []
    for index, kind in enumerate(kinds):
        first, second = original.call.arguments[index], rebuilt.call.arguments[index]
        if not _same(kind, original, rebuilt, index, is_dead):
            found.append(
                f"Argument {index + 1} of the system call {name} ({kind.value}) differs: {first:#x} in the "
                f"original, {second:#x} in the rebuilt code."
            )
    return tuple(found)


def answered_differences(
    original: Sequence[AnsweredCall], rebuilt: Sequence[AnsweredCall], is_dead: IsDead
) -> tuple[str, ...]:
    """Sentences that say where two runs differ in the calls that they made on the way and that were answered."""
    for index, (first, second) in enumerate(zip_longest(original, rebuilt), 1):
        if first is None or second is None:
            who = "original" if second is None else "rebuilt code"
            return (f"Only the {who} makes a system call number {index}.",)
        if first.number != second.number:
            names = call_name(first.number), call_name(second.number)
            return (
                f"System call number {index} is {names[0]} in the original, {names[1]} in the rebuilt code.",
            )
        name, kinds = _CALLS[first.number]
        for place, kind in enumerate(kinds):
            left, right = first.arguments[place], second.arguments[place]
            match kind:
                case Kind.INT:
                    same = left & 0xFFFFFFFF == right & 0xFFFFFFFF
                case Kind.BUFFER:
                    same = first.data == second.data
                case Kind.POINTER:
                    same = left == right or (is_dead(left) and is_dead(right))
                case _:
                    same = left == right
            if not same:
                return (
                    f"Argument {place + 1} of the system call {name} ({kind.value}), number {index}, differs: "
                    f"{left:#x} in the original, {right:#x} in the rebuilt code.",
                )
    return ()


def _same(kind: Kind, original: Side, rebuilt: Side, index: int, is_dead: IsDead) -> bool:
    first, second = original.call.arguments[index], rebuilt.call.arguments[index]
    match kind:
        case Kind.WORD:
            return first == second
        case Kind.INT:
            return first & 0xFFFFFFFF == second & 0xFFFFFFFF
        case Kind.POINTER:
            return first == second or (is_dead(first) and is_dead(second))
        case Kind.STRING:
            return _text(original, index) == _text(rebuilt, index)
        case Kind.BUFFER:
            return _buffer(original, index) == _buffer(rebuilt, index)
        case Kind.VECTOR:
            return _vector(original, index) == _vector(rebuilt, index)
        case _:
            assert_never(kind)


def _text(side: Side, index: int) -> bytes:
    return side.memory.read(side.call.arguments[index], _TEXT).partition(b"\0")[0]


def _buffer(side: Side, index: int) -> bytes:
    return side.memory.read(side.call.arguments[index], min(side.call.arguments[index + 1], _MOST))


def _vector(side: Side, index: int) -> bytes:
    count = min(side.call.arguments[index + 1], 1024)
    table = side.memory.read(side.call.arguments[index], 16 * count)
    words = memoryview(table[: len(table) // 16 * 16]).cast("Q").tolist()
    pairs = zip(words[::2], words[1::2], strict=True)
    return b"".join(side.memory.read(address, min(size, _MOST)) for address, size in pairs)
