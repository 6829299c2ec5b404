"""Relocatable objects as images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from burnish.core.image import Image

if TYPE_CHECKING:
    import lief


def load_object(path: Path, binary: lief.ELF.Binary) -> Image:
    raise NotImplementedError
