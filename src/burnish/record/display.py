"""What is in a recording, at a glance: as text, and as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from burnish.record.trace import rows_of, table_files

if TYPE_CHECKING:
    from burnish.record.store import Recording

_MOST = 20
_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class Section:
    """A small table: its titles, and its rows as text. Columns from ``right`` on are figures."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: int


@dataclass(frozen=True, slots=True)
class Overview:
    """What a recording has. ``str`` gives text; a notebook shows it as HTML, and so does ``to_html``."""

    title: str
    facts: tuple[str, ...]
    sections: tuple[Section, ...]

    def __str__(self) -> str:
        lines = [self.title, *(f"  {fact}" for fact in self.facts)]
        for section in self.sections:
            lines += ["", *_text(section)]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def to_html(self) -> str:
        """A fragment of HTML, without scripts and with nothing from elsewhere."""
        facts = "".join(f"<li>{escape(fact)}</li>" for fact in self.facts)
        tables = "".join(_html(section) for section in self.sections)
        return f"<div><p><code>{escape(self.title)}</code></p><ul>{facts}</ul>{tables}</div>"

    def _repr_html_(self) -> str:
        return self.to_html()


def overview(recording: Recording) -> Overview:
    """What ``recording`` has. Raises ``RecordingError`` where it is damaged."""
    manifest = recording.manifest
    size = sum(recording.files.size(name) for name in recording.files.names)
    runs = f" in {manifest.runs} runs" if manifest.runs > 1 else ""
    facts = [
        f"{recording.path}: {_size(size)}, recorded {manifest.started}{runs}",
        f"recorded: {', '.join(manifest.what)}",
        f"{manifest.threads:,} threads, {manifest.cpu_s:.2f} s of processor time{_slowdown(recording)}",
        f"ended {_ending(recording)}",
    ]
    if manifest.covered is not None:
        facts.append(f"the functions have {100 * manifest.covered:.1f} % of the samples")
    if manifest.dropped:
        facts.append(f"{manifest.dropped:,} bytes of trace records were lost")
    if manifest.unrecorded:
        facts.append(f"{len(manifest.unrecorded):,} hot functions could not be recorded")
    facts += [f"warning: {text}" for text in manifest.warnings]
    return Overview(" ".join(manifest.command), tuple(facts), (_functions(recording), _tables(recording)))


def _ending(recording: Recording) -> str:
    manifest = recording.manifest
    if manifest.interrupted:
        return "because it was cut short"
    if manifest.signal is not None:
        return f"by signal {manifest.signal}"
    return "as it does" if manifest.exit_code is None else f"with exit code {manifest.exit_code}"


def _slowdown(recording: Recording) -> str:
    native = recording.manifest.native_s
    return f" ({recording.manifest.cpu_s / native:.2f}× native)" if native else ""


def _functions(recording: Recording) -> Section:
    functions, blocks = recording.functions, recording.blocks
    columns = [blocks.column(name).to_numpy() for name in ("function", "entered", "instructions")]
    owner, entered, instructions = columns
    size = functions.num_rows
    counts = [np.zeros(size, np.int64) for _ in range(3)]
    for count, values in zip(counts, (1, entered, entered * instructions), strict=True):
        np.add.at(count, owner.astype(np.int64), np.asarray(values, np.int64))
    images: list[str] = [image.path for image in recording.manifest.images]
    rows: list[tuple[str, ...]] = [
        (
            str(row["name"]),
            Path(images[int(row["image"])]).name,
            f"{counts[0][row['function']]:,}",
            f"{counts[1][row['function']]:,}",
            f"{counts[2][row['function']]:,}",
        )
        for row in sorted(functions.to_pylist(), key=lambda row: -counts[2][row["function"]])
    ]
    if len(rows) > _MOST:
        rows = [*rows[:_MOST], (f"and {len(rows) - _MOST} more", "", "", "", "")]
    return Section(("function", "file", "blocks", "block entries", "instructions"), tuple(rows), 2)


def _tables(recording: Recording) -> Section:
    rows: list[tuple[str, ...]] = []
    for name in recording.tables:
        files = table_files(recording.files, name)
        count = sum(rows_of(recording.path, recording.files, file) for file in files)
        size = sum(recording.files.size(file) for file in files)
        rows.append((name, f"{count:,}", _size(size)))
        if name == "trace":
            rows[-1] = (f"{name}, {recording.events:,} records", *rows[-1][1:])
    return Section(("table", "rows", "on disk"), tuple(rows), 1)


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError


def _text(section: Section) -> list[str]:
    lines = [section.titles, *section.rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(section.titles))]

    def cells(line: Sequence[str]) -> str:
        aligned = (
            cell.rjust(width) if k >= section.right else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return "   ".join(aligned).rstrip()

    return [
        cells(section.titles),
        "─" * len(cells(["x" * width for width in widths])),
        *map(cells, section.rows),
    ]


def _html(section: Section) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "".join(
            f'<{tag} style="text-align:{"right" if k >= section.right else "left"}">{escape(cell)}</{tag}>'
            for k, cell in enumerate(cells)
        )

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in section.rows)
    return f"<table><thead><tr>{row(section.titles, 'th')}</tr></thead><tbody>{body}</tbody></table>"
