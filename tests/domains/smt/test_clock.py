"""Work on terms ends with its time, wherever it is."""

from __future__ import annotations

import time

import pytest

from burnish.domains.smt.build import add, const, mul, var
from burnish.domains.smt.clock import OutOfTimeError, look, until
from burnish.domains.smt.terms import Term, subterms


def _long(count: int) -> Term:
    found = var("x", 64)
    for k in range(count):
        found = add(mul(found, found), const(k, 64))
    return found


def test_making_terms_ends_with_the_time() -> None:
    with pytest.raises(OutOfTimeError), until(time.monotonic() - 1):
        _long(5000)


def test_walking_through_terms_ends_with_the_time() -> None:
    made = _long(5000)
    with pytest.raises(OutOfTimeError), until(time.monotonic() - 1):
        list(subterms(made))
    assert len(list(subterms(made))) > 5000


def test_an_inner_limit_is_none_beyond_the_outer_one_and_ends_with_its_block() -> None:
    with pytest.raises(OutOfTimeError), until(time.monotonic() - 1), until(time.monotonic() + 60):
        look()
    with until(time.monotonic() + 60):
        with pytest.raises(OutOfTimeError), until(time.monotonic() - 1):
            look()
        look()
    look()
