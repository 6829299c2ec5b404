"""An annotated function as text."""

from __future__ import annotations

from burnish.pipeline.annotate import AnnotatedLine, Annotation
from burnish.report.tables import print_line


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
        print_line(f"{count:>{width}} {mark} {line.address:#x}  {line.text}")


def _place(line: AnnotatedLine) -> str:
    return "" if line.source is None else f"{line.source.path}:{line.source.line}"
