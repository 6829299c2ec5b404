"""The samples that ``record`` found the hot functions by, as a table of the recording."""

from __future__ import annotations

from pathlib import Path

from burnish.core.errors import ImageError
from burnish.core.image import Image
from burnish.images import load
from burnish.pipeline.recording import Wanted
from burnish.record.store import SCHEMAS, RecordingFolder


def image_paths(wanted: Wanted) -> list[Path]:
    """The files that a recording is about: those with recorded functions first, then those that samples fell into."""
    sampled = [] if wanted.profile is None else [image.path for image in wanted.profile.images]
    return list(dict.fromkeys([*wanted.images, *sampled]))


def write_samples(wanted: Wanted, paths: list[Path], folder: RecordingFolder) -> None:
    """Write the table ``samples``, a row a place; ``paths`` are the images in the order of the manifest. Nothing is
    written where nothing was sampled. Raises ``HostError``."""
    profile = wanted.profile
    if profile is None:
        return
    images = {path: _loaded(path, wanted) for path in paths}
    rows: list[tuple[object, ...]] = []
    for index, address, count in profile.locations:
        path = profile.images[index].path
        image = images[path]
        bounds = None if image is None else image.bounds_at(address)
        name = "" if bounds is None else bounds.name
        rows.append((None, None, None, paths.index(path), address, name, None, count))
    for name, count in (("[kernel]", profile.kernel or 0), ("[unknown]", profile.unknown)):
        if count:
            rows.append((None, None, None, None, None, name, None, count))
    width = len(SCHEMAS["samples"])
    folder.table("samples", [[row[k] for row in rows] for k in range(width)])


def _loaded(path: Path, wanted: Wanted) -> Image | None:
    try:
        return wanted.images.get(path) or load(path)
    except ImageError:
        return None
