"""The tables of an imported recording: what a profiler's file says, joined with the code of the images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from burnish.core.code import Function, Refused
from burnish.core.image import FunctionBounds, Image
from burnish.core.recording import Counts, ImportedFrom, Manifest, RecordedImage, Unrecorded
from burnish.images import control_flow
from burnish.pipeline.importing_counts import FunctionCounts, function_counts, has_falls
from burnish.record.imports import ParsedRun, Place
from burnish.record.imports.parsed import Jumps
from burnish.record.imports.places import Images
from burnish.record.store import SCHEMAS, RecordingFolder


@dataclass(slots=True)
class ImportTables:
    """The rows of the recording. Blocks are counted of the ``hot`` functions with the largest shares."""

    run: ParsedRun
    images: Images
    hot: int
    paths: dict[str, int] = field(default_factory=dict[str, int])
    unrecorded: list[Unrecorded] = field(default_factory=list[Unrecorded])
    stacks: int = 0
    """Different stacks, and ``blocks``, that were written."""
    blocks: int = 0
    names: dict[FunctionBounds, str] = field(default_factory=dict[FunctionBounds, str])
    """What the file calls functions that the image itself has no name of."""
    counted: list[tuple[str, Image, FunctionBounds, FunctionCounts | None]] = field(
        default_factory=list[tuple[str, "Image", FunctionBounds, "FunctionCounts | None"]]
    )

    def fill(self) -> None:
        """Find the functions that were hit, and count their blocks where the file has counts."""
        hit: dict[str, dict[FunctionBounds, int]] = {}
        for sample in self.run.samples:
            leaf = sample.frames[-1]
            bounds = self._note(hit, leaf.image, leaf.address, sample.weight)
            if bounds is not None and bounds.source != "symbol" and leaf.function:
                self.names.setdefault(bounds, leaf.function)
        for path in sorted(self.run.counted()):
            self._note_counts(hit, path)
        found = [
            (path, image, bounds, share)
            for path, functions in hit.items()
            if (image := self.images.get(path)) is not None
            for bounds, share in functions.items()
        ]
        found.sort(key=lambda row: (-row[3], row[0], row[2].address))
        total = max(1, sum(sample.weight for sample in self.run.samples))
        flows: list[tuple[str, Image, FunctionBounds, Function | None]] = []
        left = 0
        for path, image, bounds, count in found:
            wanted = path in self.run.counted()
            left += wanted and len(flows) >= self.hot
            with_blocks = wanted and len(flows) < self.hot
            flow = self._flow(path, image, bounds, count / total) if with_blocks else None
            flows.append((path, image, bounds, flow))
        if left:
            self.run.notes.append(
                f"Blocks of {left} functions with smaller shares were not counted; --hot takes more."
            )
        falls = self._falls_known([(path, flow) for path, _, _, flow in flows if flow is not None])
        for path, image, bounds, flow in flows:
            counts = None if flow is None else function_counts(flow, image, path, self.run, falls)
            self.counted.append((path, image, bounds, counts))

    def _note_counts(self, hit: dict[str, dict[FunctionBounds, int]], path: str) -> None:
        nothing: Counter[int] = Counter()
        for counts in (self.run.executed.get(path, nothing), self.run.entries.get(path, nothing)):
            for address, count in counts.items():
                if count:
                    self._note(hit, path, address, 0)
        for jumps in (self.run.jumps.get(path, Jumps()), self.run.runs.get(path, Jumps())):
            for _, address in jumps:
                self._note(hit, path, address, 0)

    def _note(
        self, hit: dict[str, dict[FunctionBounds, int]], path: str, address: int | None, count: int
    ) -> FunctionBounds | None:
        image = self.images.get(path) if path and address is not None else None
        bounds = image.bounds_at(address) if image is not None and address is not None else None
        if bounds is not None:
            functions = hit.setdefault(path, {})
            functions[bounds] = functions.get(bounds, 0) + count
        return bounds

    def _flow(self, path: str, image: Image, bounds: FunctionBounds, share: float) -> Function | None:
        flow = control_flow(image, bounds, keep_refused=True)
        if isinstance(flow, Refused):
            self.unrecorded.append(Unrecorded(bounds.name, path, bounds.address, share, str(flow)))
            return None
        return flow

    def _falls_known(self, flows: list[tuple[str, Function]]) -> bool:
        """Whether the file says of ways that fall through how often they were gone."""
        if self.run.runs:
            return True
        return any(has_falls(flow, self.run.jumps[path]) for path, flow in flows if path in self.run.jumps)

    def write(self, folder: RecordingFolder, file: str) -> None:
        """Write all of it; ``file`` is the name of what was imported. Raises ``HostError``."""
        self.stacks = self._write_samples(folder)
        self.blocks = self._write_counts(folder)
        folder.table("threads", _columns(sorted(self._threads()), 3))
        folder.finish(self._manifest(file))

    def _index(self, path: str) -> int | None:
        return None if not path else self.paths.setdefault(path, len(self.paths))

    def _write_samples(self, folder: RecordingFolder) -> int:
        numbers: dict[tuple[Place, ...], int] = {}
        rows: list[tuple[object, ...]] = []
        for sample in self.run.samples:
            leaf = sample.frames[-1]
            number = None if len(sample.frames) == 1 else numbers.setdefault(sample.frames, len(numbers))
            where = (self._index(leaf.image), leaf.address, self._name(leaf), number, sample.weight)
            rows.append((sample.process, sample.thread, sample.time_ns, *where))
        folder.table("samples", _columns(rows, len(SCHEMAS["samples"])))
        if numbers:
            stacks: list[tuple[object, ...]] = [
                (
                    number,
                    [self._name(frame) for frame in frames],
                    [self._index(frame.image) for frame in frames],
                    [frame.address for frame in frames],
                )
                for frames, number in numbers.items()
            ]
            folder.table("stacks", _columns(stacks, len(SCHEMAS["stacks"])))
        return len(numbers)

    def _name(self, place: Place) -> str:
        if place.function or place.address is None:
            return place.function
        image = self.images.get(place.image)
        bounds = None if image is None else image.bounds_at(place.address)
        return "" if bounds is None else bounds.name

    def _write_counts(self, folder: RecordingFolder) -> int:
        functions: list[tuple[object, ...]] = []
        blocks: list[tuple[object, ...]] = []
        edges: list[tuple[object, ...]] = []
        for index, (path, image, bounds, counts) in enumerate(self.counted):
            code = image.read(bounds.address, bounds.size) or b""
            name = self.names.get(bounds, bounds.name)
            functions.append((index, self._index(path), name, bounds.address, bounds.size, code))
            if counts is None:
                continue
            numbers = {label: len(blocks) + k for k, label in enumerate(counts.shapes)}
            for label, shape in counts.shapes.items():
                own = (numbers[label], index, label.address, label.part, shape.size, shape.instructions)
                blocks.append((*own, shape.last, shape.ending.value, counts.entered[label], None))
            for edge, taken in counts.taken.items():
                kind = counts.shapes[edge.source].kind(edge.target).value
                edges.append((numbers[edge.source], numbers[edge.target], kind, taken))
        folder.table("functions", _columns(functions, 6))
        folder.table("blocks", _columns(blocks, 10))
        folder.table("edges", _columns(edges, 4))
        folder.table("sites", _columns([], 5))
        return len(blocks)

    def _threads(self) -> set[tuple[int, int, int]]:
        return {
            (sample.process, sample.thread, 0)
            for sample in self.run.samples
            if sample.process is not None and sample.thread is not None
        }

    def _manifest(self, file: str) -> Manifest:
        from burnish import __version__

        run = self.run
        images: list[RecordedImage] = []
        for path in self.paths:
            image = self.images.get(path)
            real = path if image is None else str(image.path.absolute())
            images.append(RecordedImage(real, "" if image is None else image.build_id))
        return Manifest(
            command=run.command,
            what=("edges",) if run.counts is not Counts.NONE else (),
            images=tuple(images),
            unrecorded=tuple(self.unrecorded),
            host={},
            environment={},
            started=datetime.now(UTC).isoformat(timespec="milliseconds"),
            wall_s=0.0,
            cpu_s=0.0,
            native_s=None,
            exit_code=None,
            signal=None,
            interrupted=False,
            dropped=0,
            threads=len(self._threads()),
            covered=None,
            burnish=__version__,
            warnings=tuple(run.notes),
            imported=ImportedFrom(run.kind.value, file, run.unit, run.counts.value),
        )


def _columns(rows: Iterable[tuple[object, ...]], width: int) -> list[list[object]]:
    found = list(rows)
    return [[row[k] for row in found] for k in range(width)]
