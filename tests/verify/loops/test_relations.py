"""Relations as data: shown, stored, read again, refused where they make no sense."""

from __future__ import annotations

import json

import pytest

from burnish.domains.smt.build import (
    add,
    concat,
    const,
    eq,
    extract,
    memory,
    mul,
    not_,
    select,
    sext,
    var,
    zext,
)
from burnish.domains.smt.evaluate import evaluate
from burnish.verify.loops.relations import (
    Affine,
    Asked,
    Comparison,
    Computed,
    Held,
    Order,
    OuterKept,
    Relation,
    holds,
    relation_from_json,
    relation_to_json,
)
from burnish.verify.loops.term_text import is_of_entry, term_from_text, term_to_text
from burnish.verify.loops.values import FRAME, Sample, Value, Visit, value_from_text, word
from burnish.verify.solve.query import Model

COUNTER = Value("a", FRAME, -16, 4)
POINTER = Value("b", "rax")
WIDE = Value("a", FRAME, -16, 4, "zext")
BASE = Value("e", "rdi")
WORD = word("a", "rbx", -16, 2, 8)

RELATIONS: list[Relation] = [
    Affine((((1 << 64) - 1, BASE), ((1 << 64) - 4, WIDE), (1, POINTER)), 0, 64),
    Affine(((1 << 30, COUNTER),), 0, 32),
    Order(COUNTER, Comparison.LESS, Value("e", "rsi", 0, 4)),
    Order(COUNTER, Comparison.BELOW, 1 << 31),
    OuterKept(),
    Asked(not_(eq(extract(var("rdi", 64), 0, 2), const(3, 2)))),
    Computed(POINTER, add(var("rdi", 64), mul(sext(extract(var("rsi", 64), 0, 32), 64), const(4, 64)))),
]
OF_MEMORY: list[Relation] = [
    Held(POINTER, BASE, -8),
    Held(POINTER, BASE, 24, 3),
    Affine((((1 << 64) - 1, WORD), (1, POINTER)), 0, 64),
]
OF_OBJECTS: list[Relation] = [
    Affine((((1 << 64) - 1, Value("e", "&a table, (first)")), (1, POINTER)), 8, 64),
    Computed(POINTER, add(var("&return address 0 of the original", 64), const(4, 64))),
]


def sample(counter: int, pointer: int, base: int = 0x1000, length: int = 9) -> Sample:
    entry = Visit(None, {"rdi": base, "rsi": length}, {}, 0)
    original = Visit(None, {}, {-16 + k: counter >> 8 * k & 0xFF for k in range(4)}, 0)
    return Sample(entry, original, Visit(None, {"rax": pointer}, {}, 0))


def test_in_words() -> None:
    assert str(RELATIONS[0]) == "b:rax == e:rdi + 4*zext(a:[entry-16].4) (64)"
    assert str(RELATIONS[2]) == "a:[entry-16].4 <s e:rsi.4"
    assert str(RELATIONS[4]) == "memory == entry memory"


@pytest.mark.parametrize("relation", [*RELATIONS, *OF_OBJECTS, *OF_MEMORY], ids=str)
def test_json_and_back(relation: Relation) -> None:
    assert relation_from_json(json.loads(json.dumps(relation_to_json(relation)))) == relation


@pytest.mark.parametrize(
    "value", [COUNTER, POINTER, WIDE, BASE, Value("b", "xmm0", 8, 4), Value("a", FRAME, 0, 8)]
)
def test_values_as_text(value: Value) -> None:
    assert value_from_text(str(value)) == value


@pytest.mark.parametrize("text", ["", "c:rax", "a:rzx", "a:rax.16", "a:rax[4]", "zext(a:rax", "a:[entry].4"])
def test_no_values(text: str) -> None:
    with pytest.raises(ValueError, match="names no value"):
        value_from_text(text)


def test_what_holds() -> None:
    assert [holds(relation, sample(4, 0x1010)) for relation in RELATIONS] == [
        True,
        True,
        True,
        True,
        True,
        True,
        False,
    ]
    assert [holds(relation, sample(9, 0x1024)) for relation in RELATIONS] == [
        True,
        False,
        False,
        True,
        True,
        True,
        True,
    ]
    assert [holds(RELATIONS[5], sample(4, 0, base)) for base in (0x1003, 0x1004)] == [False, True]


@pytest.mark.parametrize("text", ["rdi", "(eq:1 (extract:32:0 rdi) @c:rcx.4)", "(eq:1 rdi"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        relation_from_json(relation_to_json(RELATIONS[5]) | {"condition": text})


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "unheard of"},
        {"width": 32},
        {"terms": []},
        {"terms": [["1", "a:rax"], ["1", "a:rax.4"]]},
        {"terms": None},
    ],
)
def test_broken_relations_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        relation_from_json(relation_to_json(RELATIONS[0]) | change)


def test_terms_as_text() -> None:
    term = concat(select(memory("memory"), var("rdi", 64)), zext(extract(var("rsi", 64), 3, 5), 24))
    assert is_of_entry(term)
    assert term_from_text(term_to_text(term)) is term
    assert not is_of_entry(add(term, var("a:rcx", 32)))


@pytest.mark.parametrize(
    "text",
    [
        "rax rbx",
        "(add:64 rdi)",
        "(add:64 rdi rsi",
        "(extract:40:40 rdi)",
        "(add:32 rdi rsi)",
        "nothing",
        "0x1:0",
        "()",
        "(ieee:1 (extract:1:0 rdi) 0x0:1)",
    ],
)
def test_broken_terms_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        term_from_text(text)


def test_a_term_read_again_means_the_same() -> None:
    term = term_from_text("(lshr:32 (mul:32 (extract:32:0 rdi) 0x5:32) 0x2:32)")
    assert evaluate([term], Model({"rdi": 0xFFFFFFFF00000007})) == [8]


@pytest.mark.parametrize("relation", [Held(POINTER, WORD, 0, 2), Held(WORD, BASE, 0, 2)], ids=str)
def test_words_of_memory_are_no_places_of_others(relation: Held) -> None:
    """What is not known of them is said by an address, which must be known first."""
    with pytest.raises(ValueError, match="no address"):
        relation_from_json(json.loads(json.dumps(relation_to_json(relation))))


@pytest.mark.parametrize("text", ["b:mrbx-16as2", "a:mnone+0as1", "a:mrbx-16as2.3", "e:mrdi+0as0"])
def test_other_words_are_no_values(text: str) -> None:
    with pytest.raises(ValueError, match="names no value"):
        value_from_text(text)
