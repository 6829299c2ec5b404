"""Small rewrites before analysis, so that no analysis needs to know them: ``xor x, x``, ``or x, -1`` and their like
become the constants that they make."""

from __future__ import annotations

from dataclasses import replace

from burnish.core.code import Block, Function
from burnish.core.pcode import OpCode, Operation, Space, Varnode

_ZEROING = (OpCode.INT_XOR, OpCode.INT_SUB)
_FLAGS_OF_EQUAL = {OpCode.INT_LESS: 0, OpCode.INT_SBORROW: 0, OpCode.INT_EQUAL: 1}


def canonical(function: Function) -> Function:
    """The same function with ``xor x, x`` and its like replaced by what they compute."""
    return replace(function, blocks=tuple(map(_canonical_block, function.blocks)))


def _canonical_block(block: Block) -> Block:
    operations = tuple(map(_rewritten, block.operations))
    return block if operations == block.operations else replace(block, operations=operations)


def _rewritten(operation: Operation) -> Operation:
    opcode, output, inputs, lane = operation
    if output is None or len(inputs) != 2:
        return operation
    constant = inputs[1]
    if opcode is OpCode.INT_OR and constant == Varnode(Space.CONST, (1 << 8 * output.size) - 1, output.size):
        return Operation(OpCode.COPY, output, (constant,))
    if inputs[0] != inputs[1] or inputs[0].space is Space.CONST:
        return operation
    if opcode in _ZEROING:
        return Operation(OpCode.COPY, output, (Varnode(Space.CONST, 0, output.size),))
    if lane:
        if opcode is OpCode.INT_EQUAL:
            ones = (1 << 8 * output.size) - 1
            return Operation(OpCode.COPY, output, (Varnode(Space.CONST, ones, output.size),))
        return operation
    if opcode in _FLAGS_OF_EQUAL:
        return Operation(OpCode.COPY, output, (Varnode(Space.CONST, _FLAGS_OF_EQUAL[opcode], output.size),))
    return operation
