"""Reading the manifest of a recording."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from burnish.core.errors import RecordingError
from burnish.core.recording import SCHEMA_VERSION, ImportedFrom, Manifest, RecordedImage, Unrecorded

MANIFEST = "manifest.json"


def read_manifest(path: Path) -> Manifest:
    """The manifest of the recording at ``path``. Raises ``RecordingError`` for what is none, is damaged, or is of a
    later version."""
    if not path.exists():
        raise RecordingError(f"{path} does not exist.")
    file = path / MANIFEST
    try:
        document: dict[str, Any] = dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise RecordingError(f"{path} is not a recording: it has no readable {MANIFEST}.") from error
    if not isinstance(document.get("schema_version"), int):
        raise RecordingError(f"{path} is not a recording: its {MANIFEST} says no version.")
    if document["schema_version"] > SCHEMA_VERSION:
        raise RecordingError(
            f"{path} was made by a later Burnish (version {document['schema_version']} of recordings; this one reads "
            f"up to {SCHEMA_VERSION})."
        )
    try:
        return _manifest(document)
    except (KeyError, TypeError) as error:
        raise RecordingError(f"{path} is damaged: its {MANIFEST} lacks {error}.") from error


def _manifest(document: Mapping[str, Any]) -> Manifest:
    fields = dict(document)
    fields["images"] = tuple(RecordedImage(**row) for row in fields["images"])
    fields["unrecorded"] = tuple(Unrecorded(**row) for row in fields["unrecorded"])
    for name in ("command", "what", "warnings"):
        fields[name] = tuple(fields[name])
    if fields.get("imported") is not None:
        fields["imported"] = ImportedFrom(**fields["imported"])
    return Manifest(**fields)
