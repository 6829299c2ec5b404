"""JSON documents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from burnish import __version__
from burnish.pipeline.results import SCHEMA_VERSION, Result, plain


class Colour(Enum):
    RED = "the sentence that people read"


class Point(NamedTuple):
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Sample(Result):
    verb: ClassVar[str] = "sample"
    colour: Colour
    points: tuple[Point, ...]
    ratio: float


def test_a_document_says_what_it_is_first() -> None:
    document = json.loads(Sample(Colour.RED, (Point(1, 2),), 0.5).to_json())
    assert list(document)[:3] == ["schema_version", "burnish", "verb"]
    assert document == {
        "schema_version": SCHEMA_VERSION,
        "burnish": __version__,
        "verb": "sample",
        "colour": "RED",
        "points": [{"x": 1, "y": 2}],
        "ratio": 0.5,
    }


@pytest.mark.parametrize("ratio", [float("nan"), float("inf"), float("-inf")])
def test_what_json_cannot_say_is_null(ratio: float) -> None:
    assert json.loads(Sample(Colour.RED, (), ratio).to_json())["ratio"] is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (b"\x00\xff", "00ff"),
        (Path("a/b"), "a/b"),
        ({1: (None, "x")}, {"1": [None, "x"]}),
        ("\udcff", "\udcff"),
    ],
)
def test_plain_values(value: object, expected: Any) -> None:
    assert plain(value) == expected
    assert json.loads(json.dumps(plain(value))) == expected


def test_what_has_no_json_form_is_an_error() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        plain(object())
