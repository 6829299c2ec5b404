"""From the plan of a function to the graph of its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from burnish.analyze.frame_uses import FrameUses, frame_uses
from burnish.analyze.graphs import components
from burnish.analyze.live_registers import LiveRegisters, Reads, without_vectors
from burnish.analyze.values import Kind, Node, ValueDomain, closure
from burnish.core.code import Block, Branch, Label, Return, Switch, TailCall, successors
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.domains.walker import Walker
from burnish.machine.registers import CELLS, Cell
from burnish.recompile.bits import STACK_POINTER, cell_mask, cells_in, varnode_mask
from burnish.recompile.calls import CallSummary
from burnish.recompile.numbering import CALLS, instructions_of
from burnish.recompile.planned import Plan
from burnish.recompile.provenance import FrameAddress

OUTSIDE = Label(-1)
"""Where the first block is entered from."""
FRAME, DIRECT = "frame", "direct"
"""The names of the cells that stand for the frame, and for the frame as direct stores alone leave it."""
_STRINGS = {OpCode.REP_MOVS: 3, OpCode.REP_STOS: 2}
"""How many sites they have."""
_RESULTS = (("rax", 8), ("xmm0", 16))
_ARGUMENT_BYTES = 8
_MOST_PASSES = 8
_COPIES = (OpCode.PIECE, OpCode.SUBPIECE)


@dataclass(slots=True)
class Values:
    """The values of a function. ``nodes`` are those in its blocks, in no order; ``conditions`` what each block's
    branch depends on; ``accesses`` the node of each access to memory, in the order of the recording's sites (None: of
    a place in the frame that is followed like a register). ``low`` is the distance of the frame cell's first byte from
    the stack pointer at entry; ``returned`` are what the function may give its caller."""

    nodes: list[Node] = field(default_factory=list[Node])
    conditions: dict[Label, Node] = field(default_factory=dict[Label, Node])
    accesses: dict[Label, list[Node | None]] = field(default_factory=dict[Label, "list[Node | None]"])
    before: dict[Label, list[Label]] = field(default_factory=dict[Label, "list[Label]"])
    following: dict[Label, tuple[Label, ...]] = field(default_factory=dict[Label, "tuple[Label, ...]"])
    places: dict[Label, list[tuple[int, int, bool]]] = field(
        default_factory=dict[Label, "list[tuple[int, int, bool]]"]
    )
    """Of each block the places in the frame that it reads and writes, in order: from the frame cell's first byte, size,
    and whether it writes."""
    low: int = 0
    returned: list[Node] = field(default_factory=list[Node])


Constant = Callable[[int, int], "bytes | None"]
"""The bytes at an address of the image, and so many of them, where nothing can change them."""


def values_of(
    plan: Plan, reads: Reads = lambda address: None, constant: Constant = lambda address, size: None
) -> Values:
    """The values of a function that can be rebuilt. Raises ``KeyError`` for what is not modelled."""
    uses = FrameUses()
    for _ in range(_MOST_PASSES):
        built = _Builder(plan, uses, reads, constant)
        found = built.build()
        # What pointers may reach is known only when all has been seen.
        now = frame_uses(built.marked, built.slots)
        if now == uses:
            return found
        uses = now
    raise KeyError("pointers into the frame")


class _Builder:
    def __init__(self, plan: Plan, uses: FrameUses, reads: Reads, constant: Constant) -> None:
        self.plan = plan
        self.constant = constant
        self.reads = reads
        self.uses = uses
        self.marked: dict[tuple[Label, int], Node] = {}
        """Accesses and calls."""
        self._number = 0
        facts = {
            label: {name: s.offset for name, s in known.items() if isinstance(s, FrameAddress)}
            for label, known in plan.layout.facts.items()
        }
        self.domain = ValueDomain(facts)
        low = min(plan.layout.low, 0)
        self.cell = Cell(FRAME, 0, 8 + max(plan.layout.stack_bytes, 0) - low)
        self.direct = Cell(DIRECT, 0, self.cell.size)
        self.found = Values(low=low)
        self.walkers: dict[Label, Walker[Node]] = {}
        self.slots: dict[int, int] = {}
        self.blocks = [block for block in plan.function.blocks if block.label in facts]
        self.temporaries = {
            offset: Cell(f"temporary{offset}", offset, size) for offset, size in plan.carried.items()
        }
        self.defined = 0
        self.results: dict[str, list[Node]] = {name: [] for name, _ in _RESULTS}

    def build(self) -> Values:
        found = self.found
        reached = {block.label for block in self.blocks}
        found.following = {
            b.label: tuple(s for s in successors(b.terminator) if s in reached) for b in self.blocks
        }
        found.before = {label: [] for label in found.following}
        found.before[self.blocks[0].label].append(OUTSIDE)
        for label, targets in found.following.items():
            for target in targets:
                found.before[target].append(label)
        for block in self.blocks:
            self._walk(block)
        self._fill()
        self._tidy()
        return found

    def _walk(self, block: Block) -> None:
        domain, label = self.domain, block.label
        walker = self.walkers[label] = Walker(domain)
        domain.label, domain.address = label, label.address
        self.found.accesses[label], self.found.places[label] = [], []
        self._number = 0
        self.defined = self.plan.defined.get(label, 0)
        for offset, cell in self.temporaries.items():
            walker.write(Varnode(Space.UNIQUE, offset, cell.size), domain.initial(cell, 0, cell.size))
        for address, operation in zip(
            instructions_of(self.plan, block), self.plan.operations[label], strict=True
        ):
            domain.address = address
            self._step(operation, walker)
        domain.address = block.marks[-1][0] if block.marks else label.address
        match block.terminator:
            case Branch(condition):
                self.found.conditions[label] = walker.read(condition)
            case Switch(selector=selector, index=index):
                self.found.conditions[label] = walker.read(index or selector)
            case Return():
                for name, size in _RESULTS:
                    self.results[name].append(walker.read_cell(CELLS[name], 0, size))
            case TailCall() as tail:
                self._call(tail, walker, self.plan.summarise(tail))
            case _:
                pass

    def _step(self, operation: Operation, walker: Walker[Node]) -> None:
        opcode, output, inputs, _ = operation
        if opcode in CALLS:
            self._call(operation, walker, self.plan.summarise(operation))
        elif opcode in _STRINGS:
            self._string(operation, walker)
        elif opcode is OpCode.LOAD:
            assert output is not None
            address = walker.read(inputs[0])
            slot = self._slot(address, output.size)
            literal = self._literal(address, output.size)
            if literal is not None:
                walker.write(output, literal)
                self._accessed(None)
            elif slot is None:
                node = self.domain.load(address, output.size)
                self._accessed(node)
                self._touch(node, walker)
                walker.write(output, node)
            else:
                walker.write(output, walker.read_cell(self.cell, slot, output.size))
                self.found.places[self.domain.label].append((slot, output.size, False))
                self._accessed(None)
        elif opcode is OpCode.STORE:
            address, value = walker.read(inputs[0]), walker.read(inputs[1])
            slot = self._slot(address, inputs[1].size)
            if slot is None:
                node = self.domain.made(Kind.STORE, inputs[1].size, (address, value))
                self._accessed(node)
                self._touch(node, walker)
            else:
                walker.write_cell(self.cell, slot, inputs[1].size, value)
                if self.uses.sizes:
                    walker.write_cell(self.direct, slot, inputs[1].size, value)
                self.found.places[self.domain.label].append((slot, inputs[1].size, True))
                self._accessed(None)
        else:
            walker.step(operation)
        if opcode not in CALLS and output is not None:
            self.defined |= varnode_mask(output)

    def _accessed(self, node: Node | None, times: int = 1) -> None:
        self.found.accesses[self.domain.label] += [node] * times

    def _slot(self, address: Node, size: int) -> int | None:
        """Where in the frame's cell a place is."""
        if address.kind is not Kind.FRAME:
            return None
        start = address.value - self.found.low
        if start < 0 or start + size > self.cell.size:
            return None
        self.slots[address.value] = max(size, self.slots.get(address.value, 0))
        return start

    def _literal(self, address: Node, size: int) -> Node | None:
        """A constant that a compiler put among the code's data."""
        if address.kind is Kind.OPERATION and address.opcode is OpCode.ADDRESS:
            address = address.arguments[0]
        found = self.constant(address.value, size) if address.kind is Kind.CONSTANT else None
        return None if found is None else self.domain.constant(int.from_bytes(found, "little"), size)

    def _call(self, call: Operation | TailCall, walker: Walker[Node], summary: CallSummary) -> None:
        """What a call reads for certain, and what it may read as far as that has a value under the convention."""
        domain = self.domain
        target = call.target if isinstance(call, TailCall) else call.inputs[0]
        direct = target.space is Space.RAM
        arguments = [] if direct else [walker.read(target)]
        perhaps: set[int] = set()
        known = self.reads(target.offset) if direct else None
        sure, maybe = known or (summary.certain, summary.arguments & ~summary.certain)
        if known is None and summary.certain and summary.variadic:
            # A function of the C library whose number of arguments varies: AL says how many are in vector registers.
            given = walker.read_cell(CELLS["rax"], 0, 1)
            maybe &= without_vectors(given.value) if given.kind is Kind.CONSTANT else maybe
        for mask, certain in ((sure & ~STACK_POINTER, True), (maybe & self.defined, False)):
            for cell, part in cells_in(mask):
                if not certain:
                    perhaps.add(len(arguments))
                arguments.append(walker.read_cell(cell, 0, min(part.bit_length(), _ARGUMENT_BYTES)))
        node = domain.made(Kind.CALL, 0, arguments, target.offset if direct else 0)
        node.perhaps = frozenset(perhaps)
        self.defined = self.defined & ~summary.clobbers | summary.results & summary.clobbers
        for cell, _ in cells_in(summary.clobbers):
            self._changed(node, walker, cell, 0, cell.size)
        self._touch(node, walker)

    def _touch(self, node: Node, walker: Walker[Node]) -> None:
        """What an access or call does to places in the frame that it has the address of."""
        access = (self.domain.label, self._number)
        self._number += 1
        self.marked[access] = node
        for distance, size in self.uses.of(access, call=node.kind is Kind.CALL):
            start = distance - self.found.low
            if node.kind is not Kind.STORE:
                node.arguments.append(walker.read_cell(self.direct, start, size))
            if node.kind is not Kind.LOAD:
                before = walker.read_cell(self.cell, start, size)
                self._changed(node, walker, self.cell, start, size, before)

    def _changed(
        self, by: Node, walker: Walker[Node], cell: Cell, offset: int, size: int, *before: Node
    ) -> None:
        node = self.domain.made(Kind.CHANGED, size, (by, *before))
        node.place = (cell, offset)
        walker.write_cell(cell, offset, size, node)

    def _string(self, operation: Operation, walker: Walker[Node]) -> None:
        arguments = [walker.read(node) for node in operation.inputs[:3]]
        node = self.domain.made(Kind.CALL, 0, arguments)
        self._accessed(node, _STRINGS[operation.opcode])
        written = (0, 1, 2) if operation.opcode is OpCode.REP_MOVS else (0, 2)
        for k in written:
            place = operation.inputs[k]
            walker.write(place, self.domain.made(Kind.CHANGED, place.size, (node,)))
            self.domain.nodes[-1].place = (CELLS["rcx" if k == 2 else "rdi" if k == 0 else "rsi"], 0)
        self._touch(node, walker)

    def _fill(self) -> None:
        """Give each phi its arguments; that may ask for more phis."""
        domain = self.domain
        done = 0
        while done < len(domain.phis):
            phi = domain.phis[done]
            done += 1
            assert phi.block is not None and phi.place is not None
            cell, offset = phi.place
            phi.sources = self.found.before[phi.block]
            for source in phi.sources:
                phi.arguments.append(self._at_end(source, cell, offset, phi.size))

    def _at_end(self, label: Label, cell: Cell, offset: int, size: int) -> Node:
        domain = self.domain
        if label == OUTSIDE:
            return domain.entry(cell, offset, size)
        domain.label = label
        if cell.offset in self.temporaries and self.temporaries[cell.offset] is cell:
            length, value = self.walkers[label].temporaries[cell.offset]
            return value if length == size else domain.extract(value, length, offset, size)
        return self.walkers[label].read_cell(cell, offset, size)

    def _tidy(self) -> None:
        """Put what phis stand for in their place, and drop what nothing needs."""
        same = _same_values(self.domain.phis)

        def real(node: Node) -> Node:
            while node in same:
                node = same[node]
            return node

        found = self.found
        for node in self.domain.nodes:
            node.arguments = [real(argument) for argument in node.arguments]
        for node in self.domain.nodes:
            if node.perhaps:
                kept = [
                    a
                    for k, a in enumerate(node.arguments)
                    if k not in node.perhaps or not _may_be(a, Kind.CHANGED)
                ]
                node.arguments, node.perhaps = kept, frozenset()
        found.conditions = {label: real(node) for label, node in found.conditions.items()}
        own, _ = LiveRegisters(self.plan, self.reads).arguments()
        for name, nodes in self.results.items():
            passed = bool(own & cell_mask(name))
            results = [real(node) for node in nodes]
            if passed or not any(_may_be(node, Kind.ENTRY) for node in results):
                found.returned += results
        effects = [node for node in self.domain.nodes if node.kind in (Kind.STORE, Kind.CALL)]
        needed = closure([*effects, *found.conditions.values(), *found.returned])
        accessed = {a for row in found.accesses.values() for a in row if a is not None}
        found.nodes = [n for n in self.domain.nodes if n not in same and (n in needed or n in accessed)]


def _may_be(node: Node, kind: Kind) -> bool:
    """Whether a value may be one of a kind, handed on unchanged. What a register held when the function was entered
    (``ENTRY``) is none of its results; what a call left in one that is no result of its own (``CHANGED``) another
    call does not read."""
    work, seen = [node], {node}
    while work:
        node = work.pop()
        if node.kind is kind:
            return True
        for argument in node.arguments if _copies(node) else ():
            if argument not in seen:
                seen.add(argument)
                work.append(argument)
    return False


def _copies(node: Node) -> bool:
    return node.kind is Kind.PHI or (node.kind is Kind.OPERATION and node.opcode in _COPIES)


def _same_values(phis: Sequence[Node]) -> dict[Node, Node]:
    """Phis that can have one value only, also in groups (Braun and others, section 3.2), and that value."""
    same: dict[Node, Node] = {}

    def real(node: Node) -> Node:
        while node in same:
            node = same[node]
        return node

    left = set(phis)
    while True:
        known = len(same)
        within: dict[Node, set[Node]] = {phi: {real(a) for a in phi.arguments} & left for phi in left}
        groups = components(left, within.__getitem__)
        for group in groups:
            inside = set(group)
            others = {real(a) for phi in group for a in phi.arguments} - inside
            if len(others) == 1:
                same |= dict.fromkeys(group, others.pop())
        left -= same.keys()
        if len(same) == known:
            return same
