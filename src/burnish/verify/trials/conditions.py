"""Which of many states meet what a specification says of the entry."""

from __future__ import annotations

import numpy as np

from burnish.core.specification import Specification
from burnish.machine.registers import FLAG_OFFSETS, GPR_NAMES
from burnish.runtime.batch import StateBatch
from burnish.verify.conditions import condition_holds
from burnish.verify.trials.outcome import Flags

FLAG_BITS = {"cf": 0, "pf": 2, "af": 4, "zf": 6, "sf": 7, "df": 10, "of": 11}


def holds(specification: Specification, states: StateBatch, row: int) -> bool:
    """True where state ``row`` meets all conditions. Memory that it does not have meets none."""
    return all(_holds(text, states, row) for text in specification.conditions)


def all_that_hold(specification: Specification, states: StateBatch) -> Flags:
    """True for each state that meets all conditions."""
    if not specification.conditions:
        return np.ones(len(states), np.bool_)
    return np.array([holds(specification, states, row) for row in range(len(states))], np.bool_)


def _holds(text: str, states: StateBatch, row: int) -> bool:
    def register(name: str) -> int:
        if name.startswith("xmm"):
            low, high = states.xmm[row, int(name[3:])].tolist()
            return low | high << 64
        if name in FLAG_OFFSETS:
            return int(states.flags[row]) >> FLAG_BITS[name] & 1
        return int(states.gpr[row, GPR_NAMES.index(name)])

    def read(address: int, size: int) -> bytes:
        for window in states.windows:
            if window.address <= address and address + size <= window.end:
                held = window.contents if window.contents.ndim == 1 else window.contents[row]
                return held[address - window.address :][:size].tobytes()
        raise LookupError(hex(address))

    try:
        return condition_holds(text, register, read)
    except LookupError:
        return False
