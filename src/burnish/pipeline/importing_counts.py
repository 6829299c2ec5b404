"""Counts of a profiler's file, as counts of a function's blocks and edges."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from burnish.analyze.conservation import Counted, CountedEdges, complete
from burnish.analyze.shapes import BlockShape, block_shapes
from burnish.core.code import Block, Function, Label, successors
from burnish.core.image import Image
from burnish.core.pcode import OpCode
from burnish.core.recording import Edge, EdgeKind, Ending
from burnish.record.imports.parsed import Jumps, ParsedRun

_CALLS = (OpCode.CALL, OpCode.CALLIND)
_REPEATS = frozenset({0xA4, 0xA5, 0xAA, 0xAB, 0xA6, 0xA7, 0xAE, 0xAF, 0xAC, 0xAD})
"""Opcodes of string instructions: with a prefix, profilers count each of their rounds."""


@dataclass(frozen=True, slots=True)
class FunctionCounts:
    """Shapes of a function's blocks with the entries of each, and its edges; None where the file does not tell."""

    shapes: Mapping[Label, BlockShape]
    entered: Counted
    taken: CountedEdges


def function_counts(
    function: Function, image: Image, path: str, run: ParsedRun, falls_known: bool
) -> FunctionCounts:
    """What ``run`` says of a function of the image at ``path``. ``falls_known`` says that ways that fall through and
    are not in the file were never taken."""
    shapes = {shape.label: shape for shape in block_shapes(function)}
    if path in run.executed:
        entered, taken = _executed(function, image, path, run, shapes)
    else:
        entered, taken = _jumped(function, path, run, shapes, falls_known)
    return FunctionCounts(shapes, entered, taken)


def _executed(
    function: Function, image: Image, path: str, run: ParsedRun, shapes: Mapping[Label, BlockShape]
) -> tuple[Counted, CountedEdges]:
    """From executions of each instruction, and jumps where they were collected."""
    executed, jumps = run.executed[path], run.jumps.get(path, Jumps())
    entered: Counted = {}
    taken: CountedEdges = {}
    for block in function.blocks:
        marks = [address for address, _ in block.marks if not _repeats(image, address)]
        begins = bool(block.marks) and block.label.part == 0
        entered[block.label] = executed.get(marks[0], 0) if begins and marks else None
        shape = shapes[block.label]
        left = executed.get(shape.last, 0) if marks and marks[-1] == shape.last else None
        ways = successors(block.terminator)
        for target in ways:
            edge = Edge(block.label, target)
            jump = jumps.get((shape.last, target.address), 0)
            match shape.kind(target):
                case EdgeKind.JUMP | EdgeKind.FALLTHROUGH if len(ways) == 1:
                    # After a call it may not get here.
                    taken[edge] = None if _ends_in_call(block) else left
                case EdgeKind.FALLTHROUGH:
                    known = run.jumps_collected and left is not None and shape.taken is not None
                    over = jumps.get((shape.last, shape.taken.address), 0) if shape.taken is not None else 0
                    taken[edge] = max(0, (left or 0) - over) if known else None
                case _:
                    known = run.jumps_collected and target.part == 0
                    taken[edge] = jump if known else None
    conserving = [block.label for block in function.blocks if not _calls(block)]
    complete(function.blocks[0].label, entered, taken, conserving, None)
    return entered, taken


def _jumped(
    function: Function, path: str, run: ParsedRun, shapes: Mapping[Label, BlockShape], falls_known: bool
) -> tuple[Counted, CountedEdges]:
    """From jumps and, where they are in the file, stretches that were run straight through."""
    jumps, runs = run.jumps.get(path, Jumps()), run.runs.get(path, Jumps())
    through = _passed(function, shapes, runs)
    entered: Counted = dict.fromkeys(shapes)
    taken: CountedEdges = {}
    for block in function.blocks:
        shape = shapes[block.label]
        for target in successors(block.terminator):
            edge = Edge(block.label, target)
            falls = shape.kind(target) is EdgeKind.FALLTHROUGH
            seen = jumps.get((shape.last, target.address), 0) + (through.get(edge, 0) if falls else 0)
            taken[edge] = None if falls and not falls_known and not seen else seen
    entry = function.blocks[0].label
    # Nothing says how often a call returns: what is known of them is that most do.
    conserving = [label for label, shape in shapes.items() if shape.ending not in _LEAVES]
    calls = run.entries.get(path, Counter[int]())[entry.address] if falls_known else None
    complete(entry, entered, taken, () if falls_known else conserving, calls)
    return entered, taken


_LEAVES = (Ending.RETURN, Ending.TAIL_CALL, Ending.STOPS)


def _passed(
    function: Function, shapes: Mapping[Label, BlockShape], runs: Mapping[tuple[int, int], int]
) -> dict[Edge, int]:
    """How often stretches of straight code passed from each block into the next one."""
    inside = [s for s in shapes.values() if s.instructions]
    inside.sort(key=lambda shape: shape.label)
    starts = [shape.label.address for shape in inside]
    if not starts:
        return {}
    found: dict[Edge, int] = {}
    low, high = starts[0], inside[-1].last
    for (begin, end), count in runs.items():
        if begin > high or end < low:
            continue
        # Blocks that begin behind the start of the stretch were fallen into.
        for index in range(max(1, bisect_left(starts, begin + 1)), len(starts)):
            if starts[index] > end:
                break
            edge = Edge(inside[index - 1].label, inside[index].label)
            found[edge] = found.get(edge, 0) + count
    return found


def has_falls(function: Function, jumps: Jumps) -> bool:
    """True if the file has a way that falls through within this function: then it has all of them."""
    for shape, block in zip(block_shapes(function), function.blocks, strict=True):
        for target in successors(block.terminator):
            if shape.kind(target) is EdgeKind.FALLTHROUGH and (shape.last, target.address) in jumps:
                return True
    return False


def _calls(block: Block) -> bool:
    return any(operation.opcode in _CALLS for operation in block.operations)


def _ends_in_call(block: Block) -> bool:
    return bool(block.operations) and block.operations[-1].opcode in _CALLS


def _repeats(image: Image, address: int) -> bool:
    """True for a string instruction with a prefix."""
    code = image.read(address, 4) or b""
    return code[:1] in (b"\xf3", b"\xf2") and any(byte in _REPEATS for byte in code[1:3])
