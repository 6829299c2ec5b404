"""``burnish revert``."""

from __future__ import annotations

from burnish.cli.options import FileArgument, JsonOption, OutputOption


def run(file: FileArgument, output: OutputOption, json: JsonOption = False) -> int:
    """Give the original bytes of FILE, a copy that Burnish has patched, back."""
    from burnish.pipeline.revert import revert
    from burnish.report.tables import print_line

    reverted = revert(file, output)
    if json:
        print(reverted.to_json())
    else:
        print_line(f"{reverted.output}: the original of {reverted.path}, {reverted.size} bytes.")
    return 0
