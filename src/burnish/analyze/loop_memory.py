"""Dependences through memory, as a recording has them, between the nodes of a loop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from burnish.analyze.live_registers import LiveRegisters
from burnish.analyze.loop_values import Met
from burnish.analyze.program import Program
from burnish.analyze.ssa import Values
from burnish.analyze.values import Kind, Node
from burnish.core.code import Label
from burnish.core.structure import Between, Dependence, Hazard, Structure
from burnish.recompile.planned import Plan


@dataclass(frozen=True, slots=True)
class CodeOf:
    """The code of a recorded function, its number and that of its image. ``labels`` are its blocks by number."""

    function: int
    image: int
    plan: Plan = field(repr=False)
    values: Values = field(repr=False)
    registers: LiveRegisters = field(repr=False)
    labels: Mapping[int, Label] = field(repr=False)


class Memory:
    """The reads of what was written, of all regions."""

    def __init__(self, program: Program, structure: Structure, codes: Mapping[int, CodeOf]) -> None:
        self._program = program
        self._codes = codes
        self._by_region: dict[int, list[Dependence]] = defaultdict(list)
        self._overwritten: dict[int, set[int]] = defaultdict(set)
        for dependence in structure.dependences:
            if dependence.region is not None and dependence.hazard is Hazard.RAW:
                self._by_region[dependence.region].append(dependence)
            elif dependence.region is not None and dependence.hazard is Hazard.WAR:
                self._overwritten[dependence.region].add(dependence.source)
        self._nodes = self._by_site()
        self._reached = self._calls()

    def in_loop(self, region: int, blocks: frozenset[Label], code: CodeOf) -> Iterator[Met]:
        """What a loop's loads read that its stores wrote, in it or in loops in it. What another function does, its
        call does."""
        own = self._program.loops[region]
        for loop in self._program.loops:
            if loop.function != own.function or not loop.blocks <= own.blocks:
                continue
            for dependence in self._by_region.get(loop.number, ()):
                carried = loop.number == region and dependence.between is Between.ROUNDS
                for source in self._at(dependence.source, blocks, code):
                    for sink in self._at(dependence.sink, blocks, code):
                        if carried or source is not sink:
                            yield Met(source, sink, carried, (dependence.source, dependence.sink))

    def overwritten(self, region: int) -> set[Node]:
        """The loads whose memory a loop, or a loop in it, writes later."""
        own = self._program.loops[region]
        sites = set[int]()
        for loop in self._program.loops:
            if loop.function == own.function and loop.blocks <= own.blocks:
                sites |= self._overwritten.get(loop.number, set())
        return {node for site in sites if (node := self._nodes.get(site)) is not None}

    def _by_site(self) -> dict[int, Node]:
        sites: dict[int, list[int]] = defaultdict(list)
        for site, row in sorted(self._program.sites.items()):
            sites[row["block"]].append(site)
        found: dict[int, Node] = {}
        for code in self._codes.values():
            for block, label in code.labels.items():
                nodes = code.values.accesses.get(label, [])
                if len(nodes) == len(sites[block]):
                    pairs = zip(sites[block], nodes, strict=True)
                    found |= {site: node for site, node in pairs if node is not None}
        return found

    def _calls(self) -> dict[int, set[int] | None]:
        """For each function those that it may run, itself included; None where it may run any."""
        numbers = {(row["image"], row["address"]): number for number, row in self._program.functions.items()}
        direct: dict[int, set[int] | None] = {}
        for number, code in self._codes.items():
            calls = [node for node in code.values.nodes if node.kind is Kind.CALL and node.value]
            direct[number] = {
                numbers[code.image, node.value] for node in calls if (code.image, node.value) in numbers
            }
        found: dict[int, set[int] | None] = {}
        for number in self._program.functions:
            seen, work = {number}, [number]
            while work:
                for target in direct.get(work.pop()) or ():
                    if target not in seen:
                        seen.add(target)
                        work.append(target)
            found[number] = seen
        return found

    def _at(self, site: int, blocks: frozenset[Label], code: CodeOf) -> list[Node]:
        """The node of a site in a loop, or the calls that may lead to it."""
        node = self._nodes.get(site)
        if (
            node is not None
            and node.block is not None
            and node.block in blocks
            and node in code.values.accesses[node.block]
        ):
            return [node]
        row = self._program.sites.get(site)
        if row is None:
            return []
        function = self._program.blocks[row["block"]]["function"]
        calls = [n for n in code.values.nodes if n.kind is Kind.CALL and n.block in blocks and n.size == 0]
        known = [call for call in calls if function in self._run_by(call, code)]
        return known or [call for call in calls if not self._run_by(call, code)]

    def _run_by(self, call: Node, code: CodeOf) -> set[int]:
        """The recorded functions that a call is known to run."""
        for number, row in self._program.functions.items():
            if row["address"] == call.value and row["image"] == code.image:
                return self._reached.get(number) or set()
        return set()
