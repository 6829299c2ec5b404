"""Whether the original keeps to C's rule on types on an input: run in the concrete domain, with a look at what stored
last what each load reads. Where the rule is taken for granted, only such an input refutes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from burnish.core.image import Access
from burnish.core.pcode import OpCode, Operation
from burnish.core.state import Finished, MachineState, MemoryRegion
from burnish.core.verdict import Counterexample, Proved
from burnish.domains.concrete import ConcreteDomain, run
from burnish.domains.integers import compute
from burnish.machine.registers import GPR_NAMES, VECTOR_COUNT
from burnish.verify.decide import Engines, Hint, Reached, TestResult, Untested
from burnish.verify.engine.proof import Proof
from burnish.verify.engine.suspicion import Suspicion
from burnish.verify.pair import Pair, Side, Unseen, untyped
from burnish.verify.solve.query import Model

_MOST_STEPS, _PAGE = 200_000, 4096
_PLAIN_SHARE = 0.3
"""Of the time, what a proof may take that does not need the rule."""


def keeps_types(side: Side, found: Counterexample) -> bool | None:
    """True if the run of ``side`` on that input reads nothing that ``side.unseen`` excludes, False if it does; None
    where it is not known, as for all that calls: what the callee did then is not known here."""
    unseen = side.unseen(one.address for one in side.function.instructions)
    try:
        domain = _Watching(side, unseen, found)
        outcome = run(side.function, domain.entry, _MOST_STEPS, domain=domain)
    except (KeyError, ValueError):  # a call, or something without a meaning or a place
        return None
    if domain.broken:
        return False
    return True if isinstance(outcome, Finished) else None


_BROKEN = "the original accesses objects otherwise than its pointers declare them"
_NOT_KNOWN = "it is not known whether the original accesses objects as its pointers declare them"


@dataclass(frozen=True, slots=True)
class Keeping:
    """Engines for a pair of which the original is taken to keep to the rule: a counterexample on which it does not, or
    on which that is not known, is none."""

    engines: Engines

    def glance(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on a few inputs."""
        return self._kept(pair, self.engines.glance(pair, seconds))

    def test(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on inputs."""
        return self._kept(pair, self.engines.test(pair, seconds))

    def explore(self, pair: Pair, seconds: float) -> TestResult:
        """Runs both sides on inputs for paths."""
        return self._kept(pair, self.engines.explore(pair, seconds))

    @property
    def reached(self) -> Reached:
        """As the engines have it."""
        return self.engines.reached

    def prove_briefly(self, pair: Pair, seconds: float) -> Proof | None:
        """As the engines do, first without the rule: most of what does not need it is easier so."""
        plain = self.engines.prove_briefly(_without_rule(pair), _PLAIN_SHARE * seconds)
        if plain is None or isinstance(plain.verdict, Proved):
            return plain
        return self.engines.prove_briefly(pair, seconds)

    def prove(self, pair: Pair, seconds: float, invariants: Hint = None) -> Proof:
        """As the engines do, first without the rule unless the proof is known."""
        began = time.monotonic()
        if invariants is None:
            plain = self.engines.prove(_without_rule(pair), _PLAIN_SHARE * seconds)
            if isinstance(plain.verdict, Proved):
                return plain
        return self.engines.prove(pair, max(seconds - (time.monotonic() - began), 0.0), invariants)

    def replay(self, pair: Pair, model: Model) -> Counterexample | str:
        """Runs a suspicion on the CPU."""
        return _believed(pair, self.engines.replay(pair, model))

    def pursue(self, pair: Pair, suspicions: Sequence[Suspicion], seconds: float) -> Counterexample | None:
        """Runs inputs on which the original goes on from suspicions to its end."""
        found = self.engines.pursue(pair, suspicions, seconds)
        return found if found is not None and keeps_types(pair.original, found) else None

    def confirm(self, pair: Pair, given: Counterexample) -> Counterexample | str:
        """Runs both sides on the input of a counterexample."""
        return _believed(pair, self.engines.confirm(pair, given))

    @property
    def solvers(self) -> Mapping[str, str]:
        """As the engines have it."""
        return self.engines.solvers

    @property
    def query_hashes(self) -> tuple[str, ...]:
        """As the engines have it."""
        return self.engines.query_hashes

    def _kept(self, pair: Pair, result: TestResult) -> TestResult:
        found = result.counterexample
        if found is None:
            return result
        answer = _believed(pair, found)
        return result if isinstance(answer, Counterexample) else Untested(answer)


def _without_rule(pair: Pair) -> Pair:
    return replace(pair, original=replace(pair.original, unseen=untyped))


def _believed(pair: Pair, found: Counterexample | str) -> Counterexample | str:
    keeps = None if isinstance(found, str) else keeps_types(pair.original, found)
    if isinstance(found, str) or keeps:
        return found
    why = _NOT_KNOWN if keeps is None else _BROKEN
    return f"on an input on which they differ {why}"


class _Watching(ConcreteDomain):
    """Notes by which instruction each byte was stored last, and whether a load reads what it is taken not to."""

    def __init__(self, side: Side, unseen: Unseen, found: Counterexample) -> None:
        constants = [
            MemoryRegion(found.places[name], data, Access.READ)
            for name, data in side.constants.items()
            if name in found.places
        ]
        registers = found.registers
        self.entry = MachineState(
            tuple(registers[name] for name in GPR_NAMES),
            tuple(registers.get(f"xmm{k}", 0) for k in range(VECTOR_COUNT)),
            registers.get("eflags", 2),
            memory=_whole_pages([*found.memory, *constants]),
            fs_base=registers.get("fs_base", 0),
        )
        super().__init__(self.entry)
        self.broken = False
        self._places = {
            at: found.places[place.data.name] + place.offset
            for at, place in side.places.items()
            if place.data.name in found.places
        }
        named = {*side.places, *side.slots, *side.callees}
        if any(region.address <= at < region.end for region in found.memory for at in named):
            raise ValueError("memory where the image has its objects")
        self._unknown = named - set(self._places)
        self._unseen = unseen
        self._stored: dict[int, int] = {}
        """Of each byte that was stored, the instruction that did so last."""
        self._members: dict[int, set[int]] = {}
        """Where members were stored, by their numbers."""

    def apply(self, operation: Operation, arguments: Sequence[int]) -> int:
        return (
            self._placed(arguments[0])
            if operation.opcode is OpCode.ADDRESS
            else compute(operation, arguments)
        )

    def load(self, address: int, size: int) -> int:
        address = self._placed(address)
        kind = self._unseen.loads.get(self.at)
        if kind is not None:
            writers = {self._stored.get(address + k) for k in range(size)}
            self.broken |= any(kind in self._unseen.stores.get(one, ()) for one in writers if one is not None)
        known = self._members.get(self._unseen.members_loaded.get(self.at, -1), set())
        self.broken |= any(0 < abs(address - one) < size for one in known)
        return super().load(address, size)

    def store(self, address: int, value: int, size: int) -> None:
        address = self._placed(address)
        self._stored.update((address + k, self.at) for k in range(size))
        if self.at in self._unseen.members_stored:
            self._members.setdefault(self._unseen.members_stored[self.at], set()).add(address)
        super().store(address, value, size)

    def _placed(self, address: int) -> int:
        if address in self._unknown:
            raise ValueError("an address of which it is not known what lies there")
        return self._places.get(address, address)


def _whole_pages(regions: Sequence[MemoryRegion]) -> tuple[MemoryRegion, ...]:
    """Memory as it is mapped: pages, with zeros where an input says nothing."""
    pages: dict[int, bytearray] = {}
    for region in regions:
        for at, byte in enumerate(region.data, region.address):
            pages.setdefault(at // _PAGE, bytearray(_PAGE))[at % _PAGE] = byte
    access = Access.READ | Access.WRITE
    return tuple(MemoryRegion(number * _PAGE, bytes(data), access) for number, data in pages.items())
