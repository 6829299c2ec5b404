"""Temporary folders of which Ctrl-C leaves nothing, whenever it comes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from burnish.runtime.interrupts import interrupts_held


@contextmanager
def scratch_folder() -> Generator[Path]:
    """A folder that is gone at the end of the body. An interrupt neither gets between its making and its use, nor stops
    it from being removed. Raises ``OSError`` where none can be made."""
    folder: Path | None = None
    try:
        with interrupts_held():
            folder = Path(tempfile.mkdtemp(prefix="burnish-"))
        yield folder
    finally:
        if folder is not None:
            with interrupts_held():
                shutil.rmtree(folder, ignore_errors=True)
