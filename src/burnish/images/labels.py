"""Which labels of hand-written assembly begin a function, where nothing says so."""

from __future__ import annotations

from collections.abc import Set

from burnish.images.control_shapes import is_padding, is_relative_jump, leaves
from burnish.machine.encoding import decode
from burnish.machine.refusals import is_trap


def function_labels(code: bytes, labels: Set[int]) -> frozenset[int]:
    """Of ``labels``, offsets in a section's ``code``, those to which neither a jump nor falling through leads."""
    jumped_to: set[int] = set()
    run_into: set[int] = set()
    offset, falls = 0, False
    while offset < len(code):
        if falls:
            run_into.add(offset)
        shape = decode(code, offset)
        if shape is None:
            break
        end = offset + shape.size
        if is_relative_jump(shape):
            jumped_to.add(end + shape.immediate)
        if not is_padding(code[offset:end], shape):
            falls = not (leaves(shape) or is_trap(code[offset:end]))
        offset = end
    return frozenset(labels - jumped_to - run_into)
