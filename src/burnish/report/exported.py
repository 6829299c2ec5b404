"""What ``export`` left out, as text on standard error."""

from __future__ import annotations

import sys

from burnish.pipeline.export import Exported
from burnish.report.tables import print_line


def print_notes(result: Exported) -> None:
    """Print a line for each thing that was left out or put together; nothing where all is there."""
    for note in result.notes:
        print_line(f"burnish: {note}", file=sys.stderr)
