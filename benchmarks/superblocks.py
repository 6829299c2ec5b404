"""Claim: the structure of real programs is found, and found again: bzip2's block sort and SQLite's walk over pages.

Both are compiled from Debian's sources, run on inputs of their own making, and recorded with all accesses. The report
(``burnish superblocks``) is compared with the one in ``benchmarks/golden``, which was checked by hand; ``--update``
writes it anew. Printed beside: how long analysing takes, and how long the trace of blocks is once it is factorised.

python benchmarks/superblocks.py [--quick] [--update]
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from burnish.analyze.factorise import Factoriser
from burnish.core.recording import What
from burnish.images import load
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.pipeline.superblocks import superblocks
from burnish.record.store import open_recording
from burnish.report.superblocks import print_superblocks
from harness import ROOT, Figure, common, finish, parser
from recorded_programs import arguments, compiled

GOLDEN = ROOT / "benchmarks" / "golden"
_WHAT = (What.EDGES, What.BLOCKS, What.MEMORY)


@dataclass(frozen=True, slots=True)
class Case:
    """A program of ``recorded_programs``, how much it does, and the functions of interest."""

    name: str
    size: int
    functions: tuple[str, ...]


CASES = (
    Case("bzip2", 20_000, ("mainSort", "mainGtU", "BZ2_blockSort", "fallbackSort",
        "generateMTFValues", "BZ2_compressBlock", "BZ2_hbMakeCodeLengths", "add_pair_to_block")),
    Case("sqlite", 1_000, ("sqlite3BtreeNext", "btreeNext", "moveToLeftmost", "moveToChild",
        "sqlite3BtreeTableMoveto", "getAndInitPage", "btreeParseCellPtr", "sqlite3BtreePayloadFetch")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """One case. Times are processor seconds; ``records`` are those of the trace, ``length`` is that of the factorised
    sequence of blocks, ``same`` whether the report is the golden one."""

    name: str
    records: int
    blocks: int
    analysis_s: float
    factorising_s: float
    length: int
    same: bool


def measured(case: Case, folder: Path, quick: bool, update: bool) -> Measured | str:
    """Compiles, records and analyses one case."""
    program = compiled(case.name, folder)
    if isinstance(program, str):
        return program
    names = {function.name for function in load(program).functions}
    functions = tuple(name for name in case.functions if name in names)
    size = case.size // 10 if quick else case.size
    output = folder / f"{case.name}.burnish"
    record(RecordOptions(str(program), arguments(case.name, size), output, _WHAT, functions))
    began = time.process_time()
    found = superblocks(output)
    analysis = time.process_time() - began
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        print_superblocks(found)
    text = re.sub(r" +", " ", re.sub(r"─+\n", "", printed.getvalue().replace(str(folder), "")))
    text = re.sub(r"0x[0-9a-f]+", "0x…", text)
    path = GOLDEN / f"superblocks-{case.name}.txt"
    if update and not quick:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    same = quick or (path.exists() and path.read_text() == text)
    seconds, length, events = _factorised(output)
    return Measured(
        case.name,
        sum(r.loads + r.stores for r in found.structure.regions),
        events,
        analysis,
        seconds,
        length,
        same,
    )


def _factorised(output: Path) -> tuple[float, int, int]:
    """Processor seconds for the sequence of blocks, the length of the form, and events."""
    opened = open_recording(output)
    alphabet = opened.blocks.num_rows + 1
    factoriser = Factoriser(alphabet)
    seconds, events = 0.0, 0
    for process, thread in opened.traced_threads():
        for chunk in opened.trace_chunks(process, thread):
            numbers = np.minimum(chunk.astype(np.uint32), alphabet - 1)
            began = time.process_time()
            factoriser.feed(numbers)
            seconds += time.process_time() - began
            events += len(numbers)
    began = time.process_time()
    form = factoriser.finish()
    return seconds + time.process_time() - began, form.length(), events


def main() -> int:
    """The command."""
    options_of_all = parser(__doc__)
    options_of_all.add_argument("--update", action="store_true", help="write the golden reports anew")
    arguments = options_of_all.parse_args()
    options = common(arguments)
    rows: list[Measured] = []
    with TemporaryDirectory(prefix="burnish-") as folder:
        for case in CASES:
            row = measured(case, Path(folder), options.quick, arguments.update)
            if isinstance(row, str):
                print(row, file=sys.stderr)
                return 2
            rows.append(row)
    figures = [
        Figure(
            f"{row.name}: the report",
            f"{row.analysis_s:.1f} s for {row.blocks:,} blocks; factorised: {row.length:,}, "
            f"{100e6 * row.factorising_s / row.blocks:.1f} s for 10^8",
            "as checked",
            "",
            row.same,
        )
        for row in rows
    ]
    return finish("superblocks", options, figures, rows)


if __name__ == "__main__":
    sys.exit(main())
