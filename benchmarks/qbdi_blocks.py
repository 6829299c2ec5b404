"""A peer of ``recording_cost.py``: the order of all blocks as a script for QBDI writes it down, a callback each.

It runs in the target: ``python -m pyqbdipreload benchmarks/qbdi_blocks.py PROGRAM ARGUMENTS``.
"""

from __future__ import annotations

from array import array
from importlib import import_module
from typing import Any

qbdi: Any = import_module("pyqbdi")


def pyqbdipreload_on_run(vm: Any, start: int, stop: int) -> None:
    """Called instead of ``main``: runs it, in everything but the C library and Python."""
    note, go_on = array("Q").append, qbdi.CONTINUE

    def enter(vm: Any, state: Any, gpr: Any, fpr: Any, data: Any) -> Any:
        note(state.basicBlockStart)
        return go_on

    vm.addVMEventCB(qbdi.BASIC_BLOCK_ENTRY, enter, None)
    vm.run(start, stop)
