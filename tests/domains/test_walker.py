"""The walker's bookkeeping of parts of registers, against plain bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.core.state import MachineState
from burnish.domains.concrete import ConcreteDomain
from burnish.domains.walker import Walker
from burnish.machine.registers import CELLS, gpr, xmm

RAX = 0x1122334455667788
XMM3 = 0x00112233445566778899AABBCCDDEEFF


def fresh() -> Walker[int]:
    gprs = (RAX, *range(1, 16))
    vectors = (0, 1, 2, XMM3, *range(4, 16))
    return Walker(ConcreteDomain(MachineState(gpr=gprs, xmm=vectors, flags=0x41)))


def parts(cell: str) -> st.SearchStrategy[tuple[int, int, int]]:
    """(offset, size, value) within a cell."""
    width = CELLS[cell].size
    sizes = st.sampled_from([n for n in (1, 2, 4, 8, 16) if n <= width])
    return sizes.flatmap(
        lambda size: st.tuples(
            st.integers(0, width - size), st.just(size), st.integers(0, (1 << 8 * size) - 1)
        )
    )


@given(
    st.sampled_from(["rax", "xmm3"]).flatmap(
        lambda c: st.tuples(st.just(c), st.lists(parts(c), max_size=8), parts(c))
    )
)
def test_parts_of_a_register_are_its_bytes(
    case: tuple[str, list[tuple[int, int, int]], tuple[int, int, int]],
) -> None:
    name, writes, (offset, size, _) = case
    cell = CELLS[name]
    plain = bytearray((RAX if name == "rax" else XMM3).to_bytes(cell.size, "little"))
    walker = fresh()
    for start, length, value in writes:
        walker.write(Varnode(Space.REGISTER, cell.offset + start, length), value)
        plain[start : start + length] = value.to_bytes(length, "little")
    got = walker.read(Varnode(Space.REGISTER, cell.offset + offset, size))
    assert got == int.from_bytes(plain[offset : offset + size], "little")
    assert walker.read_cell(cell, 0, cell.size) == int.from_bytes(plain, "little")


def test_flags_and_segment_bases_are_read_from_the_state() -> None:
    walker = fresh()
    assert [walker.read(CELLS[name].varnode) for name in ("cf", "zf", "sf")] == [1, 1, 0]
    assert walker.read(Varnode(Space.REGISTER, 0x110, 8)) == 0


def test_a_temporary_is_read_whole_or_in_its_low_part() -> None:
    walker = fresh()
    walker.step(Operation(OpCode.COPY, Varnode(Space.UNIQUE, 0x100, 8), (gpr("rax"),)))
    assert walker.read(Varnode(Space.UNIQUE, 0x100, 4)) == RAX & 0xFFFFFFFF
    assert walker.read(Varnode(Space.UNIQUE, 0x100, 8)) == RAX
    for offset, size in ((0x100, 16), (0x104, 4), (0x200, 1)):
        with pytest.raises(KeyError, match="before it is written"):
            walker.read(Varnode(Space.UNIQUE, offset, size))


def test_high_and_low_bytes_do_not_disturb_each_other() -> None:
    walker = fresh()
    walker.write(Varnode(Space.REGISTER, 1, 1), 0xAB)
    walker.write(gpr("rax", 1), 0xCD)
    assert walker.read(gpr("rax")) == 0x112233445566ABCD


def test_a_write_of_half_a_vector_keeps_the_other() -> None:
    walker = fresh()
    walker.write(xmm(3, 8), 5)
    assert walker.read(xmm(3)) == (XMM3 >> 64 << 64) | 5
