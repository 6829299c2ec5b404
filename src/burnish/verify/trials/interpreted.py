"""The run of a test's original, once more in the concrete domain: with all that it loads and stores in view.

What runs is the machine code that ran natively, stubs of callees included, in the same memory; and it must end as it
ended there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from burnish.core.code import Instruction
from burnish.core.image import Access
from burnish.core.state import Finished, MachineState, MemoryRegion
from burnish.domains.concrete import ConcreteDomain, run
from burnish.machine.lift import lift
from burnish.runtime.batch import DEFAULT_RETURN_ADDRESS, Window
from burnish.verify.trials.single import GivenTest

MOST_STEPS = 1_000_000
"""Operations of p-code."""
_PAGE = 4096
_LONGEST = 15
"""Bytes of an instruction."""
_SLACK = b"\xa5" * _PAGE
"""What is on a page of a window beyond it: ``slack_byte`` of native/executor.h."""


class _Code(Mapping[int, Instruction]):
    """The instructions in executable memory, each lifted when control first gets to it."""

    def __init__(self, regions: Sequence[MemoryRegion]) -> None:
        self._regions = regions
        self._known: dict[int, Instruction] = {}

    def __getitem__(self, address: int) -> Instruction:
        if address not in self._known:
            region = next((one for one in self._regions if one.address <= address < one.end), None)
            if region is None:
                raise KeyError(address)
            offset = address - region.address
            self._known[address] = lift(region.data[offset : offset + _LONGEST], address)
        return self._known[address]

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def entry_of(test: GivenTest) -> MachineState:
    """The state in which the original was entered."""
    states = replace(test.states, windows=(*test.states.windows, *test.setting.constants))
    registers = [int(value) for value in states.gpr[0]]
    back = test.setting.placement.return_address or DEFAULT_RETURN_ADDRESS
    regions = [MemoryRegion(window.address, _bytes_of(window), window.access) for window in states.windows]
    regions += [
        MemoryRegion(test.native.address, test.native.data, Access.READ),
        MemoryRegion(test.setting.rsp, back.to_bytes(8, "little"), Access.READ | Access.WRITE),
    ]
    return MachineState(
        tuple(registers),
        tuple(int(low) | int(high) << 64 for low, high in states.xmm[0]),
        int(states.flags[0]),
        memory=_whole_pages(regions),
        fs_base=states.fs_base,
    )


def interpret(test: GivenTest, domain: ConcreteDomain) -> bool:
    """Runs the original in ``domain``, made of ``entry_of``; False where it does not end as it did on the processor."""
    if test.void:
        return False
    executable = [
        MemoryRegion(window.address, _bytes_of(window), window.access)
        for window in test.setting.constants
        if Access.EXECUTE in window.access
    ]
    code = _Code([*executable, MemoryRegion(test.native.address, test.native.data, Access.EXECUTE)])
    outcome = run(code, entry_of(test), MOST_STEPS, start=test.native.address, domain=domain)
    return isinstance(outcome, Finished) and _ends_as(test, outcome.state)


def _ends_as(test: GivenTest, state: MachineState) -> bool:
    if [int(value) for value in test.expected.gpr[0]] != list(state.gpr):
        return False
    held = [window for window in test.states.windows if window.is_result]
    pages = {region.address: region.data for region in state.memory}
    return all(
        contents[0].tobytes() == _read(pages, window.address, window.size)
        for window, contents in zip(held, test.expected.windows, strict=True)
    )


def _bytes_of(window: Window) -> bytes:
    contents = window.contents if window.contents.ndim == 1 else window.contents[0]
    return np.ascontiguousarray(contents).tobytes()


def _read(pages: Mapping[int, bytes], address: int, size: int) -> bytes:
    first, last = address // _PAGE, (address + size - 1) // _PAGE
    data = b"".join(pages[number * _PAGE] for number in range(first, last + 1))
    return data[address - first * _PAGE :][:size]


def _whole_pages(regions: Sequence[MemoryRegion]) -> tuple[MemoryRegion, ...]:
    """Memory as it is mapped: pages. Later regions come over earlier ones."""
    pages: dict[int, bytearray] = {}
    access: dict[int, Access] = {}
    for region in regions:
        at = region.address
        while at < region.end:
            number, offset = divmod(at, _PAGE)
            part = region.data[at - region.address :][: _PAGE - offset]
            pages.setdefault(number, bytearray(_SLACK))[offset : offset + len(part)] = part
            access[number] = access.get(number, Access.READ) | region.access
            at += len(part)
    return tuple(MemoryRegion(number * _PAGE, bytes(data), access[number]) for number, data in pages.items())
