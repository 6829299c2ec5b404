"""Relations that say a value in others, and in memory, as they are now."""

from __future__ import annotations

import json
import time

import pytest

from burnish.core.specification import LiveOut, Specification
from burnish.core.verdict import Proved
from burnish.domains.smt.build import add, concat, const, extract, mul, select, var, xor, zext
from burnish.domains.smt.terms import Term
from burnish.verify.engine.compare import OWN_VIEWS
from burnish.verify.loops.current import MEMORY_NOW, Naming, is_worth_saying, named, values_in
from burnish.verify.loops.prove import prove_loops
from burnish.verify.loops.relations import Computed, holds, relation_from_json, relation_to_json
from burnish.verify.loops.symbolic import hiding, related_states, relation_term, value_term, values_of
from burnish.verify.loops.term_text import is_of_entry, is_of_state, term_from_text, term_to_text
from burnish.verify.loops.values import FRAME, Sample, Value, Visit
from burnish.verify.pair import Pair
from burnish.verify.solve import Solver

from .conftest import assembled, states

LIMIT_S = 60.0
INDEX, KEPT, SLOT = Value("a", "rdx"), Value("b", "rsi", 0, 1), Value("a", FRAME, -16, 8)
PLACE = add(var("rdi", 64), mul(named(INDEX), const(4, 64)))
ELEMENT = Computed(KEPT, select(MEMORY_NOW, PLACE))
MASK = Computed(INDEX, zext(xor(named(KEPT), const(24, 8)), 64))


@pytest.mark.parametrize("relation", [ELEMENT, MASK, Computed(KEPT, extract(named(SLOT), 8, 8))], ids=str)
def test_json_and_back(relation: Computed) -> None:
    assert relation_from_json(json.loads(json.dumps(relation_to_json(relation)))) == relation
    assert not is_of_entry(relation.term)
    assert is_of_state(relation.term)


@pytest.mark.parametrize("text", ["@e:rdi", "@zext(a:rdx.4", "@a:none", "@", "memory now"])
def test_names_of_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        term_from_text(f"(add:64 {text} 0x1:64)")


def test_variables_of_states_are_no_values() -> None:
    """What an arrival's terms are made of has other names."""
    assert not is_of_state(var("a:rdx", 64))
    assert term_to_text(named(INDEX)) == "@a:rdx"


def test_what_holds_on_samples() -> None:
    def sample(index: int, kept: int) -> Sample:
        return Sample(
            Visit(None, {}, {}, 0), Visit(None, {"rdx": index}, {}, 0), Visit(None, {"rsi": kept}, {}, 0)
        )

    assert holds(MASK, sample(25, 0x101))
    assert not holds(MASK, sample(25, 0x102))
    assert holds(ELEMENT, sample(25, 0x102)), "what memory holds is not sampled"


def test_states_are_related_by_it() -> None:
    a, b, assumed = related_states((ELEMENT, MASK), ((), ()))
    assert value_term(INDEX, a, b) is zext(xor(value_term(KEPT, a, b), const(24, 8)), 64) or assumed
    assert relation_term(MASK, a, b) in (const(1, 1), *assumed)
    assert relation_term(ELEMENT, a, b) in (const(1, 1), *assumed)
    assert set(values_of(ELEMENT)) == {KEPT, INDEX}, "what a local's address may be in"
    assert not hiding([ELEMENT], (a, b), (a, b), OWN_VIEWS)


def test_terms_in_values() -> None:
    a, b, _ = related_states((), ((), ()))
    index, base = a.register("rdx"), var("rdi", 64)
    naming = Naming({index: [INDEX], extract(index, 0, 8): [KEPT]}, a.memory, frozenset({"rdi"}))
    loaded = select(a.memory, add(base, mul(index, const(4, 64))))
    assert naming.of(loaded) is ELEMENT.term
    assert naming.of(index, INDEX) is None
    assert naming.of(add(index, b.register("rcx"))) is None
    assert naming.of(xor(extract(index, 0, 8), const(24, 8)), INDEX) is xor(named(KEPT), const(24, 8))


@pytest.mark.parametrize(
    ("term", "worth"),
    [
        (ELEMENT.term, True),
        (MASK.term, True),
        (add(named(INDEX), const(4, 64)), False),
        (extract(named(INDEX), 0, 8), False),
        (extract(named(INDEX), 3, 8), True),
        (concat(*(select(MEMORY_NOW, add(named(INDEX), const(k, 64))) for k in (1, 0))), False),
        (xor(var("rdi", 64), const(24, 64)), False),
    ],
)
def test_what_others_say_is_not_said_again(term: Term, worth: bool) -> None:
    assert is_worth_saying(term) is worth
    assert all(value.side != "e" for value in values_in(term))


SIFT = (
    "mov esi, esi\n1:\ntest esi, esi\nje 2f\nmov eax, [rdi + 4*rsi]\nmov ecx, [rdi + 4*rsi - 4]\ncmp eax, ecx\njae 2f\n"
    "mov [rdi + 4*rsi - 4], eax\nmov [rdi + 4*rsi], ecx\n{}sub esi, 1\njmp 1b\n2:\nmov eax, 0\nret"
)
SIFT_KEPT = (
    "mov esi, esi\ntest esi, esi\nje 2f\nmov eax, [rdi + 4*rsi]\n1:\nmov ecx, [rdi + 4*rsi - 4]\ncmp eax, ecx\njae 2f\n"
    "mov [rdi + 4*rsi - 4], eax\nmov [rdi + 4*rsi], ecx\n{}sub esi, 1\njne 1b\n2:\nmov eax, 0\nret"
)


@pytest.mark.parametrize(("store", "holds"), [("", True), ("mov dword ptr [rdx], 7\n", False)])
def test_an_element_that_was_stored_is_kept(solver: Solver, store: str, holds: bool) -> None:
    """Where something else is stored the original may load that."""
    assert _is_proved(solver, SIFT.format(store), SIFT_KEPT.format(store), "pip") is holds


MASKED = (
    "movzx eax, byte ptr [rdi]\nxor eax, 24\n1:\ntest byte ptr [rsi], al\njne 2f\nmov rsi, [rsi + 8]\n"
    "movzx eax, byte ptr [rdi]\nxor eax, 24\ntest rsi, rsi\njne 1b\n2:\nmov eax, 0\nret"
)
OTHER_MASK = (
    "movzx eax, byte ptr [rdi]\n1:\nmov ecx, eax\nxor ecx, {}\ntest byte ptr [rsi], cl\njne 2f\nmov rsi, [rsi + 8]\n"
    "movzx eax, byte ptr [rdi]\ntest rsi, rsi\njne 1b\n2:\nmov eax, 0\nret"
)


@pytest.mark.parametrize(("mask", "holds"), [(24, True), (25, False)])
def test_a_mask_of_what_the_other_keeps(solver: Solver, mask: int, holds: bool) -> None:
    assert _is_proved(solver, MASKED, OTHER_MASK.format(mask), "pp") is holds


def _is_proved(solver: Solver, original: str, rewrite: str, kinds: str) -> bool:
    pair = Pair(
        assembled(original), assembled(rewrite), Specification((LiveOut("rax", 4),), source="prototype")
    )
    proof = prove_loops(pair, solver, time.monotonic() + LIMIT_S, states(kinds, counts=(1, 2, 3, 5, 9, 17)))
    return isinstance(proof.verdict, Proved)
