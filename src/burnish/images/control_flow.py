"""Control flow of one function: its reached instructions, cut into blocks."""

from __future__ import annotations

from burnish.core.code import (
    Block,
    Branch,
    Function,
    Instruction,
    Jump,
    Label,
    Reason,
    Refused,
    Return,
    Switch,
    TailCall,
    Terminator,
    Unreachable,
    successors,
)
from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import OpCode, Operation, Space, Varnode
from burnish.images.blocks import cut_blocks, with_index_kept
from burnish.images.control_shapes import is_relative_jump, leaves
from burnish.images.indirect_jumps import resolve
from burnish.images.no_return import no_return
from burnish.images.slices import Memo
from burnish.images.territory import Place, Territory
from burnish.machine.encoding import MAX_INSTRUCTION, decode
from burnish.machine.lift import lift_all
from burnish.machine.refusals import is_trap

DEFAULT_LIMIT = 60_000
"""Instructions beyond which a function is refused."""

_ROUNDS = 64
"""Rounds of resolving indirect jumps; each but the last uncovers code behind one."""


def control_flow(
    image: Image, bounds: FunctionBounds, *, keep_refused: bool = False, limit: int = DEFAULT_LIMIT
) -> Function | Refused:
    """The control flow of the function within ``bounds``; never raises for any bytes.

    Parts that lie apart (``name.cold``) belong to it. A jump to another function is a ``TailCall``, whatever
    follows a call that never returns is ``Unreachable``. A conditional jump to another function leads to a block
    without operations whose label is that function's address.

    The first instruction without a meaning makes the result a ``Refused``; with ``keep_refused`` it stays among
    ``instructions`` instead (with ``refused`` set and no operations) and control goes past it.
    """
    if bounds.is_part:
        return Refused(Reason.CONVENTION, bounds.address, "a part of another function, entered by jumps")
    explorer = _Explorer(image, bounds, keep_refused, limit)
    try:
        return explorer.explore()
    except _RefusalError as error:
        return error.refused


class _RefusalError(Exception):
    def __init__(self, reason: Reason, address: int, detail: str = "") -> None:
        super().__init__(reason.value)
        self.refused = Refused(reason, address, detail)


class _Explorer:
    """Follows control from the entry. ``ends`` has the terminator of each reached instruction that ends a block."""

    def __init__(self, image: Image, bounds: FunctionBounds, keep_refused: bool, limit: int) -> None:
        self._image = image
        self._bounds = bounds
        self._keep_refused = keep_refused
        self._limit = limit
        self._territory = Territory(image, bounds)
        self._no_return = no_return(image)
        self._lifted: dict[int, Instruction] = {}
        self._reached: dict[int, Instruction] = {}
        self._ends: dict[int, Terminator] = {}
        self._leaders = {bounds.address}
        self._indirect: dict[int, Varnode] = {}
        self._tails: dict[int, TailCall] = {}
        """Other functions that conditional jumps lead to."""

    def explore(self) -> Function:
        self._walk([self._bounds.address])
        if self._indirect:
            self._resolve_indirect_jumps()
        return Function(
            self._bounds.name,
            self._bounds.address,
            self._bounds.size,
            tuple(map(with_index_kept, self._blocks())),
            tuple(self._reached[address] for address in sorted(self._reached)),
        )

    def _blocks(self) -> tuple[Block, ...]:
        tails = tuple(Block(Label(address), (), self._tails[address]) for address in sorted(self._tails))
        return cut_blocks(self._bounds.address, self._reached, self._ends, self._leaders) + tails

    def _resolve_indirect_jumps(self) -> None:
        """Until nothing changes: what an indirect jump can reach depends on all paths to it, and so on the targets of
        the others. The last round confirms every answer on the whole of the control flow."""
        memory: Memo = {}
        for _ in range(_ROUNDS):
            blocks = self._blocks()
            changed = False
            answers = resolve(self._image, self._bounds, blocks, self._indirect, self._holds, memory)
            for address, answer in answers.items():
                if isinstance(answer, Refused):
                    continue
                if self._ends[address] != answer:
                    changed = True
                    self._ends[address] = answer
                    targets = [label.address for label in successors(answer)]
                    for target in targets:
                        self._territory.classify(target, conditional=True)
                    self._leaders.update(targets)
                    self._walk(targets)
            if not changed:
                self._require_resolved(answers)
                return
        raise _RefusalError(Reason.UNRESOLVED_JUMP, self._bounds.address, "the targets do not settle")

    def _require_resolved(self, answers: dict[int, Switch | TailCall | Refused]) -> None:
        for address in sorted(answers):
            answer = answers[address]
            if isinstance(answer, Refused):
                if not self._keep_refused:
                    raise _RefusalError(answer.reason, answer.address, answer.detail)
                self._ends[address] = Unreachable()

    def _holds(self, address: int) -> bool:
        """True if ``address`` may be the target of a jump through a table: the start of an instruction in this
        function or in a part of one."""
        if self._territory.end_of(address) is None:
            other = self._image.bounds_at(address)
            return other is not None and other.is_part
        return address in self._lifted or not any(
            (before := self._lifted.get(address - k)) is not None and before.end > address
            for k in range(1, MAX_INSTRUCTION)
        )

    def _walk(self, waiting: list[int]) -> None:
        while waiting:
            address = waiting.pop()
            while address not in self._reached:
                instruction = self._at(address)
                self._reached[address] = instruction
                if len(self._reached) > self._limit:
                    raise _RefusalError(Reason.TOO_LARGE, self._bounds.address, f"{self._limit} instructions")
                terminator = self._terminator(instruction)
                if terminator is None:
                    address = instruction.end
                    continue
                self._ends[address] = terminator
                targets = [
                    label.address for label in successors(terminator) if label.address not in self._tails
                ]
                self._leaders.update(targets)
                waiting.extend(targets)
                break
            else:
                # Run into: reached before, from elsewhere if instructions overlap.
                self._leaders.add(address)

    def _at(self, address: int) -> Instruction:
        found = self._lifted.get(address)
        if found is None:
            end = self._territory.end_of(address)
            code = None if end is None else self._image.read(address, end - address)
            if not code:
                raise _RefusalError(Reason.EMPTY, address, "outside the file's code")
            for found in lift_all(code, address, self._limit + 1):
                self._lifted.setdefault(found.address, found)
            found = self._lifted[address]
        return found

    def _terminator(self, instruction: Instruction) -> Terminator | None:
        """How the instruction ends its block; None where control falls through to the next one."""
        if instruction.refused is not None:
            terminator = self._after_refused(instruction, instruction.refused)
        elif not instruction.operations:
            terminator = Unreachable(trap=True) if self._is_trap(instruction) else None
        else:
            terminator = self._after(instruction, instruction.operations[-1])
        if isinstance(terminator, Branch | None) and not self._continues(instruction):
            if not self._keep_refused:
                last = instruction.operations[-1].opcode if instruction.operations else None
                detail = "after a call" if last in (OpCode.CALL, OpCode.CALLIND) else ""
                raise _RefusalError(Reason.RUNS_ON, instruction.address, detail)
            return Unreachable() if terminator is None else Jump(terminator.taken)
        return terminator

    def _continues(self, instruction: Instruction) -> bool:
        """True if what follows the instruction is code of this function."""
        return self._territory.end_of(instruction.end) is not None

    def _is_trap(self, instruction: Instruction) -> bool:
        return is_trap(self._image.read(instruction.address, instruction.size) or b"")

    def _after_refused(self, instruction: Instruction, refused: Refused) -> Terminator | None:
        if self._is_trap(instruction):
            return Unreachable(trap=True)
        if not self._keep_refused:
            raise _RefusalError(refused.reason, refused.address, refused.detail)
        shape = decode(self._image.read(instruction.address, instruction.size) or b"")
        if refused.reason is Reason.UNKNOWN_BYTES or shape is None:
            return Unreachable()
        return Unreachable() if leaves(shape) or is_relative_jump(shape) else None

    def _after(self, instruction: Instruction, op: Operation) -> Terminator | None:
        match op.opcode:
            case OpCode.BRANCH:
                return self._jump(instruction, op.inputs[0].offset)
            case OpCode.CBRANCH:
                return self._branch(instruction, op)
            case OpCode.BRANCHIND:
                return self._indirect_jump(instruction, op.inputs[0])
            case OpCode.RETURN:
                return Return()
            case OpCode.CALL:
                return Unreachable() if self._no_return.never_returns(op.inputs[0].offset) else None
            case OpCode.CALLIND:
                slot = _loaded_slot(instruction)
                never = slot is not None and self._no_return.slot_never_returns(slot)
                return Unreachable() if never else None
            case _:
                return None

    def _jump(self, instruction: Instruction, target: int) -> Terminator:
        match self._territory.classify(target):
            case Place.INSIDE:
                return Jump(Label(target))
            case Place.FUNCTION:
                return TailCall(Varnode(Space.RAM, target, 8))
            case Place.FOREIGN | Place.NOWHERE as place:
                return self._astray(instruction, target, place)

    def _branch(self, instruction: Instruction, op: Operation) -> Terminator:
        target = op.inputs[0].offset
        match self._territory.classify(target, conditional=True):
            case Place.INSIDE:
                pass
            case Place.FUNCTION:
                self._tails[target] = TailCall(Varnode(Space.RAM, target, 8))
            case Place.FOREIGN | Place.NOWHERE as place:
                self._astray(instruction, target, place)
                return Jump(Label(instruction.end))
        return Branch(op.inputs[1], Label(target), Label(instruction.end))

    def _astray(self, instruction: Instruction, target: int, place: Place) -> Terminator:
        """A direct jump that leads to nothing that belongs to a function of its own."""
        if self._keep_refused:
            return Unreachable()
        if place is Place.NOWHERE:
            raise _RefusalError(Reason.EMPTY, instruction.address, f"a jump to {target:#x}, where no code is")
        other = self._image.bounds_at(target)
        name = "" if other is None else other.name
        raise _RefusalError(Reason.CONVENTION, instruction.address, f"a jump into the middle of {name}")

    def _indirect_jump(self, instruction: Instruction, selector: Varnode) -> Terminator:
        """For now a switch without targets; ``_resolve_indirect_jumps`` finds them."""
        slot = _loaded_slot(instruction)
        if slot is not None and slot in self._image.got:
            return TailCall(selector)
        self._indirect[instruction.address] = selector
        return Switch(selector, ())


def _loaded_slot(instruction: Instruction) -> int | None:
    """The fixed address that an indirect call or jump loads its target from, or None."""
    for op in instruction.operations:
        if op.opcode is OpCode.LOAD and op.inputs[0].space is Space.CONST:
            return op.inputs[0].offset
    return None
