"""A proof of loops as data, and its check: every round from related states leads to related states.

If at each pair of cuts the relations hold whenever both sides get there together, and every way on from there is
either equal to the end or leads to another such pair, then by induction over the rounds both programs do the same for
as long as the original runs. That the rewrite ends where the original does follows: in every cycle of rounds the
original moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from burnish.core.code import Label
from burnish.core.verdict import Proved, Unknown
from burnish.domains.smt.build import FALSE, const, ne, not_, or_, select
from burnish.domains.smt.clock import OutOfTimeError, until
from burnish.domains.smt.meaning import MeaninglessError
from burnish.domains.smt.terms import Term
from burnish.verify.engine.addresses import LOCAL_BASES, UndecidedAccessError
from burnish.verify.engine.compare import PROBE, Views, escaping
from burnish.verify.engine.escape import EscapeError
from burnish.verify.engine.execute import UnmodelledError
from burnish.verify.engine.joint import NotProvedError, Proof, Solves
from burnish.verify.engine.sharing import common, granted
from burnish.verify.engine.state import RETURN_ADDRESS, State
from burnish.verify.loops.align import START, Node, Step
from burnish.verify.loops.heads import loops_of
from burnish.verify.loops.product import Arrival, RoundProver
from burnish.verify.loops.relations import Relation, relation_from_json, relation_to_json
from burnish.verify.loops.splice import NONE, Names, spliced
from burnish.verify.loops.symbolic import hiding, related_states, relation_term, word_address, written
from burnish.verify.loops.values import FRAME, Value, value_from_text
from burnish.verify.pair import Pair, Shared, SharedLocal
from burnish.verify.solve.query import Unsat


@dataclass(frozen=True, slots=True)
class Pairing:
    """What holds whenever both sides are at a node together. ``slots`` are the parts of both frames that are known
    there by a name; ``words`` those of memory, as values of the original, in which the two memories may differ: one
    side stores in each round what the other does after its loop."""

    node: Node
    relations: tuple[Relation, ...]
    slots: tuple[Value, ...]
    words: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Invariants:
    """All pairings but that of the entries, and the steps between them. ``inline`` names the callees of each side whose
    code is taken in line first; ``shared`` are the locals that both sides have in common."""

    pairings: tuple[Pairing, ...]
    steps: tuple[Step, ...]
    inline: Names = NONE
    shared: Shared = ()


def cuts_of(pair: Pair) -> tuple[frozenset[Label], frozenset[Label]]:
    """The loop heads of both sides."""
    first, second = (
        frozenset(loop.head for loop in loops_of(side.function)) for side in (pair.original, pair.rewrite)
    )
    return first, second


def node_states(pairing: Pairing, views: Views) -> tuple[State, State, tuple[Term, ...]]:
    """Any two states at a pairing's cuts, and what is to be assumed of them."""
    slots = [
        [slot for slot in pairing.slots if slot.side == side and slot.cell == FRAME] for side in ("a", "b")
    ]
    return related_states(pairing.relations, (slots[0], slots[1]), views, pairing.words)


def structure(a: State, b: State, words: Sequence[Value], views: Views) -> list[Term]:
    """Conditions under each of which two states are not such as a pairing demands: memory is the same but for the
    pairing's ``words``, the frames hold the return address, the direction flag is clear. Raises what ``escaping`` does,
    for what memory holds is not known any more."""
    escaping(a.memory, b.memory, views[0].shared)
    first, second = a.memory, b.memory
    for word in words:
        address, zeros = word_address(word, a, views), const(0, 8 * word.size)
        first, second = (written(one, address, zeros, word.size, views) for one in (first, second))
    wrong = [] if first is second else [ne(select(first, PROBE), select(second, PROBE))]
    for state in (a, b):
        wrong.append(ne(state.frame_value(0, 8), RETURN_ADDRESS))
        wrong.append(ne(state.register("df"), const(0, 8)))
    return [term for term in wrong if term is not FALSE]


def check(
    pair: Pair, solver: Solves, deadline: float, invariants: Invariants, assumed: Sequence[Term] = ()
) -> Proof:
    """``Proved`` if the invariants are a proof, else ``Unknown`` with the reason. Needs no search, and believes nothing
    of what it is given. ``assumed`` are conditions on the entry state; ``deadline`` is on ``time.monotonic``."""
    pair = spliced(pair, invariants.inline)
    if len(invariants.shared) > len(LOCAL_BASES):
        return Proof(Unknown("more locals are shared than are told apart"))
    pair = replace(pair, shared=invariants.shared)
    prover = RoundProver(pair, solver, deadline, assumed, cuts=cuts_of(pair), steps=invariants.steps)
    prover.nodes |= {pairing.node for pairing in invariants.pairings}
    try:
        with until(deadline):
            # What lies where in the frame is known when all calls were seen.
            reason = _reason_against(prover, invariants) or common(pair, prover.stacked.locals)
    except NotProvedError as error:
        return Proof(Unknown(str(error)), None, prover.queries, apart=error.apart)
    except EscapeError as error:
        places, locals_ = error.places, prover.stacked.locals
        return Proof(Unknown(str(error)), None, prover.queries, escapes=places, locals=locals_)
    except (UnmodelledError, UndecidedAccessError, MeaninglessError, OutOfTimeError) as error:
        reason = str(error)
    if reason:
        return Proof(Unknown(reason), None, prover.queries)
    return Proof(
        Proved(),
        None,
        prover.queries,
        to_json(invariants),
        "induction over loops",
        (*prover.provisos, *granted(pair, prover.stacked.locals)),
        callees=tuple(prover.callees),
    )


def _reason_against(prover: RoundProver, invariants: Invariants) -> str:
    """Why the invariants are no proof, as a phrase; empty if they are one. Raises what stands against a round."""
    pairings = {pairing.node: pairing for pairing in invariants.pairings}
    moves: set[tuple[Node, Node]] = set()
    prover.arrive = _Arrivals(prover, pairings, moves)
    assumed = tuple(prover.assumed)
    if START in pairings or len(pairings) < len(invariants.pairings):
        return "a pair of places in the code has relations twice"
    if any(
        label is not None and label not in cuts
        for node in pairings
        for label, cuts in zip((node.a, node.b), prover.cuts, strict=True)
    ):
        return "relations are given at a place that is no loop head"
    prover.round(START, (prover.entry_state("a"), prover.entry_state("b")), assumed)
    for pairing in invariants.pairings:
        a, b, more = node_states(pairing, prover.views)
        prover.round(pairing.node, (a, b), (*assumed, *more))
    if _has_cycle(moves):
        return "the rewrite may run on for ever while the original stands still"
    return "" if prover.ended else "no input is known that brings the original to an end that can be compared"


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """Asks at the end of each round for what its pairing demands, and notes the rounds in which the original stood
    still."""

    prover: RoundProver
    pairings: Mapping[Node, Pairing]
    moves: set[tuple[Node, Node]]

    def __call__(self, arrival: Arrival) -> None:
        pairing = self.pairings.get(arrival.target)
        if pairing is None:
            raise NotProvedError(f"nothing is known at {arrival.target}")
        if not arrival.here.passed[0]:
            self.moves.add((arrival.here.source, arrival.target))
        views = self.prover.views
        wrong = structure(arrival.a, arrival.b, pairing.words, views)
        hidden = hiding(pairing.relations, node_states(pairing, views)[:2], (arrival.a, arrival.b), views)
        if hidden:
            raise NotProvedError(f"where a local lies would not be seen any more in {hidden[0]}")
        terms = (relation_term(relation, arrival.a, arrival.b, views) for relation in pairing.relations)
        wrong += [not_(term) for term in terms]
        for part, answer in self.prover.answers(arrival.here, list(dict.fromkeys(wrong))):
            if not isinstance(answer, Unsat):
                phrase = f"relations do not hold again at {arrival.target}"
                self.prover.require(arrival.here, or_(FALSE, *part), phrase)


def _has_cycle(edges: set[tuple[Node, Node]]) -> bool:
    left = set(edges)
    while left:
        targets = {target for _, target in left}
        rest = {(source, target) for source, target in left if source in targets}
        if rest == left:
            return True
        left = rest
    return False


def to_json(invariants: Invariants) -> tuple[Any, ...]:
    """JSON data: a pairing with what holds there, then the steps. ``from_json`` reads it."""
    pairings = [
        {
            "kind": "pairing",
            "original": _label_to_json(pairing.node.a),
            "rewrite": _label_to_json(pairing.node.b),
            "slots": [str(slot) for slot in pairing.slots],
            **({"words": [str(word) for word in pairing.words]} if pairing.words else {}),
            "relations": [relation_to_json(relation) for relation in pairing.relations],
        }
        for pairing in invariants.pairings
    ]
    steps = [
        {
            "kind": "step",
            "source": [_label_to_json(step.source.a), _label_to_json(step.source.b)],
            "original": [_label_to_json(label) for label in step.a],
            "rewrite": [_label_to_json(label) for label in step.b],
            "target": None
            if step.target is None
            else [_label_to_json(step.target.a), _label_to_json(step.target.b)],
        }
        for step in invariants.steps
    ]
    inline = {
        "kind": "in line",
        "original": sorted(invariants.inline[0]),
        "rewrite": sorted(invariants.inline[1]),
    }
    shared = {
        "kind": "shared",
        "locals": [[one.original, one.rewrite, one.size] for one in invariants.shared],
    }
    more = [inline] if any(invariants.inline) else []
    return (*pairings, *steps, *more, *([shared] if invariants.shared else ()))


def from_json(data: Sequence[dict[str, Any]]) -> Invariants:
    """The invariants that ``to_json`` gave; raises ``ValueError`` for anything else."""
    pairings: list[Pairing] = []
    steps: list[Step] = []
    inline, shared = NONE, ()
    try:
        for item in data:
            match item["kind"]:
                case "in line":
                    inline = frozenset(map(str, item["original"])), frozenset(map(str, item["rewrite"]))
                case "shared":
                    shared = tuple(SharedLocal(*map(int, one)) for one in item["locals"])
                case "pairing":
                    node = _node([item["original"], item["rewrite"]])
                    relations = tuple(relation_from_json(relation) for relation in item["relations"])
                    slots = tuple(value_from_text(slot) for slot in item["slots"])
                    words = tuple(_word(text) for text in item.get("words", ()))
                    pairings.append(Pairing(node, relations, slots, words))
                case "step":
                    passed = [
                        tuple(_label(label) for label in item[side]) for side in ("original", "rewrite")
                    ]
                    target = None if item["target"] is None else _node(item["target"])
                    steps.append(Step(_node(item["source"]), passed[0], passed[1], target))
                case kind:
                    raise ValueError(f"{kind!r} is no part of a proof of loops")
    except (AttributeError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"invariants lack {error}") from None
    return Invariants(tuple(pairings), tuple(steps), inline, shared)


def _word(text: str) -> Value:
    value = value_from_text(text)
    if value.word is None or value.word.kind is not None or value.extended or value.offset:
        raise ValueError(f"{text!r} is no word of memory")
    return value


def _label_to_json(label: Label | None) -> str | None:
    return None if label is None else f"{label.address:#x}.{label.part}"


def _label(text: str | None) -> Label | None:
    if text is None:
        return None
    address, _, part = text.partition(".")
    return Label(int(address, 16), int(part or 0))


def _node(data: Sequence[str | None]) -> Node:
    return Node(_label(data[0]), _label(data[1]))
