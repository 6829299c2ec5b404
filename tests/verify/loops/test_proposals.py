"""What the ways to a pair of cuts suggest of it."""

from __future__ import annotations

from burnish.core.code import Label
from burnish.domains.smt.build import TRUE, add, const, eq, ite, not_, store, var
from burnish.domains.smt.terms import Term
from burnish.verify.engine.compare import OWN_VIEWS
from burnish.verify.engine.cover import facts as facts_of
from burnish.verify.engine.execute import Access
from burnish.verify.engine.points import AtCut
from burnish.verify.engine.state import State
from burnish.verify.loops.align import START, Node
from burnish.verify.loops.product import Arrival, LoopJoint
from burnish.verify.loops.proposals import Proposals
from burnish.verify.loops.relations import Comparison, Held, Order
from burnish.verify.loops.symbolic import memory_term, related_states
from burnish.verify.loops.values import Value

HEAD = Label(0x10)
NODE, OTHER = Node(HEAD, HEAD), Node(Label(0x20), Label(0x20))
COUNT, POINTER, KEPT = Value("b", "rcx"), Value("a", "rdi"), Value("b", "rdx")
ZERO = const(0, 64)


def proposals() -> Proposals:
    return Proposals(lambda node: (COUNT, POINTER, KEPT), {NODE: []}, lambda: OWN_VIEWS)


def arrival(a: State, b: State, conditions: tuple[Term, ...] = (), source: Node = NODE) -> Arrival:
    at = AtCut(HEAD), AtCut(HEAD)
    return Arrival(NODE, LoopJoint(a, b, at, conditions, source=source), a, b)


def test_what_is_assumed_at_a_place_suggests_nothing_there() -> None:
    """A count that is never 0 is never 4 after the next round, nor 8 after that, and so for ever."""
    a, b, _ = related_states((), ((), ()))
    count = b.register("rcx")
    assumed = not_(eq(count, ZERO))
    b.set_register("rcx", add(count, const(4, 64)))
    same = proposals().compared(arrival(a, b, (assumed,)), frozenset({assumed}), set())
    assert not same
    b.set_register("rcx", count)
    found = proposals().compared(arrival(a, b, (assumed,), OTHER), frozenset({assumed}), set())
    assert Order(COUNT, Comparison.DIFFERENT, 0) in found
    asked = proposals().compared(arrival(a, b, (assumed,)), frozenset(), set())
    assert Order(COUNT, Comparison.DIFFERENT, 0) in asked


def test_what_was_loaded_may_be_in_memory_still() -> None:
    a, b, _ = related_states((), ((), ()))
    pointer = add(a.register("rdi"), const(24, 64))
    b.set_register("rdx", memory_term(b.memory, pointer, 8, OWN_VIEWS))
    here = arrival(a, b, source=START)
    once = proposals()
    assert once.held(here) == [Held(KEPT, POINTER, 24)]
    assert not once.held(here), "a relation is proposed once"


def test_what_was_loaded_from_one_of_two_places_may_be_there_still() -> None:
    """The other side has the address as a choice, this one has loaded from both places and chosen then."""
    a, b, _ = related_states((), ((), ()))
    choice, one, other = var("choice", 1), var("one", 64), var("other", 64)
    a.set_register("rdi", ite(choice, one, other))
    words = [memory_term(b.memory, add(place, const(24, 64)), 8, OWN_VIEWS) for place in (one, other)]
    b.set_register("rdx", ite(choice, *words))
    assert proposals().held(arrival(a, b, source=START)) == [Held(KEPT, POINTER, 24)]


def test_what_was_stored_over_is_not() -> None:
    a, b, _ = related_states((), ((), ()))
    pointer = a.register("rdi")
    b.set_register("rdx", memory_term(b.memory, pointer, 8, OWN_VIEWS))
    for state in (a, b):
        state.memory = store(state.memory, add(pointer, const(7, 64)), var("new", 8))
    assert not [found for found in proposals().held(arrival(a, b)) if found.value.size == 8]


def test_what_was_looked_behind_is_no_null_pointer() -> None:
    a, b, _ = related_states((), ((), ()))
    pointer = a.register("rdi")
    facts = facts_of([Access(TRUE, add(pointer, const(24, 64)), 8, write=False, aligned=False)], {})
    here = Arrival(NODE, LoopJoint(a, b, (AtCut(HEAD), AtCut(HEAD)), facts=tuple(facts)), a, b)
    once = proposals()
    assert once.pointers(here) == [Order(POINTER, Comparison.DIFFERENT, 0)]
    assert not once.pointers(here), "a relation is proposed once"
