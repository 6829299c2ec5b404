"""Parquet files of a recording that is being made."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from burnish.core.errors import HostError

pq: Any = import_module("pyarrow.parquet")  # has no types of its own


def write_tables(groups: Sequence[Any], path: Path, compression: str = "zstd") -> None:
    """Write each ``pyarrow.Table`` of one schema as row groups of its own, with checksums that readers verify. Raises
    ``HostError`` in the name of the whole recording."""
    try:
        schema = groups[0].schema
        with pq.ParquetWriter(path, schema, compression=compression, write_page_checksum=True) as writer:
            for group in groups:
                writer.write_table(group)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise HostError(f"{_final(path)} cannot be written: {reason}.") from error


def _final(path: Path) -> Path:
    """The recording that a file of one being made (``store.new_recording``) belongs to."""
    for made in path.parents:
        if made.name.startswith(".") and made.suffix == ".tmp":
            return made.with_name(made.stem[1:].rpartition(".")[0])
    return path
