"""The format ``fdata``: BOLT's own, as ``perf2bolt`` writes it from last-branch records.

A line a way from block to block, taken or fallen through, and a line for what called each function from elsewhere.
BOLT looks functions up by symbols; those that are local to a source file it numbers, ``name/1``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from burnish.record.attribution import build_id
from burnish.record.store import Recording


def write_fdata(recording: Recording, path: Path) -> None:
    """Write the counts of edges and calls within recorded functions."""
    names = _names(recording)
    functions = {row["function"]: row for row in recording.functions.to_pylist()}
    blocks = {row["block"]: row for row in recording.blocks.to_pylist()}
    into: Counter[int] = Counter()
    with path.open("w") as file:
        for edge in recording.edges.to_pylist():
            source, target = blocks[edge["source"]], blocks[edge["target"]]
            function = functions[source["function"]]
            into[edge["target"]] += edge["taken"] or 0
            low, high = function["address"], function["address"] + function["size"]
            inside = low <= source["last"] < high and low <= target["address"] < high
            # What begins inside an instruction has no jump of its own.
            if not edge["taken"] or not inside or target["part"] or not source["instructions"]:
                continue
            name = names[source["function"]]
            start, end = source["last"] - low, target["address"] - low
            file.write(f"1 {name} {start:x} 1 {name} {end:x} 0 {edge['taken']}\n")
        for number, block in blocks.items():
            function = functions[block["function"]]
            calls = (block["entered"] or 0) - into[number]
            if block["address"] == function["address"] and not block["part"] and calls > 0:
                file.write(f"0 [unknown] 0 1 {names[block['function']]} 0 0 {calls}\n")


def _names(recording: Recording) -> dict[int, str]:
    """What BOLT calls each function. Which symbols are local only the file itself says, where it is still there."""
    local: list[dict[tuple[str, int], str]] = [
        _local_names(Path(image.path))
        if image.build_id and build_id(Path(image.path)) == image.build_id
        else {}
        for image in recording.manifest.images
    ]
    rows: list[dict[str, Any]] = recording.functions.to_pylist()
    found: dict[int, str] = {}
    for row in rows:
        name: str = row["name"]
        found[row["function"]] = _escaped(local[int(row["image"])].get((name, row["address"]), name))
    return found


def _local_names(path: Path) -> dict[tuple[str, int], str]:
    """Names of the local functions of a file, by symbol and address, with BOLT's numbers."""
    found: dict[tuple[str, int], str] = {}
    seen: Counter[str] = Counter()
    try:
        with path.open("rb") as file:
            table = ELFFile(file).get_section_by_name(".symtab")
            if not isinstance(table, SymbolTableSection):
                return {}
            for symbol in table.iter_symbols():
                info = symbol["st_info"]
                if info["bind"] == "STB_LOCAL" and info["type"] == "STT_FUNC":
                    seen[symbol.name] += 1
                    key = (symbol.name, symbol["st_value"])
                    found.setdefault(key, f"{symbol.name}/{seen[symbol.name]}")
    except (OSError, ELFError, ValueError, KeyError):
        return {}
    return found


def _escaped(name: str) -> str:
    """A name as fdata has it: with a backslash before spaces."""
    return name.replace("\\", "\\\\").replace(" ", "\\ ")
