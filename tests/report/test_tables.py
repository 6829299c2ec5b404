"""Tables for the terminal."""

from __future__ import annotations

import io

import pytest

from burnish.report.tables import Column, percent, print_line, print_table, printable


def printed(rows: list[tuple[str, ...]], *columns: Column) -> list[str]:
    out = io.StringIO()
    print_table(columns, rows, file=out)
    return out.getvalue().splitlines()


def test_columns_align_and_lines_do_not_end_in_spaces() -> None:
    lines = printed([("a", "1"), ("bcd", "1000")], Column("name"), Column("count", right=True))
    assert lines[0] == "name   count"
    assert lines[2:] == ["a          1", "bcd     1000"]


def test_long_cells_stay_whole_where_no_terminal_limits_them() -> None:
    long = "x" * 500
    assert long in printed([(long,)], Column("name"))[2]


@pytest.mark.parametrize("text", ["[red]name[/red]", "\x1b[31mred\x1b[0m", "a\nb", "a\rb", "\u202eevil"])
def test_names_from_files_cannot_act_on_the_terminal(text: str) -> None:
    lines = printed([(text,)], Column("name"))
    assert len(lines) == 3
    assert "\x1b" not in lines[2]
    assert lines[2] == printable(text)
    assert printable(text).isprintable()
    out = io.StringIO()
    print_line(text, out)
    assert out.getvalue() == printable(text) + "\n"


def test_printable_leaves_what_is_printable() -> None:
    assert printable("naïve [x] – 漢字") == "naïve [x] – 漢字"
    assert printable("a\x1b[0m") == "a\\x1b[0m"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "–"),
        (0, 5, "0.0 %"),
        (5, 5, "100.0 %"),
        (1, 3, "33.3 %"),
        (99_999, 100_000, "99.9 %"),
        (1, 100_000, "0.1 %"),
    ],
)
def test_percentages_do_not_round_to_all_or_nothing(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text
