"""The manifest of a recording: written as JSON, and read with distrust."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from burnish.core.errors import RecordingError
from burnish.core.recording import SCHEMA_VERSION, ImportedFrom, Manifest, RecordedImage, Unrecorded
from burnish.record.container import MANIFEST, Files


def manifest_text(manifest: Manifest) -> str:
    """A manifest as JSON."""
    return json.dumps(asdict(manifest), indent=2) + "\n"


def read_manifest(path: object, files: Files) -> Manifest:
    """The manifest among the files of ``path``, which is for messages. Raises ``RecordingError`` where there is none,
    or one that is damaged or of a later version."""
    try:
        document: dict[str, Any] = dict(json.loads(files.read(MANIFEST)))
    except (RecordingError, ValueError, TypeError, RecursionError) as error:
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
