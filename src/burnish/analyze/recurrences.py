"""What registers say about the loops of a recording: what rounds hand on, and how; live values; pipelines."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from burnish.analyze.exit_values import put_exit_values
from burnish.analyze.graphs import dominators
from burnish.analyze.handed import block_needs, calls_are_chained
from burnish.analyze.live_registers import ArgumentsRead, LiveRegisters, Reads
from burnish.analyze.loop_memory import CodeOf, Memory
from burnish.analyze.loop_values import LoopValues, loop_values
from burnish.analyze.pipelines import stages
from burnish.analyze.program import Program
from burnish.analyze.recurrence_kinds import Cycle, LoopKinds
from burnish.analyze.register_flow import left_for_others
from burnish.analyze.ssa import DIRECT, FRAME, values_of
from burnish.analyze.values import Kind, Node
from burnish.core.code import Branch, Label, Refused
from burnish.core.errors import BurnishError
from burnish.core.structure import Region, Structure
from burnish.core.superblocks import Carried, Flow, Left, Recurrence
from burnish.images import load
from burnish.recompile import Summaries
from burnish.record.code import pieces
from burnish.record.store import Recording


def flows(recording: Recording, program: Program, structure: Structure) -> dict[int, Flow]:
    """What registers say about each region that was entered, by its number. A file that is no longer there, or no
    longer the same, or code that cannot be analysed makes a ``Flow`` that says so."""
    codes, refused = _codes(recording, program, {region.function for region in structure.regions})
    memory = Memory(program, structure, codes)
    found: dict[int, Flow] = {}
    left: dict[int, tuple[Left, ...]] = {}
    trees: dict[int, Mapping[Label, Label]] = {}
    costs = _costs(program, structure)
    for region in structure.regions:
        code = codes.get(region.function)
        if code is None:
            found[region.number] = Flow(region.number, refused=refused[region.function])
            continue
        if region.header is None:
            live_in, live_out = code.registers.function()
            left |= left_for_others(code, _loops(program, code), region.number)
            found[region.number] = Flow(
                region.number,
                live_in,
                live_out,
                handed=block_needs(code),
                chained_calls=region.recursive and calls_are_chained(code, region, structure, program.sites),
            )
            continue
        if region.function not in trees:
            first = code.plan.function.blocks[0].label
            trees[region.function] = dominators(first, code.values.following)
        found[region.number] = _of_loop(
            region, program, code, memory, trees[region.function], costs.get(code.image, {})
        )
    return {
        number: replace(flow, left=left[number]) if number in left and not flow.refused else flow
        for number, flow in found.items()
    }


def _loops(program: Program, code: CodeOf) -> dict[int, tuple[Label, frozenset[Label]]]:
    """Header and blocks of each loop of a function that can be reached, by its number."""
    return {
        loop.number: (code.labels[loop.header], frozenset(code.labels[block] for block in loop.blocks))
        for loop in program.loops
        if loop.function == code.function
        and all(code.labels[block] in code.values.following for block in loop.blocks)
    }


def _costs(program: Program, structure: Structure) -> dict[int, dict[int, float]]:
    """Instructions of a call of each function that ran, by image and address."""
    found: dict[int, dict[int, float]] = {}
    for region in structure.regions:
        if region.header is None:
            row = program.functions[region.function]
            found.setdefault(row["image"], {})[row["address"]] = region.instructions / region.entered
    return found


def _codes(
    recording: Recording, program: Program, wanted: set[int]
) -> tuple[dict[int, CodeOf], dict[int, str]]:
    """The code of functions, by number, and why there is none of the others."""
    codes: dict[int, CodeOf] = {}
    refused: dict[int, str] = {}
    images: dict[int, Summaries | str] = {}
    reads: dict[int, ArgumentsRead] = {}
    changed = set[int]()
    parts = list(pieces(recording))
    for part in parts:
        if part.image not in images:
            images[part.image] = _image(recording, part.image)
        summaries = images[part.image]
        if isinstance(summaries, str):
            continue
        if (summaries.image.read(part.address, len(part.code)) or b"") != part.code:
            changed.add(part.function)
    for number in sorted(wanted):
        row = program.functions[number]
        summaries = images[row["image"]]
        if isinstance(summaries, str):
            refused[number] = summaries
        elif number in changed:
            refused[number] = f"{summaries.image.path} has other code than the recording"
        else:
            if row["image"] not in reads:
                reads[row["image"]] = ArgumentsRead(summaries)
            code = _code(summaries, reads[row["image"]], program, number)
            if isinstance(code, str):
                refused[number] = code
            else:
                codes[number] = code
    return codes, refused


def _image(recording: Recording, number: int) -> Summaries | str:
    recorded = recording.manifest.images[number]
    try:
        image = load(Path(recorded.path))
    except BurnishError as error:
        return str(error)
    if recorded.build_id and image.build_id != recorded.build_id:
        return f"{recorded.path} is not the file that was recorded"
    return Summaries(image)


def _code(summaries: Summaries, reads: Reads, program: Program, number: int) -> CodeOf | str:
    row = program.functions[number]
    bounds = summaries.image.bounds_at(row["address"])
    if bounds is None or bounds.address != row["address"]:
        return f"{summaries.image.path} has no function at {row['address']:#x}"
    plan = summaries.plan(bounds)
    if isinstance(plan, Refused):
        return str(plan)
    labels = {
        block: Label(at["address"], at["part"])
        for block, at in program.blocks.items()
        if at["function"] == number
    }
    if set(labels.values()) != {block.label for block in plan.function.blocks}:
        return "its blocks are not those of the recording"

    def constant(address: int, size: int) -> bytes | None:
        image = summaries.image
        fixed = image.is_constant(address, size) and not any(
            p in image.got or p in image.relative for p in range(address, address + size)
        )
        return image.read(address, size) if fixed else None

    try:
        values = values_of(plan, reads, constant)
    except (KeyError, RecursionError):
        return "its values could not be followed"
    loops = [frozenset(labels[b] for b in loop.blocks) for loop in program.loops if loop.function == number]
    ends = {block.label: block.terminator for block in plan.function.blocks}
    put_exit_values(values, {label: end for label, end in ends.items() if isinstance(end, Branch)}, loops)
    return CodeOf(number, row["image"], plan, values, LiveRegisters(plan, reads), labels)


def _of_loop(
    region: Region,
    program: Program,
    code: CodeOf,
    memory: Memory,
    tree: Mapping[Label, Label],
    called: Mapping[int, float],
) -> Flow:
    loop = program.loops[region.number]
    labels = code.labels
    if any(labels[block] not in code.values.following for block in loop.blocks):
        return Flow(region.number, refused="part of it cannot be reached")
    inner = {
        labels[other.header]: frozenset(labels[block] for block in other.blocks)
        for other in program.loops
        if other.number != loop.number and other.function == loop.function and other.blocks < loop.blocks
    }
    blocks = frozenset(labels[block] for block in loop.blocks)
    values = loop_values(
        code.values, labels[loop.header], blocks, inner, tree, memory.in_loop(region.number, blocks, code)
    )
    values.overwritten = memory.overwritten(region.number)
    kinds = LoopKinds(values)
    live_in, live_out = code.registers.loop(blocks)
    bodies = {block.label: tuple(a for a, _ in block.marks) for block in code.plan.function.blocks}
    entered = {labels[block]: program.blocks[block]["entered"] for block in loop.blocks}
    return Flow(
        region.number,
        live_in,
        live_out,
        tuple(_carried(kinds)),
        kinds.counted,
        stages(kinds, bodies, entered, called),
    )


def _carried(kinds: LoopKinds) -> Iterable[Carried]:
    loop = kinds.loop
    for cycle in sorted(kinds.cycles, key=lambda cycle: min(n.address for n in cycle.nodes)):
        fold = cycle.fold
        yield Carried(
            _places(loop, cycle.roots),
            cycle.kind,
            cycle.step,
            str(fold) if fold else "",
            fold.floating if fold else False,
            _pairs(kinds, cycle),
            _addresses(cycle.nodes),
            cycle.lasts or _distance(loop, cycle),
            fold is not None and fold.ordered,
            _places(loop, cycle.decided_by),
        )
    for phi in kinds.handed:
        kind = Recurrence.RECENT if kinds.is_recent(frozenset((phi,)), 1) else Recurrence.HANDED
        yield Carried(_places(loop, (phi,)), kind, addresses=_addresses(loop.kept_arguments(phi)))


def _places(loop: LoopValues, roots: Iterable[Node]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for node in roots:
        if node.kind is not Kind.PHI or node.place is None:
            found["memory"] = None
            continue
        cell, offset = node.place
        found[f"stack{loop.values.low + offset:+#x}" if cell.name in (FRAME, DIRECT) else cell.name] = None
    return tuple(found)


def _distance(loop: LoopValues, cycle: Cycle) -> int:
    """The least number of rounds on a way from a value of a cycle back to it."""
    starts = [
        need
        for node in cycle.nodes
        for need in loop.out_of[node]
        if need.carried and need.sink in cycle.nodes
    ]
    least = len(starts)
    for start in starts:
        far = {start.sink: 1}
        waiting = deque([start.sink])
        while waiting and start.source not in far:
            node = waiting.popleft()
            for need in loop.out_of[node]:
                if need.sink in cycle.nodes and far[node] + need.carried < far.get(need.sink, least + 1):
                    far[need.sink] = far[node] + need.carried
                    (waiting.append if need.carried else waiting.appendleft)(need.sink)
        least = min(least, far.get(start.source, least))
        if least <= 1:
            break
    return max(1, least)


def _pairs(kinds: LoopKinds, cycle: Cycle) -> tuple[tuple[int, int], ...]:
    """Sites of stores and loads in a cycle; of a value known beforehand, of all loads that read it."""
    known = cycle.kind in (Recurrence.AFFINE, Recurrence.PREDICTABLE)
    pairs = {
        need.pair
        for node in cycle.nodes
        for need in kinds.loop.out_of[node]
        if need.pair and (need.sink in cycle.nodes or (known and kinds.same_place(need)))
    }
    return tuple(sorted(pairs))


def _addresses(nodes: Iterable[Node]) -> tuple[int, ...]:
    return tuple(
        sorted({node.address for node in nodes if node.kind is not Kind.PHI and node.block is not None})
    )
