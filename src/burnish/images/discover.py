"""Functions that neither symbols nor ``.eh_frame`` name, found because known ones call them."""

from __future__ import annotations

from dataclasses import replace

from burnish.core.code import Function, Refused
from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import OpCode, Space
from burnish.images.control_flow import control_flow
from burnish.images.functions import name_of, without_overlap


def discover(image: Image) -> Image:
    """``image`` with the functions added that direct calls lead to, to a fixed point, and ``main``, whose address the
    entry point hands on. A function found so ends where the next begins. For images that were stripped of their
    unwind tables, too; it reads all of the code."""
    waiting = list(image.functions)
    while waiting:
        found: set[int] = set()
        for bounds in waiting:
            flow = control_flow(image, bounds, keep_refused=True)
            if not isinstance(flow, Refused):
                found |= _callees(image, flow)
        added = [FunctionBounds(name_of(address), address, 0, "call") for address in sorted(found)]
        image = replace(image, functions=without_overlap(image, [*image.functions, *added]))
        waiting = [bounds for bounds in image.functions if bounds.address in found]
    return image


def _callees(image: Image, flow: Function) -> set[int]:
    """Addresses of code outside all known functions that ``flow`` calls."""
    wanted = {OpCode.CALL: Space.RAM}
    if flow.address == image.entry:
        wanted[OpCode.ADDRESS] = Space.CONST
    targets = {
        op.inputs[0].offset
        for block in flow.blocks
        for op in block.operations
        if op.opcode in wanted and wanted[op.opcode] is op.inputs[0].space
    }
    return {t for t in targets if image.is_code(t) and t not in image.plt and image.bounds_at(t) is None}
