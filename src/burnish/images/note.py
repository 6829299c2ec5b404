"""The note in a patched file: what was done to it, and how to undo it.

An ELF note of owner ``Burnish`` whose content is JSON in UTF-8, with the fields of ``note_content``. Every
change to the original bytes is in it; all else was appended, so the original is the beginning of the file,
undone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

from burnish import __version__
from burnish.core.deployment import PatchedFunction
from burnish.core.errors import PatchError
from burnish.images.elf_layout import ElfLayout, read_layout
from burnish.images.output_file import output_file

NOTE_OWNER = b"Burnish"
NOTE_KIND = 1
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes to be written at a file offset."""

    offset: int
    data: bytes = field(repr=False)

    def undo(self, original: bytes) -> Edit:
        """The edit that gives ``original`` back its bytes after this one."""
        return Edit(self.offset, original[self.offset : self.offset + len(self.data)])


def note_content(
    original: bytes,
    path: Path,
    functions: Sequence[PatchedFunction],
    undo: Sequence[Edit],
    extra: Mapping[str, object],
) -> bytes:
    """The JSON of the note. ``extra`` goes under ``run``; the same input gives the same bytes."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "burnish": __version__,
        "input": {
            "name": path.name,
            "size": len(original),
            "sha256": hashlib.sha256(original).hexdigest(),
        },
        "functions": [asdict(function) for function in functions],
        "run": dict(extra),
        "undo": [[edit.offset, edit.data.hex()] for edit in undo],
    }
    return json.dumps(content, separators=(",", ":")).encode()


def burnish_note(layout: ElfLayout) -> Mapping[str, object] | None:
    """The note of the last patch that was applied to a file; None if Burnish did not write it."""
    found = [note for note in layout.notes() if note.owner == NOTE_OWNER and note.kind == NOTE_KIND]
    if not found:
        return None
    try:
        content: object = json.loads(found[-1].content)
    except ValueError:
        return {}
    return cast("dict[str, object]", content) if isinstance(content, dict) else {}


def revert(path: Path, output: Path) -> None:
    """Writes the file that ``path`` was patched from to ``output``, byte for byte.

    The two may be one path. A file that was patched twice loses its second patch. Raises ``ImageError`` if
    ``path`` is not an ELF file, ``PatchError`` if Burnish did not write it or it was changed since, and
    ``HostError`` if ``output`` cannot be written.
    """
    layout = read_layout(path)
    note = burnish_note(layout)
    if note is None:
        raise PatchError(f"{path} has no note of Burnish: it was not patched, or the note was stripped.")
    original = _original(layout.data, note)
    if original is None:
        raise PatchError(f"{path} was changed after Burnish wrote it; its original bytes cannot be restored.")
    with output_file(output, path, in_place=True) as file:
        file.write(original)


def _original(data: bytes, note: Mapping[str, object]) -> bytes | None:
    """The original bytes, or None if ``note`` does not lead back to the file that it names."""
    undo = note.get("undo")
    match (note.get("input"), undo):
        case ({"size": int(size), "sha256": str(digest)}, list()) if size <= len(data):
            restored = bytearray(data[: max(size, 0)])
        case _:
            return None
    for edit in cast("list[object]", undo):
        match edit:
            case [int(offset), str(text)]:
                try:
                    content = bytes.fromhex(text)
                except ValueError:
                    return None
                if not 0 <= offset <= size - len(content):
                    return None
                restored[offset : offset + len(content)] = content
            case _:
                return None
    return bytes(restored) if hashlib.sha256(restored).hexdigest() == digest else None
