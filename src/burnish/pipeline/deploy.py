"""Writes the faster program: a copy of the executable and, beside it, copies of the libraries that were changed.

    bzip2.fast             copy of the executable
    bzip2.fast.libs/       copies of its libraries, under the names that the loader asks for

The copy of the executable finds them by a search path relative to itself, so both can be moved together; alone
it runs with the system's libraries. Which kind of search path (ld.so(8)):

* ``DT_RPATH`` is the one to have: it holds for libraries that the program's libraries need as well, and goes
  before LD_LIBRARY_PATH, so that the optimised program is what runs.
* Where the executable has a ``DT_RUNPATH`` the loader ignores ``DT_RPATH``. Then the folder is put at the head of
  the ``DT_RUNPATH``; if that does not reach a library (one that only another library needs), the entry is turned
  into a ``DT_RPATH``.
* Where there is no room for an entry, or a library's own ``DT_RUNPATH`` hides ours, ``LD_PRELOAD`` is left.

Which of them holds is not reasoned out but asked of the loader: every copy is loaded, without running it,
before anything is put in its final place.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from burnish.core.deployment import Deployment, Method, PatchedImage, Replacement
from burnish.core.errors import BurnishError, HostError, PatchError
from burnish.images.elf_layout import DT_RUNPATH, DT_SONAME, PT_INTERP, ElfLayout, read_layout
from burnish.images.note import burnish_note
from burnish.images.patch import patch_image
from burnish.images.search_path import SearchPath, dynamic_change, relative_search_path

_LOADER_TIMEOUT = 60.0


def deploy(
    main: Path,
    output: Path,
    patched: Mapping[Path, Sequence[Replacement]],
    note: Mapping[str, object] | None = None,
    *,
    led: bool = False,
) -> Deployment:
    """Writes a copy of the program ``main`` at ``output`` that runs the replacements.

    ``patched`` has the replacements by the file that they belong to: ``main`` itself and shared libraries
    that it loads. ``note`` goes into every file written. Everything appears together, or nothing does; no
    input is written to. A folder of libraries that an earlier run left beside ``output`` is replaced. ``led``: whoever
    runs the copy leads it to the libraries' copies, also to those that it loads later and by their paths.

    Raises what ``patch_image`` raises; ``PatchError`` where libraries cannot be replaced at all (a static
    program, names that a search path cannot hold), ``HostError`` where something that is not ours is in the
    way.
    """
    files = {path.resolve(): replacements for path, replacements in patched.items()}
    own = files.pop(main.resolve(), ())
    libraries = _named(files)
    _refuse_inputs(output, [main, *files])
    with _stage(output) as stage:
        work = _Work(main.resolve(), own, output, stage, note or {}, led)
        if libraries:
            _refuse_impossible(work)
            work.libraries.mkdir()
            images = tuple(_library(work, name, path, files[path]) for name, path in libraries.items())
            found = _with_libraries(work, libraries, images)
        else:
            found = _alone(work)
        _put_in_place(work)
    return found


@dataclass(frozen=True, slots=True)
class _Work:
    """Where things are made before they are moved to where they belong."""

    main: Path
    own: Sequence[Replacement]
    output: Path
    stage: Path
    note: Mapping[str, object]
    led: bool = False

    @property
    def origin(self) -> str:
        """The folder of the original where the output lies in another, else nothing."""
        return "" if self.output.parent.resolve() == self.main.parent else str(self.main.parent)

    @property
    def probe(self) -> Path:
        return self.stage.with_suffix(".probe")

    @property
    def program(self) -> Path:
        return self.stage / self.output.name

    @property
    def libraries(self) -> Path:
        return self.stage / self.final_libraries.name

    @property
    def final_libraries(self) -> Path:
        return self.output.with_name(self.output.name + ".libs")

    @property
    def set_aside(self) -> Path:
        return self.stage / "earlier"


def _library(work: _Work, name: str, path: Path, replacements: Sequence[Replacement]) -> PatchedImage:
    search = SearchPath("", inherited=False, origin=str(path.parent))
    wanted = relative_search_path(read_layout(path))
    return patch_image(path, work.libraries / name, replacements, work.note, search if wanted else None)


def _alone(work: _Work) -> Deployment:
    """A copy of the executable that loads the libraries that the original loads."""
    search = _kept_search_path(work)
    before, after = _loaded(work.main, {}), _probe(work, search, {})
    if before is not None and not _reaches(work, {}, before, after):
        raise PatchError(f"A copy of {work.main} in another folder would not find the same libraries.")
    image = patch_image(work.main, work.program, work.own, work.note, search)
    return _deployment(work, Method.EXECUTABLE, image, ())


def _with_libraries(
    work: _Work, libraries: Mapping[str, Path], images: tuple[PatchedImage, ...]
) -> Deployment:
    """Makes the copy of the executable by the first method that the loader confirms."""
    before = _loaded(work.main, {})
    late = () if work.led else _loaded_late(libraries, before)
    layout = read_layout(work.main)
    folder = work.final_libraries.name
    for method, inherited in _search_paths(layout):
        search = SearchPath(f"$ORIGIN/{work.stage.name}/{folder}", inherited, work.origin)
        if dynamic_change(layout, search) is None:
            continue
        if _reaches(work, libraries, before, _probe(work, search, {})):
            final = replace(search, folder=f"$ORIGIN/{folder}")
            image = patch_image(work.main, work.program, work.own, work.note, final)
            return _deployment(work, method, image, images, late)
    search = _kept_search_path(work)
    after = _probe(work, search, {"LD_PRELOAD": _preload(work.libraries, libraries)})
    if before is None:
        late = ("The loader could not be asked whether it will use the copied libraries.", *late)
    elif not _reaches(work, libraries, before, after):
        raise PatchError(f"No way was found to make {work.main} load copies of {', '.join(libraries)}.")
    image = patch_image(work.main, work.program, work.own, work.note, search)
    return _deployment(work, Method.PRELOAD, image, images, late, libraries)


def _search_paths(layout: ElfLayout) -> tuple[tuple[Method, bool], ...]:
    """What to try, best first, and whether it is inherited."""
    if layout.dynamic_texts(DT_RUNPATH):
        return ((Method.RUNPATH, False), (Method.RPATH, True))
    return ((Method.RPATH, True),)


def _kept_search_path(work: _Work) -> SearchPath | None:
    """What keeps a copy in another folder searching where the original does."""
    if not work.origin or not relative_search_path(read_layout(work.main)):
        return None
    return SearchPath("", inherited=False, origin=work.origin)


def _probe(work: _Work, search: SearchPath | None, environment: Mapping[str, str]) -> dict[str, Path] | None:
    """What the loader loads for a copy with ``search``, made for this in the folder where the output will lie."""
    try:
        patch_image(work.main, work.probe, work.own, work.note, search)
        return _loaded(work.probe, environment)
    finally:
        work.probe.unlink(missing_ok=True)


def _reaches(
    work: _Work,
    libraries: Mapping[str, Path],
    before: Mapping[str, Path] | None,
    after: Mapping[str, Path] | None,
) -> bool:
    """True if the loader takes our copy of each library that it loaded before, and everything else from where
    it took it before."""
    if before is None or after is None:
        return False
    expected = {name: work.libraries / name if name in libraries else path for name, path in before.items()}
    # What is preloaded is there even if the program loads it only later.
    found = {name: path for name, path in after.items() if name in before or name not in libraries}
    return {n: p.resolve() for n, p in expected.items()} == {n: p.resolve() for n, p in found.items()}


def _loaded_late(libraries: Mapping[str, Path], before: Mapping[str, Path] | None) -> tuple[str, ...]:
    return tuple(
        f"{name} is not loaded at the start of the program but later; the copy is used only if the program asks for "
        f"it by this name and not by a full path."
        for name in libraries
        if before is not None and name not in before
    )


def _loaded(program: Path, environment: Mapping[str, str]) -> dict[str, Path] | None:
    """The libraries that the loader of ``program`` loads at its start, by name; None if it cannot be asked.

    The loader is called by name with ``--list``, as ldd(1) does: it loads and relocates nothing of the
    program.
    """
    layout = read_layout(program)
    segment = layout.segment(PT_INTERP)
    if segment is None:
        return None
    loader = layout.data[segment.offset : segment.offset + segment.filesz].rstrip(b"\0").decode()
    clean = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "LD_DEBUG")}
    try:
        done = subprocess.run(
            [loader, "--list", str(program.absolute())],
            env={**clean, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LOADER_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode:
        return None
    found: dict[str, Path] = {}
    for line in os.fsdecode(done.stdout).splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if arrow and " (0x" in rest:
            found[name] = Path(rest[: rest.rindex(" (0x")])
        elif not arrow and name.startswith("/") and " (0x" in name:
            # A preloaded library is listed by its path alone.
            path = Path(name[: name.rindex(" (0x")])
            found.setdefault(path.name, path)
    return found


def _preload(folder: Path, libraries: Mapping[str, Path]) -> str:
    return ":".join(str(folder.absolute() / name) for name in libraries)


def _deployment(
    work: _Work,
    method: Method,
    image: PatchedImage,
    images: tuple[PatchedImage, ...],
    warnings: tuple[str, ...] = (),
    preloaded: Mapping[str, Path] | None = None,
) -> Deployment:
    """The result, with the names that everything will have once it is in place."""
    named = tuple(replace(found, path=work.final_libraries / found.path.name) for found in images)
    program = replace(image, path=work.output)
    environment = {"LD_PRELOAD": _preload(work.final_libraries, preloaded)} if preloaded else {}
    words = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    words.append(shlex.quote(str(work.output) if work.output.parent.parts else f"./{work.output}"))
    all_warnings = (*(w for found in (program, *named) for w in found.warnings), *warnings)
    return Deployment(work.output, method, (program, *named), " ".join(words), environment, all_warnings)


def _named(files: Mapping[Path, object]) -> dict[str, Path]:
    """The libraries by the name that the loader asks for: the ``DT_SONAME``, or that of the file."""
    found: dict[str, Path] = {}
    for path in files:
        name = next(iter(read_layout(path).dynamic_texts(DT_SONAME)), path.name)
        if name in found:
            raise PatchError(
                f"{found[name]} and {path} are both called {name}; only one of them can be replaced."
            )
        if "/" in name:
            raise PatchError(
                f"{path} is called {name}, which is not a plain file name; it cannot be replaced."
            )
        found[name] = path
    return found


def _refuse_inputs(output: Path, inputs: Sequence[Path]) -> None:
    for path in inputs:
        if output.exists() and output.samefile(path):
            raise HostError(f"{output} is the input; name another file to write.")
    if output.is_dir():
        raise HostError(f"{output} is a directory; name the file to write.")
    if output.exists() and not output.is_file():
        raise HostError(f"{output} is not a regular file; name another file to write.")
    if not output.parent.is_dir():
        raise HostError(f"The directory {output.parent} does not exist.")


def _refuse_impossible(work: _Work) -> None:
    output = work.output
    if read_layout(work.main).segment(PT_INTERP) is None:
        raise PatchError(f"{work.main} is statically linked: it loads no libraries that could be replaced.")
    unfit = sorted(set(" :;$\n") & set(output.name))
    if unfit:
        raise PatchError(
            f"The name {output.name!r} cannot stand in a library search path: it has {unfit[0]!r} in it."
        )


@contextmanager
def _stage(output: Path) -> Generator[Path]:
    """A folder beside ``output`` that is gone afterwards, whatever happens."""
    try:
        stage = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".tmp", dir=output.parent))
    except OSError as error:
        raise HostError(f"{output} cannot be written: {error.strerror}.") from error
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _put_in_place(work: _Work) -> None:
    """Moves the libraries and then the program; undoes the first if the second fails."""
    moved_away = moved_in = False
    try:
        if work.libraries.exists():
            if work.final_libraries.exists():
                _refuse_foreign(work.final_libraries)
                work.final_libraries.rename(work.set_aside)
                moved_away = True
            work.libraries.rename(work.final_libraries)
            moved_in = True
        work.program.replace(work.output)
    except BaseException as error:
        with suppress(OSError):
            if moved_in:
                work.final_libraries.rename(work.libraries)
            if moved_away:
                work.set_aside.rename(work.final_libraries)
        if isinstance(error, OSError):
            raise HostError(f"{work.output} cannot be written: {error.strerror}.") from error
        raise


def _refuse_foreign(folder: Path) -> None:
    """Only what an earlier run of ours wrote may be replaced."""
    for path in folder.iterdir() if folder.is_dir() and not folder.is_symlink() else [folder]:
        try:
            ours = path.is_file() and burnish_note(read_layout(path)) is not None
        except BurnishError:
            ours = False
        if not ours:
            raise HostError(f"{folder} is in the way: {path.name} was not written by Burnish.")
