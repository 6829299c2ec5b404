"""What one run of a command put out, as digests, so that two runs can be compared byte for byte.

Taken are the exit, standard output, standard error, and the files that the run made, changed or removed among

* everything below the working directory, and below each directory that an argument names;
* each file that an argument names (``FILE``, ``--option=FILE``), and its neighbours in the same directory
whose
  name begins with its name or that its name begins with (``big.tar`` and ``big.tar.bz2``).

Other file systems mounted below are not entered, symbolic links are not followed. A file that a run rewrites
with the bytes it had counts as changed. What goes elsewhere (``/tmp``, sockets, devices) is not seen.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from burnish.runtime.command import Command, CommandResult, run_command
from burnish.runtime.scratch import scratch_folder

MAX_FILES = 50_000
"""How many files are watched at most."""
MAX_BYTES = 8 << 30
"""How many bytes of changed files are digested at most; of files beyond that only the size is compared."""
_TAIL = 2000


class Digest(NamedTuple):
    """Size in bytes and SHA-256 in hexadecimal (empty where only the size was taken)."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FileOutput:
    """A file that the run made, changed or removed. ``kind`` is ``file``, ``link``, ``directory``,
    ``special`` or ``removed``; ``mode`` holds the permission bits."""

    path: Path
    kind: str
    mode: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class OutputSnapshot:
    """All that is compared of one run. ``incomplete`` says in sentences what was beyond the limits;
    ``error_text`` is the end of standard error, for messages."""

    result: CommandResult
    stdout: Digest
    stderr: Digest
    files: tuple[FileOutput, ...]
    incomplete: tuple[str, ...]
    error_text: str


def capture_outputs(command: Command, *, timeout_s: float | None = None) -> OutputSnapshot:
    """Runs a command where the user would run it and digests what it puts out. It keeps the files it writes.

    Raises as ``run_command`` does; a run that fails is a snapshot like any other.
    """
    roots = _roots(command)
    before, cut = _scan(roots)
    with scratch_folder() as folder:
        out, err = folder / "stdout", folder / "stderr"
        result = run_command(command, stdout=out, stderr=err, timeout_s=timeout_s)
        stdout, stderr = _digest(out), _digest(err)
        with err.open("rb") as file:
            file.seek(max(0, stderr.size - _TAIL))
            error_text = file.read().decode(errors="replace")
    after, cut_after = _scan(roots)
    incomplete: list[str] = []
    if cut or cut_after:
        incomplete.append(
            f"More than {MAX_FILES} files lie where the command may write; not all were compared."
        )
    files, unread = _changes(before, after)
    if unread:
        incomplete.append(
            f"{unread} files could not be read or were too large; only their size was compared."
        )
    return OutputSnapshot(result, stdout, stderr, files, tuple(incomplete), error_text)


def same_outputs(first: OutputSnapshot, second: OutputSnapshot) -> list[str]:
    """The differences between two runs, a sentence each; empty if all that was captured is equal."""
    differences: list[str] = []
    one, two = first.result, second.result
    if (one.exit_code, one.signal, one.timed_out) != (two.exit_code, two.signal, two.timed_out):
        differences.append(f"The first run {one.outcome}, the second {two.outcome}.")
    for name, left, right in (
        ("Standard output", first.stdout, second.stdout),
        ("Standard error", first.stderr, second.stderr),
    ):
        if left != right:
            differences.append(
                f"{name} differs ({left.size} bytes in the first run, {right.size} in the second)."
            )
    old = {file.path: file for file in first.files}
    new = {file.path: file for file in second.files}
    for path in sorted(old.keys() | new.keys()):
        left, right = old.get(path), new.get(path)
        if left == right:
            continue
        if left is None or right is None:
            only = "second" if left is None else "first"
            differences.append(f"{path} was written or removed in the {only} run only.")
        else:
            was, is_now = _describe(left), _describe(right)
            differences.append(f"{path} differs ({was} in the first run, {is_now} in the second).")
    return differences


def as_left(snapshot: OutputSnapshot) -> bool:
    """True if the files that a run made, changed or removed are as it left them."""
    for file in snapshot.files:
        try:
            state = file.path.lstat()
            digest = _digest(file.path) if file.kind == "file" and file.digest.sha256 else file.digest
        except OSError:
            if file.kind != "removed":
                return False
            continue
        if file.kind == "removed" or stat.S_IMODE(state.st_mode) != file.mode or digest != file.digest:
            return False
    return True


def not_repeatable(first: OutputSnapshot, second: OutputSnapshot) -> list[str]:
    """Why a command of which ``first`` and ``second`` are two runs in a row cannot serve as a workload: it
    does not end well, or not the same way twice. Empty if it can."""
    if not first.result.succeeded and first.result.exit_code is None:
        return [f"The command {first.result.outcome}."]
    if first.result.succeeded and not second.result.succeeded:
        last = second.error_text.strip().splitlines()[-1:]
        said = f" ({last[0]})" if last else ""
        return [
            f"The command succeeded the first time and then {second.result.outcome}{said}: "
            "it uses up its input or does not overwrite its output; give a workload that can be run again."
        ]
    return [f"Two runs of the same command differ: {text}" for text in same_outputs(first, second)]


def _describe(file: FileOutput) -> str:
    return file.kind if file.kind != "file" else f"{file.digest.size} bytes, mode {file.mode:o}"


def _roots(command: Command) -> list[tuple[Path, str | None]]:
    """Directories to watch: below and in whole (None), or only the neighbours of a file name."""
    cwd = (command.cwd or Path.cwd()).absolute()
    roots: list[tuple[Path, str | None]] = [(cwd, None)]
    for argument in command.argv[1:]:
        for text in {argument, argument.partition("=")[2]} - {""}:
            path = cwd / text
            try:
                if path.is_dir():
                    roots.append((path, None))
                elif path.name and path.parent.is_dir():
                    roots.append((path.parent, path.name))
            except (OSError, ValueError):  # not a path: too long, or with a zero byte
                continue
    return roots


def _scan(roots: list[tuple[Path, str | None]]) -> tuple[dict[Path, os.stat_result], bool]:
    """The state of every watched file, and whether there were more than the limit."""
    found: dict[Path, os.stat_result] = {}
    for root, name in roots:
        for path, state in _neighbours(root, name) if name is not None else _below(root):
            if len(found) >= MAX_FILES:
                return found, True
            found[path] = state
    return found, False


def _neighbours(folder: Path, name: str) -> Iterator[tuple[Path, os.stat_result]]:
    for path, state in _entries(folder):
        if path.name.startswith(name) or name.startswith(path.name):
            yield path, state


def _below(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    try:
        device = root.stat().st_dev
    except OSError:
        return
    folders = [root]
    while folders:
        for path, state in _entries(folders.pop()):
            yield path, state
            if stat.S_ISDIR(state.st_mode) and state.st_dev == device:
                folders.append(path)


def _entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    yield Path(entry.path), entry.stat(follow_symlinks=False)
                except OSError:
                    continue
    except OSError:
        return


def _changes(
    before: dict[Path, os.stat_result], after: dict[Path, os.stat_result]
) -> tuple[tuple[FileOutput, ...], int]:
    """What the run made, changed or removed, by path, and how many files were not digested."""
    outputs: list[FileOutput] = []
    budget, unread = MAX_BYTES, 0
    for path in sorted(before.keys() - after.keys()):
        outputs.append(FileOutput(path, "removed", 0, Digest(0, "")))
    for path, state in sorted(after.items()):
        old = before.get(path)
        if old is not None and (_identity(old) == _identity(state) or stat.S_ISDIR(state.st_mode)):
            continue
        kind, digest = "special", Digest(0, "")
        try:
            if stat.S_ISREG(state.st_mode):
                kind, digest = "file", Digest(state.st_size, "")
                budget -= state.st_size
                if budget >= 0:
                    digest = _digest(path)
                else:
                    unread += 1
            elif stat.S_ISLNK(state.st_mode):
                target = os.fsencode(path.readlink())
                kind, digest = "link", Digest(len(target), hashlib.sha256(target).hexdigest())
            elif stat.S_ISDIR(state.st_mode):
                kind = "directory"
        except OSError:
            unread += 1
        outputs.append(FileOutput(path, kind, stat.S_IMODE(state.st_mode), digest))
    return tuple(outputs), unread


def _identity(state: os.stat_result) -> tuple[int, ...]:
    return (state.st_ino, state.st_mode, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def _digest(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest(os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest())
