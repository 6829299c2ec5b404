"""From places as perf prints them to image addresses.

perf prints a sample's own address as the process had it, and callers' addresses (from perf 5 on) as offsets in their
file; which it is shows in what the address falls into. First comes what is certain: an offset in the file, a mapping
of the process that the file lists (``--show-mmap-events``); then a symbol with an offset, where the file is here and
one function alone has that name; then the address itself, where it can only be an offset or, in a program that is not
position independent, an image address.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from burnish.core.errors import ImageError, UsageError
from burnish.core.image import FunctionBounds, Image, ImageKind
from burnish.images import load
from burnish.record.attribution import Layout, file_layout
from burnish.record.imports.parsed import Place
from burnish.record.imports.perf_lines import ExecEvent, ForkEvent, MapEvent, Spot

INLINED = "inlined"
"""What perf writes instead of a file for a function that was inlined."""


class Images:
    """The files that an import is about, loaded when they are first asked for. ``given`` are files to take for those
    of the same name. A file whose build-id is another than what the import says is not taken; ``changed`` has those."""

    def __init__(self, given: tuple[Path, ...] = ()) -> None:
        self._given = {path.name: path for path in given}
        self._images: dict[str, Image | None] = {}
        self._layouts: dict[str, Layout | None] = {}
        self._names: dict[str, dict[str, FunctionBounds | None]] = {}
        self.build_ids: dict[str, str] = {}
        self.changed: set[str] = set()

    def get(self, path: str) -> Image | None:
        """The image of a path, None where there is none that can be loaded."""
        if path not in self._images:
            self._images[path] = self._load(path)
        return self._images[path]

    def only(self) -> Image | None:
        """The one file that was given, for formats that name none. Raises ``ImageError`` for what is no image,
        ``UsageError`` for several."""
        if len(self._given) > 1:
            raise UsageError("This format is about one file; give --image once.")
        image = None
        for place in self._given.values():
            image = load(place)
            self._images[str(image.path)] = image
        return image

    def _load(self, path: str) -> Image | None:
        place = self._given.get(path.rpartition("/")[2])
        if place is None and not path.startswith("/"):
            return None
        try:
            image = load(place or path)
        except ImageError:
            return None
        said = self.build_ids.get(path, "")
        if (
            said
            and image.build_id
            and not image.build_id.startswith(said)
            and not said.startswith(image.build_id)
        ):
            self.changed.add(path)
            return None
        return image

    def named(self, path: str, name: str) -> FunctionBounds | None:
        """The function of that name in a file; None where none or several have it."""
        names = self._names.get(path)
        if names is None:
            image = self.get(path)
            names = self._names[path] = {}
            for bounds in () if image is None else image.functions:
                for known in (bounds.name, *bounds.aliases):
                    names[known] = None if known in names else bounds
        return names.get(name)

    def at_offset(self, path: str, offset: int) -> int | None:
        """The image address of an offset in a file, where code of it lies there."""
        if path not in self._layouts:
            image = self.get(path)
            self._layouts[path] = None if image is None else file_layout(image.path)
        layout = self._layouts[path]
        return None if layout is None else layout.address(offset)


class _Mapping(NamedTuple):
    start: int
    end: int
    offset: int
    path: str


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """The mappings of a process at some time, the latest first; one object as long as they stay the same."""

    mappings: tuple[_Mapping, ...]


NOTHING = Mapped(())


class Maps:
    """Which file lies where in each process, as the events up to now say."""

    def __init__(self) -> None:
        self._maps: dict[int, Mapped] = {}
        self._processes: dict[int, int] = {}

    def take(self, event: MapEvent | ForkEvent | ExecEvent) -> None:
        """Note an event."""
        match event:
            case MapEvent() if event.executable and event.process >= 0:
                mapping = _Mapping(event.start, event.end, event.offset, event.path)
                before = self._maps.get(event.process, NOTHING).mappings
                self._maps[event.process] = Mapped((mapping, *before))
                self._processes.setdefault(event.process, event.process)
            case MapEvent():
                pass
            case ForkEvent(process, thread, parent):
                self._processes[thread] = process
                if process != parent:
                    self._maps[process] = self._maps.get(parent, NOTHING)
            case ExecEvent(process):
                self._maps[process] = NOTHING

    def process_of(self, thread: int | None) -> int | None:
        """The process of a thread: as the events say, or the only one that there is; else the thread's own number."""
        if thread is None or thread in self._processes:
            return None if thread is None else self._processes[thread]
        return next(iter(self._maps)) if len(self._maps) == 1 else thread

    def state(self, process: int | None) -> Mapped:
        """The mappings of a process; of the only process where it is not known which."""
        if process is None:
            return next(iter(self._maps.values())) if len(self._maps) == 1 else NOTHING
        return self._maps.get(process, NOTHING)


class Locator:
    """Finds the image address of each spot; remembers what it found."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._known: dict[tuple[Spot, Mapped], Place] = {}
        self.lost = 0
        """Different places in files that are here, whose addresses were not found."""
        self.missing: set[str] = set()
        """Files that cannot be read."""

    def place(self, spot: Spot, mapped: Mapped) -> Place:
        """The place of a spot in a process with those mappings."""
        key = (spot, mapped)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._find(spot, mapped.mappings)
            if found.address is None and found.image.startswith("/"):
                if self._images.get(found.image) is not None:
                    self.lost += 1
                elif found.image not in self._images.changed:
                    self.missing.add(found.image)
        return found

    def _find(self, spot: Spot, mappings: tuple[_Mapping, ...]) -> Place:
        path = spot.dso
        if path == INLINED:
            return Place("", None, spot.name)
        if spot.in_file is not None:
            return Place(path, self._images.at_offset(path, spot.in_file), spot.name)
        if spot.address is not None:
            for mapping in mappings:
                if mapping.start <= spot.address < mapping.end and path in ("", mapping.path):
                    offset = spot.address - mapping.start + mapping.offset
                    address = self._images.at_offset(mapping.path, offset)
                    return self._named(mapping.path, address, spot.name)
        if not path and spot.name:
            path = self._only_file(spot.name, mappings)
        if not path:
            return Place("", None, spot.name)
        return self._named(path, self._unmapped(path, spot), spot.name)

    def _unmapped(self, path: str, spot: Spot) -> int | None:
        image = self._images.get(path)
        if image is None:
            return None
        bounds = self._images.named(path, spot.name) if spot.name else None
        if bounds is not None and spot.offset is not None:
            return bounds.address + spot.offset
        if spot.address is None:
            return None
        address = self._images.at_offset(path, spot.address)
        if address is None and image.kind is ImageKind.EXECUTABLE and image.is_code(spot.address):
            address = spot.address
        if address is not None and bounds is not None and image.bounds_at(address) != bounds:
            return None
        return address

    def _only_file(self, name: str, mappings: tuple[_Mapping, ...]) -> str:
        """The one mapped file that has a function of that name, "" where there is none such or several."""
        paths = {mapping.path for mapping in mappings}
        found = [path for path in sorted(paths) if self._images.named(path, name) is not None]
        return found[0] if len(found) == 1 else ""

    def _named(self, path: str, address: int | None, name: str) -> Place:
        if not name and address is not None:
            image = self._images.get(path)
            bounds = None if image is None else image.bounds_at(address)
            name = "" if bounds is None else bounds.name
        return Place(path, address, name)
