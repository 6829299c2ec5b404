"""Where results go: what stands in the way is found before the work, and nothing that is not ours is written over."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from burnish.core.errors import HostError
from burnish.runtime.scratch import scratch_folder

_REPORT = "report.json"
_LONGEST_NAME = 120
_UNFIT = re.compile(r"[^A-Za-z0-9_.@+-]")


def check_output(output: Path, inputs: Iterable[Path]) -> None:
    """Raise ``HostError`` where ``output`` cannot become a file, or is one of ``inputs``."""
    try:
        if output.is_dir():
            raise HostError(f"{output} is a directory; name the file to write.")
        for path in inputs:
            if output.exists() and output.samefile(path):
                raise HostError(f"{output} is the input; name another file to write.")
        if output.exists() and not output.is_file():
            raise HostError(f"{output} is not a regular file; name another file to write.")
        check_folder(output.parent)
    except OSError as error:
        raise HostError(f"{output} cannot be written: {error.strerror}.") from error


def check_folder(folder: Path) -> None:
    """Raise ``HostError`` where no file can be made in ``folder``."""
    if not folder.is_dir():
        raise HostError(f"The directory {folder} does not exist.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise HostError(f"No file can be made in the directory {folder}: permission is denied.")


@contextmanager
def working_folder() -> Generator[Path]:
    """A temporary folder whose files can be run; it is gone afterwards. Raises ``HostError`` where there is none."""
    with ExitStack() as stack:
        try:
            parent = Path(tempfile.gettempdir())
            if os.statvfs(parent).f_flag & os.ST_NOEXEC:
                raise HostError(
                    f"Programs in {parent} cannot be run (noexec); set TMPDIR to a folder where they can."
                )
            folder = stack.enter_context(scratch_folder())
        except OSError as error:
            raise HostError(f"There is no temporary folder to work in: {error.strerror}.") from error
        yield folder


def report_folder(output: Path) -> Path:
    """Where the report goes if the user names no other place."""
    return output.with_name(output.name + ".report")


def check_report(folder: Path, hint: str = "") -> None:
    """Raise ``HostError`` where a report cannot be put: only an empty folder or an earlier report may be there."""
    if not folder.exists() and not folder.is_symlink():
        existing = next(parent for parent in folder.absolute().parents if parent.exists())
        check_folder(existing)
    elif not folder.is_dir():
        raise HostError(f"{folder} is in the way of the report, and no folder{hint}.")
    elif any(folder.iterdir()) and _earlier(folder) is None:
        raise HostError(f"{folder} is in the way of the report: it holds other files{hint}.")
    else:
        check_folder(folder)


def write_report(folder: Path, document: str, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Put ``report.json`` and further files into ``folder``; those of an earlier report go. The names of ``texts`` are
    made fit to be file names; the names as written come back, in their order. Raises ``HostError``."""
    check_report(folder)
    existed = folder.exists()
    names: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in _earlier(folder) or ():
            (folder / name).unlink(missing_ok=True)
        for name, text in texts.items():
            names.append(_file_name(name, names))
            (folder / names[-1]).write_text(text)
        head = cast("dict[str, Any]", json.loads(document))
        names.append(_REPORT)
        (folder / _REPORT).write_text(json.dumps({**head, "files": names[:-1]}, indent=2) + "\n")
    except BaseException as error:
        with suppress(OSError):
            for name in names:
                (folder / name).unlink(missing_ok=True)
            if not existed:
                folder.rmdir()
        if isinstance(error, OSError):
            raise HostError(f"The report in {folder} cannot be written: {error.strerror}.") from error
        raise
    return tuple(names[:-1])


def _earlier(folder: Path) -> tuple[str, ...] | None:
    """The files of an earlier report, less ``report.json``; None if there is no report."""
    try:
        document: object = json.loads((folder / _REPORT).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or "burnish" not in document:
        return None
    files: object = cast("dict[str, object]", document).get("files")
    if not isinstance(files, list):
        return ()
    return tuple(n for n in cast("list[object]", files) if isinstance(n, str) and _UNFIT.search(n) is None)


def _file_name(name: str, taken: Iterable[str]) -> str:
    """A file name like ``name``: function names come from files that we do not trust."""
    stem, dot, kind = name.partition("\0")
    stem = _UNFIT.sub("_", stem)[:_LONGEST_NAME].lstrip(".-") or "function"
    ending = f".{kind}" if dot else ""
    found, number = stem + ending, 2
    while found in taken or found == _REPORT:
        found, number = f"{stem}.{number}{ending}", number + 1
    return found
