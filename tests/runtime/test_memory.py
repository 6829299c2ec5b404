"""Code in this process: where it lands, that it runs, and what its cycles cost."""

from __future__ import annotations

import ctypes
import time
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from burnish import _native
from burnish.core.errors import HostError, ImageError
from burnish.runtime.memory import allocate_near, function_pointer, load_library

Assemble = Callable[[str], bytes]


def protection(address: int) -> str | None:
    """As the kernel says; None where nothing is mapped."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(value, 16) for value in line.split()[0].split("-"))
        if start <= address < end:
            return line.split()[1]
    return None


def test_code_runs_and_is_never_writable_and_executable(assemble: Assemble) -> None:
    libc = load_library("libc.so.6")
    with allocate_near(libc.base, 100) as memory:
        assert memory.size == 4096
        assert protection(memory.address) == "r-xp"
        add = memory.write(0, assemble("lea rax, [rdi + rsi * 2]\n ret"))
        other = memory.write(64, assemble("mov eax, edi\n imul eax, eax\n ret"))
        assert protection(memory.address) == "r-xp"
        assert function_pointer(add, ctypes.c_long, ctypes.c_long, ctypes.c_long)(1, -4) == -7
        assert function_pointer(other, ctypes.c_uint, ctypes.c_uint)(1 << 16 | 3) == 393225
        assert ctypes.string_at(memory.address + 128, 16) == b"\xcc" * 16
        address = memory.address
    assert protection(address) is None
    with pytest.raises(ValueError, match="given back"):
        memory.write(0, b"\xc3")
    memory.close()


@pytest.mark.parametrize("size", [1, 4096, 4097, 1 << 20, 100 << 20])
def test_near_means_within_a_32_bit_displacement(size: int) -> None:
    executable = min(int(line.split("-")[0], 16) for line in Path("/proc/self/maps").read_text().splitlines())
    for address in (load_library("libc.so.6").base, executable, 0x10000, 0x1234_5678_9000):
        with allocate_near(address, size) as memory:
            assert memory.size >= size
            for end in (memory.address, memory.end):
                assert -(1 << 31) <= end - address < 1 << 31


def test_several_near_the_same_address_do_not_overlap() -> None:
    base = load_library("libc.so.6").base
    memories = [allocate_near(base, 10_000) for _ in range(20)]
    try:
        ranges = sorted((memory.address, memory.end) for memory in memories)
        assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
    finally:
        for memory in memories:
            memory.close()


def test_what_cannot_be_had() -> None:
    base = load_library("libc.so.6").base
    with pytest.raises(HostError, match="within 2 GiB"):
        allocate_near(base, 5 << 30)
    with pytest.raises(ValueError, match="positive"):
        allocate_near(base, 0)
    with allocate_near(base, 1) as memory:
        for offset, size in ((-1, 1), (4096, 1), (4090, 7)):
            with pytest.raises(ValueError, match="do not fit"):
                memory.write(offset, bytes(size))
    with pytest.raises(ImageError, match=r"cannot load libno-such-library\.so"):
        load_library("libno-such-library.so")


def test_a_call_into_the_library_beside_it(assemble: Assemble) -> None:
    """Code that reaches libz's ``crc32`` by a 32-bit displacement, found as base plus image address."""
    library = load_library("libz.so.1")
    with library.path.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".dynsym")
        assert isinstance(table, SymbolTableSection)
        offset = table.get_symbol_by_name("crc32")[0]["st_value"]
    target = library.base + offset
    assert ctypes.cast(library.handle.crc32, ctypes.c_void_p).value == target
    with allocate_near(target, 16) as memory:
        displacement = target - (memory.address + 5)
        memory.write(0, b"\xe9" + displacement.to_bytes(4, "little", signed=True))
        jump = function_pointer(
            memory.address, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_uint
        )
        assert jump(0, b"burnish", 7) == zlib.crc32(b"burnish")


def test_cycles_grow_with_the_work(assemble: Assemble) -> None:
    """A dependent chain of 1000 additions a round cannot take less than 1000 core cycles; the counter's own rate comes
    from the clock."""
    with allocate_near(0x1234_5678_9000, 4096) as memory:
        chain = memory.write(0, assemble("1:\n .rept 100\n add rax, rdx\n .endr\n dec rdi\n jnz 1b\n ret"))
        rounds = [
            (_native.time_calls(chain, [100], 10, 20), _native.time_calls(chain, [1000], 10, 20))
            for _ in range(21)
        ]
        assert all(short.shape == long.shape == (20,) for short, long in rounds)
        assert rounds[0][0].dtype == np.float64
        # The clock of a core changes under load: a ratio is of neighbours.
        assert 8 < np.median([long.min() / short.min() for short, long in rounds]) < 12
        start, clock = _native.time_calls(chain, [10], 1, 1), time.perf_counter()
        total = float(_native.time_calls(chain, [20_000], 1, 50).sum())
        elapsed = time.perf_counter() - clock
        assert start.min() > 0
        assert 0.5e9 < total / elapsed < 8e9, "ticks a second, most of which pass in the calls"


def test_pairs_are_fair_and_tell_the_slower(assemble: Assemble) -> None:
    with allocate_near(0x1234_5678_9000, 4096) as memory:
        loop = memory.write(0, assemble("1: dec rdi\n jnz 1b\n mov rax, rdi\n ret"))
        twice = memory.write(64, assemble("add rdi, rdi\n 1: dec rdi\n jnz 1b\n mov rax, rdi\n ret"))
        one, same = _native.time_pairs(loop, loop, [5000], 3, 301)
        assert 0.9 < np.median(one) / np.median(same) < 1.1
        fast, slow = _native.time_pairs(loop, twice, [5000], 3, 301)
        assert fast.shape == slow.shape == (301,)
        assert 1.7 < np.median(slow) / np.median(fast) < 2.3


def test_arguments_arrive_in_order(assemble: Assemble) -> None:
    buffer = (ctypes.c_uint64 * 6)()
    code = "mov rax, [rsp + 8]\n mov r10, rdi\n" + "\n".join(
        f"mov [r10 + {8 * index}], {name}"
        for index, name in enumerate(["rdi", "rsi", "rdx", "rcx", "r8", "r9"])
    )
    with allocate_near(0x1234_5678_9000, 4096) as memory:
        address = memory.write(0, assemble(code + "\n ret"))
        arguments = [ctypes.addressof(buffer), 2, 3, 1 << 63, 5, 6]
        _native.time_calls(address, arguments, 1, 1)
        assert list(buffer) == arguments
        with pytest.raises(ValueError, match="six"):
            _native.time_calls(address, [*arguments, 7], 1, 1)
        with pytest.raises(ValueError, match="positive"):
            _native.time_calls(address, arguments, 0, 1)
