"""What ``merge`` did, as text."""

from __future__ import annotations

import sys

from burnish.pipeline.merge import MergeResult
from burnish.report.tables import print_line


def print_merged(result: MergeResult) -> None:
    """Print one line; warnings go to standard error."""
    for text in result.warnings:
        print_line(f"burnish: Warning: {text}", file=sys.stderr)
    events = f", {result.events:,} trace records" if result.events else ""
    print_line(f"{result.path}: {result.functions} functions of {result.runs} runs{events}.")
