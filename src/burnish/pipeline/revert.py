"""The way back from a patched copy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from burnish.images.note import revert as revert_image
from burnish.pipeline.results import Result


@dataclass(frozen=True, slots=True)
class Reverted(Result):
    """``output`` holds, byte for byte, the file that ``path`` was patched from. ``size`` is in bytes."""

    verb: ClassVar[str] = "revert"
    path: Path
    output: Path
    size: int


def revert(file: str | os.PathLike[str], output: str | os.PathLike[str]) -> Reverted:
    """Give the original of a patched copy back. The two may be one path.

    Raises ``ImageError`` if ``file`` is not ELF, ``PatchError`` if Burnish did not write it or it was changed
    since, ``HostError`` if ``output`` cannot be written.
    """
    path, target = Path(file), Path(output)
    revert_image(path, target)
    return Reverted(path, target, target.stat().st_size)
