"""An annotated function as text."""

from __future__ import annotations

from collections.abc import Iterator

from burnish.pipeline.annotate import AnnotatedLine, Annotation
from burnish.pipeline.observed_profile import words_of
from burnish.report.tables import print_line

_TEXT = 32
"""Columns of an instruction's text, before what was seen of it."""
_REGULAR = 0.5


def print_annotation(found: Annotation) -> None:
    """Print one line an instruction: executions, address, text; and a source line where it changes."""
    what = found.unit if found.calls is None else f"{found.calls:,} calls"
    print_line(f"{found.name} in {found.image}: {what}")
    width = max((len(f"{line.executed:,}") for line in found.lines), default=1)
    shown = ""
    for line in found.lines:
        place = _place(line)
        if place and place != shown:
            print_line(f"{'':{width}}  {place}")
            shown = place
        mark = "┌" if line.block is not None else " "
        count = f"{line.executed:,}" if line.executed else "·"
        seen = "  ".join(_seen(line))
        print_line(
            f"{count:>{width}} {mark} {line.address:#x}  {f'{line.text:<{_TEXT}}  {seen}' if seen else line.text}"
        )


def _seen(line: AnnotatedLine) -> Iterator[str]:
    for value in line.values:
        yield f"{value.register} = {', '.join(words_of(value))}"
    for access in line.accesses:
        extent = f"{access.lowest:#x}" + (f" … {access.highest:#x}" if access.highest > access.lowest else "")
        stride = (
            f" by {access.stride:+#x} ({100 * access.strided:.0f} %)" if access.strided >= _REGULAR else ""
        )
        yield f"{access.access} of {extent}{stride}"


def _place(line: AnnotatedLine) -> str:
    return "" if line.source is None else f"{line.source.path}:{line.source.line}"
