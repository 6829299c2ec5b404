"""What a run did, as stacks with weights: from the trace, else from samples, else from the counts of blocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from burnish.core.errors import RecordingError
from burnish.record.calls import MOST_FRAMES, Calls, Code, calls
from burnish.record.store import Recording

UNKNOWN = "[unknown]"
INSTRUCTIONS = "instructions"


class Frame(NamedTuple):
    """A function in a stack: its name, and the file that it is in, "" where that is not known."""

    name: str
    image: str


@dataclass(frozen=True, slots=True)
class Stacks:
    """Weights by stack, from the root to the leaf. ``unit`` is what is weighed, ``notes`` sentences on what was left
    out or put together."""

    unit: str
    weights: Mapping[tuple[Frame, ...], int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ThreadCalls:
    """The calls of one thread."""

    process: int
    thread: int
    calls: Calls


def is_traced(recording: Recording) -> bool:
    """True if the recording has the order of blocks."""
    return recording.has("trace") and bool(recording.traced_threads())


def thread_calls(recording: Recording) -> Iterator[ThreadCalls]:
    """The calls of each thread that has a trace, in the order in which the threads began."""
    code = Code(recording)
    for process, thread in recording.traced_threads():
        yield ThreadCalls(process, thread, calls(recording.trace(process, thread), code))


def trace_notes(recording: Recording, gaps: int) -> list[str]:
    """What the trace itself lacks, in sentences; it has ``gaps``."""
    notes: list[str] = []
    if gaps:
        notes.append(
            f"The trace has {gaps:,} gaps; what was called before one is not known to go on behind it."
        )
    if recording.manifest.dropped:
        notes.append(
            f"{recording.manifest.dropped:,} bytes of the trace were lost while it was recorded; calls around the gaps "
            "are guesses."
        )
    missing = 0
    rows = recording.to_arrow("trace").select(["process", "thread", "number"]).to_pylist()
    last: dict[tuple[int, int], int] = {}
    for row in rows:
        key = (row["process"], row["thread"])
        last[key] = max(last.get(key, 0), row["number"])
    missing = sum(last.values()) - len(rows)
    if missing > 0:
        notes.append(f"{missing:,} chunks of the trace are missing.")
    return notes


def frames(recording: Recording) -> dict[int, Frame]:
    """The recorded functions as frames, by number."""
    images = [image.path for image in recording.manifest.images]
    return {
        row["function"]: Frame(row["name"] or UNKNOWN, images[row["image"]])
        for row in recording.functions.to_pylist()
    }


class _Tree:
    """Stacks with weights, as a tree: node 0 is the root of all."""

    def __init__(self) -> None:
        self._children: dict[tuple[int, Frame], int] = {}
        self._parents = [0]
        self._frames = [Frame("", "")]
        self._own = [0]

    def child(self, node: int, frame: Frame, weight: int = 0) -> int:
        """The node of a frame under another one; ``weight`` is added to it."""
        key = (node, frame)
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = len(self._own)
            self._parents.append(node)
            self._frames.append(frame)
            self._own.append(0)
        self._own[found] += weight
        return found

    def add(self, stack: tuple[Frame, ...], weight: int) -> None:
        """Add a stack."""
        node = 0
        for frame in stack:
            node = self.child(node, frame)
        self._own[node] += weight

    def stacks(self, unit: str, notes: list[str], most: int) -> Stacks:
        """The stacks of the ``most`` nodes with the largest weights, those below them included; what is below the
        others goes to the nodes above."""
        own = np.array(self._own, np.int64)
        totals = own.copy()
        for node in range(len(own) - 1, 0, -1):  # children come after their parents
            totals[self._parents[node]] += totals[node]
        kept = np.zeros(len(own), np.bool_)
        kept[np.argsort(-totals, kind="stable")[: most + 1]] = True
        gone = np.flatnonzero(~kept & (own > 0))
        if len(gone):
            notes.append(
                f"{len(gone):,} of {int((own > 0).sum()):,} stacks, the lightest, with {int(own[gone].sum()):,} {unit} "
                "in all were put into those of their callers."
            )
        known: dict[int, tuple[Frame, ...]] = {0: ()}
        weights: Counter[tuple[Frame, ...]] = Counter()
        for node in range(1, len(own)):
            parent = self._parents[node]
            if kept[node]:
                known[node] = (*known[parent], self._frames[node])
                weights[known[node]] = int(own[node])
            elif kept[parent]:
                weights[known[parent] or (Frame("[other]", ""),)] += int(totals[node])
        return Stacks(unit, {stack: weight for stack, weight in weights.items() if weight}, tuple(notes))


def stacks(recording: Recording, most: int) -> Stacks:
    """The stacks of a recording, ``most`` at most: the lightest are put into those of their callers.

    Raises ``RecordingError`` where the recording has neither a trace nor samples nor counts.
    """
    tree = _Tree()
    if is_traced(recording):
        return tree.stacks(INSTRUCTIONS, _add_traced(recording, tree), most)
    if recording.samples.num_rows:
        images = [image.path for image in recording.manifest.images]
        known = sampled_stacks(recording)
        for row in recording.samples.to_pylist():
            tree.add(sample_stack(row, known, images), row["count"])
        return tree.stacks(sample_unit(recording), [], most)
    names = frames(recording)
    for row in recording.blocks.to_pylist():
        tree.add((names[row["function"]],), (row["entered"] or 0) * row["instructions"])
    found = tree.stacks(INSTRUCTIONS, [], most)
    if not found.weights:
        raise RecordingError(f"{recording.path} has neither a trace nor samples nor counts to export.")
    return found


def sample_unit(recording: Recording) -> str:
    """What the samples of a recording count."""
    source = recording.manifest.imported
    return "samples" if source is None else source.unit


def sampled_stacks(recording: Recording) -> dict[int, tuple[Frame, ...]]:
    """The stacks of the samples, by number."""
    images = [image.path for image in recording.manifest.images]
    return {
        row["stack"]: tuple(
            _frame(images, name, image) for name, image in zip(row["functions"], row["images"], strict=True)
        )[-MOST_FRAMES:]
        for row in recording.stacks.to_pylist()
    }


def sample_stack(
    row: Mapping[str, Any], known: Mapping[int, tuple[Frame, ...]], images: Sequence[str]
) -> tuple[Frame, ...]:
    """The stack of a row of the table ``samples``."""
    found = known.get(row["stack"])
    return (_frame(images, row["function"], row["image"]),) if found is None else found


def _frame(images: Sequence[str], name: str, image: int | None) -> Frame:
    return Frame(name or UNKNOWN, "" if image is None else images[image])


def _add_traced(recording: Recording, tree: _Tree) -> list[str]:
    """Add the calls of all threads; returns what was left out."""
    names = frames(recording)
    deep = gaps = 0
    for each in thread_calls(recording):
        deep += each.calls.too_deep
        gaps += each.calls.gaps
        totals = each.calls.path_totals()
        own = totals.copy()
        paths = each.calls.paths
        callers = np.array([caller for caller, _ in paths], np.int64)
        inner = callers >= 0
        np.subtract.at(own, callers[inner], totals[inner])
        nodes: list[int] = []
        for (caller, function), weight in zip(paths, own.tolist(), strict=True):
            nodes.append(tree.child(nodes[caller] if caller >= 0 else 0, names[function], weight))
    notes = trace_notes(recording, gaps)
    if deep:
        notes.append(f"{deep:,} calls deeper than {MOST_FRAMES} functions count as their callers.")
    return notes
