"""What the preloaded object is told of the files that are run from copies (``native/record_files.c``)."""

from __future__ import annotations

from collections.abc import Iterable

from burnish.core.deployment import PatchedImage
from burnish.core.errors import HostError


def copies_environment(images: Iterable[PatchedImage]) -> dict[str, str]:
    """The variable that has the originals and their copies. Raises ``HostError`` for a path that cannot stand in it."""
    paths = [str(path.absolute()) for image in images for path in (image.source, image.path)]
    for path in paths:
        if "\n" in path:
            raise HostError(f"{path!r} cannot be recorded: its path has a line break in it.")
    return {"BURNISH_RECORD_COPIES": "".join(f"{path}\n" for path in paths)}
