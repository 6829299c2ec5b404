"""Factorising strings: against a search written here that tries every form, and against the strings themselves."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from burnish.analyze.factorise import Factoriser, exact_form, stream_form
from burnish.core.errors import UsageError
from burnish.core.factorisation import Factorisation, Form, form_length
from burnish.pipeline.factorize import factorize

SEED = "abjbhcfefghcfefghijbhcfefghcfefghijk"


def symbols(values: str | list[int]) -> NDArray[np.uint32]:
    return np.array([ord(each) - ord("a") if isinstance(each, str) else each for each in values], np.uint32)


def written_out(form: Form) -> list[int]:
    out: list[int] = []
    for item in form:
        out += [item] if isinstance(item, int) else written_out(item.form) * item.count
    return out


@cache
def shortest(string: str) -> int:
    """The least length of a form: of every cut in two, and of every way to be copies of a shorter string."""
    lengths = [len(string)]
    lengths += [shortest(string[:at]) + shortest(string[at:]) for at in range(1, len(string))]
    lengths += [
        shortest(string[:size]) + 1
        for size in range(1, len(string))
        if string[:size] * (len(string) // size) == string
    ]
    return min(lengths)


def assert_stands_for(made: Factorisation, expected: NDArray[np.uint32]) -> None:
    assert made.events() == len(expected)
    assert np.array_equal(made.expand(), expected)
    assert written_out(made.form()) == expected.tolist()
    assert made.length() == form_length(made.form())
    for size in (1, 3, 1000):
        chunks = list(made.expand_chunks(size))
        assert all(0 < len(chunk) <= size for chunk in chunks)
        assert sum(map(len, chunks)) == len(expected)
        assert not chunks or np.array_equal(np.concatenate(chunks), expected)


LOOPS = st.recursive(
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    lambda inner: (
        st.builds(lambda body, count: body * count, inner, st.integers(2, 4))
        | st.builds(lambda one, other: one + other, inner, inner)
    ),
    max_leaves=6,
).filter(lambda string: len(string) <= 400)
STRINGS = LOOPS | st.lists(st.integers(0, 2), max_size=40)


def test_the_string_of_the_definition() -> None:
    done = factorize(SEED)
    assert done.text == "ab(jb(hcfefg)2hi)2jk"
    assert (done.events, done.length, done.exact) == (36, 16, True)
    assert done.grammar.length() == form_length(done.grammar.form())


def test_the_exact_form_is_as_short_as_any() -> None:
    for size in range(1, 9):
        for letters in product("ab", repeat=size):
            string = "".join(letters)
            made = exact_form(symbols(string), 2)
            assert made.length() == shortest(string), string
            assert_stands_for(made, symbols(string))


@given(st.text("abc", min_size=1, max_size=14))
def test_the_exact_form_of_longer_strings(string: str) -> None:
    assert exact_form(symbols(string), 3).length() == shortest(string)


@pytest.mark.parametrize(
    ("string", "text"),
    [
        ("a", "a"),
        ("aa", "a2"),
        ("abab", "(ab)2"),
        ("aaaaaa", "a6"),
        ("aabaab", "(a2b)2"),
        ("ababa", "(ab)2a"),
        ("abcbcbcd", "a(bc)3d"),
    ],
)
def test_ties_go_as_the_definition_says(string: str, text: str) -> None:
    assert factorize(string).text == text


@given(STRINGS, st.none() | st.integers(1, 20))
def test_exact_forms_expand_to_the_string(string: list[int], window: int | None) -> None:
    assert_stands_for(exact_form(symbols(string), 4, window), symbols(string))


@given(STRINGS, st.integers(1, 20), st.data())
def test_streams_expand_to_the_string_however_they_are_cut(
    string: list[int], window: int, data: st.DataObject
) -> None:
    whole = symbols(string)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(string)), max_size=6)))
    made = stream_form(np.split(whole, cuts), 4, window)
    assert_stands_for(made, whole)
    assert made.to_data() == stream_form([whole], 4, window).to_data()
    assert made.length() >= exact_form(whole, 4).length()


def test_a_long_stream_of_nested_loops() -> None:
    inner = [0, *[1, 2] * 7, 3]
    whole = np.tile(symbols(inner * 50 + [4]), 3000)
    made = stream_form(np.array_split(whole, 17), 5)
    assert np.array_equal(made.expand(), whole)
    assert made.text("abcde") == "((a(bc)7d)50e)3000"


def test_one_event_in_a_hundred_at_random_leaves_the_innermost_loop() -> None:
    """As the documentation says: of what is around it hardly anything comes again. ``test_superblocks`` has the same of
    code."""
    source = np.random.default_rng(1)
    whole = np.tile(symbols([0, *[1, *[2, 3, 4, 5] * 40, 6] * 30, 7]), 20)
    clean = stream_form([whole], 9)
    assert clean.text("abcdefghi") == "(a(b(cdef)40g)30h)20"
    rare = source.random(len(whole)) < 0.01
    made = stream_form([np.where(rare, np.uint32(8), whole)], 9)
    assert 6 * rare.sum() < made.length() < 12 * rare.sum()
    bodies = {tuple(sorted(made.body(rule).tolist())) for rule in range(made.rules)}
    assert (2, 3, 4, 5) in bodies
    assert not any(0 in body or 7 in body for body in bodies)


def test_bodies_that_are_longer_than_what_is_kept_of_the_stream() -> None:
    """More than 2^20 events are not compared as memory. Where what stands behind an inner repetition is as long as its
    body, two repetitions could grow at one place."""
    ab, long = symbols("ab"), 600_000
    assert_folds([np.repeat(ab, 700_000), symbols("c")], 3, "(a700000b700000c)3")
    assert_folds([np.tile(ab, long), symbols("cd")], 5, "((ab)600000cd)5")
    inner = [np.tile(np.concatenate([np.tile(ab, 300), symbols("cd")]), 2000), symbols("efg")]
    assert_folds([np.tile(np.concatenate(inner), 3), symbols("h")], 4, "((((ab)300cd)2000efg)3h)4")


def assert_folds(parts: list[NDArray[np.uint32]], copies: int, text: str) -> None:
    body = np.concatenate(parts)
    made = stream_form([body] * copies, 8)
    assert made.text("abcdefgh") == text
    assert np.array_equal(made.expand(), np.tile(body, copies))


def test_more_events_than_fit_into_64_bits_are_counted() -> None:
    rules = 70
    made = Factorisation(
        alphabet=1,
        sequence=np.array([rules], np.uint32),
        bodies=np.arange(rules, dtype=np.uint32),
        counts=np.full(rules, 2, np.uint64),
        starts=np.arange(rules + 1, dtype=np.uint64),
        symbols=np.arange(rules, dtype=np.uint32),
    )
    assert made.events() == 2**rules
    assert len(next(made.expand_chunks(1000))) == 1000


@pytest.mark.parametrize(
    ("values", "alphabet", "window"),
    [
        (np.array([3], np.uint32), 3, 4),
        (np.array([-1]), 3, 4),
        (np.array([0.5]), 3, 4),
        (np.zeros((2, 2), np.uint32), 3, 4),
        (np.array([0], np.uint32), 0, 4),
        (np.array([0], np.uint32), 1 << 40, 4),
        (np.array([0], np.uint32), 3, 0),
    ],
)
def test_bad_input_is_a_sentence(values: NDArray[np.uint32], alphabet: int, window: int) -> None:
    with pytest.raises(UsageError, match=r"\.$"):
        exact_form(values, alphabet, window)
    with pytest.raises(UsageError, match=r"\.$"):
        stream_form([values], alphabet, window)


def test_a_factoriser_that_has_finished_takes_no_more() -> None:
    factoriser = Factoriser(1)
    assert factoriser.finish().events() == 0
    with pytest.raises(ValueError, match="finished"):
        factoriser.feed(symbols([0]))


def test_an_exact_form_that_would_take_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="window of at most"):
        exact_form(np.arange(100_000, dtype=np.uint32), 100_000)


def test_arrays_and_tokens_are_events_too() -> None:
    assert factorize(np.array([7, -1, 7, -1])).text == "(7 -1)2"
    assert factorize(["do (x)", "a"] * 2).text == "(do\\ \\(x\\) a)2"
    with pytest.raises(UsageError, match="empty"):
        factorize([])
