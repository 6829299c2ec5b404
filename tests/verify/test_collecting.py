"""Garbage is looked for less often while a verdict is made, and as before after it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from weakref import ref

import pytest

from burnish.verify.collecting import seldom_collected


class Circle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_what_was_set_is_set_again() -> None:
    gc.set_threshold(700, 11, 12)
    with pytest.raises(KeyError), seldom_collected():
        assert gc.get_threshold()[0] > 10_000 and gc.get_threshold()[1:] == (11, 12)
        raise KeyError
    assert gc.get_threshold() == (700, 11, 12)


@pytest.mark.parametrize("own", [0, 1_000_000])
def test_who_wants_none_or_less_gets_it(own: int) -> None:
    gc.set_threshold(own, 10, 10)
    with seldom_collected():
        assert gc.get_threshold()[0] == own


def test_circles_are_still_found() -> None:
    with seldom_collected():
        circles = [ref(Circle()) for _ in range(200_000)]
        assert sum(one() is None for one in circles) > 100_000
