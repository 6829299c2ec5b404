"""Undefined flags, against the manual."""

from __future__ import annotations

import pytest

from burnish.machine.flags import undefined_flags

LOGIC = {"af"}
ALL = {"cf", "pf", "af", "zf", "sf", "of"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("01 d8", LOGIC),  # add: AF is defined, and never modelled
        ("21 d8", LOGIC),
        ("d1 e0", LOGIC),  # shl eax, 1
        ("c1 e0 01", LOGIC),
        ("c1 e0 03", LOGIC | {"of"}),
        ("c1 c0 03", LOGIC | {"of"}),  # rol
        ("c0 e0 08", LOGIC | {"of", "cf"}),  # shl al, 8
        ("c0 f8 08", LOGIC | {"of"}),  # sar al, 8: the sign goes on coming out
        ("c0 c0 09", LOGIC | {"of"}),
        ("f7 e3", {"pf", "af", "zf", "sf"}),  # mul
        ("0f af c3", {"pf", "af", "zf", "sf"}),
        ("f7 f3", ALL),  # div
        ("f7 d3", LOGIC),  # not
        ("0f bc c3", ALL - {"zf"}),  # bsf
        ("f3 0f bc c3", {"of", "sf", "pf", "af"}),  # tzcnt
        ("0f a3 c3", {"of", "sf", "pf", "af"}),  # bt
        ("0f ba e0 03", {"of", "sf", "pf", "af"}),
        ("89 c3", LOGIC),
        ("d3 e0", LOGIC | {"of"}),  # by an unknown count; 32 bits are never shifted out of 32
        ("d2 e0", LOGIC | {"of", "cf"}),
    ],
)
def test_undefined_flags(text: str, names: set[str]) -> None:
    assert undefined_flags(bytes.fromhex(text)) == names


@pytest.mark.parametrize(
    ("count", "names"),
    [(0, {"af"}), (1, {"af"}), (2, {"af", "of"}), (8, {"af", "of", "cf"}), (32, {"af"}), (33, {"af"})],
)
def test_a_shift_by_cl_depends_on_the_count(count: int, names: set[str]) -> None:
    assert undefined_flags(bytes.fromhex("d2 e0"), count) == names
