"""Captured entries in a recording: as rows of its tables, and as what ``Recording.entries`` gives."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from burnish.core.entry import EntryState, Replayed, ReplayVerdict
from burnish.core.errors import FunctionNotFoundError, RecordingError
from burnish.core.image import Access
from burnish.core.state import MachineState
from burnish.record.replaying import Page, compare, executor, pages_of, regions, run_entry
from burnish.runtime.isolation import Executor

if TYPE_CHECKING:
    from burnish.record.capture import Captured, CaptureRun

# pyarrow has no types of its own.
pa: Any = import_module("pyarrow")

_REGISTERS = struct.Struct("<20Q")
_VECTORS = struct.Struct("<32Q")
_ACCESS = ((Access.READ, "r"), (Access.WRITE, "w"), (Access.EXECUTE, "x"))

Row = tuple[object, ...]

ENTRY_SCHEMAS: dict[str, Any] = {
    "entries": pa.schema(
        [
            ("entry", pa.uint32()),
            ("function", pa.uint32()),
            ("process", pa.uint32()),
            ("thread", pa.uint32()),
            ("call", pa.uint64()),
            ("seen", pa.uint32()),
            ("dead", pa.uint64()),
            ("before", pa.binary()),
            ("after", pa.binary()),
            ("replay", pa.string()),
            ("reason", pa.string()),
        ]
    ),
    "entry_memory": pa.schema(
        [
            ("entry", pa.uint32()),
            ("address", pa.uint64()),
            ("access", pa.string()),
            ("before", pa.uint32()),
            ("after", pa.uint32()),
        ]
    ),
    "entry_pages": pa.schema([("page", pa.uint32()), ("data", pa.binary())]),
    "entry_mappings": pa.schema(
        [
            ("process", pa.uint32()),
            ("start", pa.uint64()),
            ("end", pa.uint64()),
            ("access", pa.string()),
            ("offset", pa.uint64()),
            ("name", pa.string()),
            ("base", pa.uint64()),
        ]
    ),
}
"""The tables of captured entries."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A call of a function in the recorded run, that can be made again.

    ``before`` are the registers and the pages of memory that the function reaches, ``after`` the same at its return
    (None where the run was not seen to return). ``address`` is where its code lies in that process, within ``before``.
    ``seen`` counts the calls that were looked at and found the same; ``call`` is its number among those that stopped.
    ``replayed`` is how a replay went when it was captured.
    """

    number: int
    function: str
    process: int
    thread: int
    call: int
    seen: int
    start: EntryState = field(repr=False)
    after: MachineState | None = field(repr=False)
    replayed: Replayed = field(repr=False)

    @property
    def address(self) -> int:
        return self.start.address

    @property
    def before(self) -> MachineState:
        return self.start.state

    @property
    def return_address(self) -> int:
        """What is on top of the stack."""
        return int.from_bytes(self.read(self.start.rsp, 8), "little")

    def read(self, address: int, size: int) -> bytes:
        """Memory as the function found it. Raises ``ValueError`` for what it does not reach."""
        for region in self.before.memory:
            if region.address <= address and address + size <= region.end:
                return region.data[address - region.address :][:size]
        raise ValueError(f"the entry has no {size} bytes at {address:#x}")

    def replay(self, tool: Executor | None = None) -> Replayed:
        """Runs the function in isolation from the state before and compares what it leaves with the state after: all
        registers, and all memory but the frame that is dead then. ``tool`` is an executor to use again and again.
        Raises ``HostError`` where isolation is not possible."""
        if self.after is None:
            return Replayed(ReplayVerdict.CANNOT, self.replayed.difference)
        if tool is not None:
            return compare(self.start, self.after, run_entry(tool, self.start))
        with executor() as own:
            return compare(self.start, self.after, run_entry(own, self.start))


def register_bytes(state: MachineState, rip: int) -> bytes:
    """Registers as 416 bytes, little-endian: the 16 general ones in encoding order, rip, flags, the base of fs, mxcsr
    (8 bytes each), and xmm0 to xmm15."""
    words = _REGISTERS.pack(*state.gpr, rip, state.flags, state.fs_base, state.mxcsr)
    return words + b"".join(value.to_bytes(16, "little") for value in state.xmm)


def registers_of(data: bytes) -> tuple[MachineState, int]:
    """The state, without memory, and rip. Raises ``RecordingError``."""
    if len(data) != _REGISTERS.size + _VECTORS.size:
        raise RecordingError("The recording is damaged: an entry has no whole set of registers.")
    words = _REGISTERS.unpack_from(data)
    halves = _VECTORS.unpack_from(data, _REGISTERS.size)
    xmm = tuple(low | high << 64 for low, high in zip(halves[::2], halves[1::2], strict=True))
    rip, flags, fs_base, mxcsr = words[16:]
    return MachineState(words[:16], xmm, flags, mxcsr, (), fs_base), rip


def entry_rows(run: CaptureRun) -> dict[str, list[Row]]:
    """The rows of the tables in ``ENTRY_SCHEMAS``. A function has the number of its point."""
    pages: dict[bytes, int] = {}
    entries: list[Row] = []
    memory: list[Row] = []
    for number, one in enumerate(run.entries):
        entries.append(_entry_row(number, one))
        after = {} if one.after is None else pages_of(one.after.memory)
        for address, page in pages_of(one.entry.state.memory).items():
            before = pages.setdefault(page.data, len(pages))
            left = after.get(address)
            changed = None
            if left is not None and left.data != page.data:
                changed = pages.setdefault(left.data, len(pages))
            memory.append((number, address, _letters(page.access), before, changed))
    return {
        "entries": entries,
        "entry_memory": memory,
        "entry_pages": [(number, data) for data, number in pages.items()],
        "entry_mappings": list(run.mappings.listed()),
    }


def _entry_row(number: int, one: Captured) -> Row:
    after = None if one.after is None else register_bytes(one.after, one.return_address)
    return (
        number,
        one.point,
        one.process,
        one.thread,
        one.call,
        one.seen,
        one.entry.dead,
        register_bytes(one.entry.state, one.entry.address),
        after,
        one.replayed.verdict.value,
        one.replayed.difference,
    )


def _letters(access: Access) -> str:
    return "".join(letter if part in access else "-" for part, letter in _ACCESS)


def _access(letters: str) -> Access:
    found = Access(0)
    for part, letter in _ACCESS:
        if letter in letters:
            found |= part
    return found


def read_entries(table: Callable[[str], Any], function: str | int | None) -> tuple[Entry, ...]:
    """The entries of one function (by name, ``0x`` address or address), or of all (None), from the tables that
    ``table`` gives by name. Raises ``FunctionNotFoundError``, and ``RecordingError`` where tables do not fit
    together."""
    names = ("functions", "entries", "entry_memory", "entry_pages")
    functions, entries, memory, pages = (table(name).to_pylist() for name in names)
    return _Tables(functions, entries, memory, {row["page"]: row["data"] for row in pages}).of(function)


@dataclass(frozen=True, slots=True)
class _Tables:
    """The tables of a recording that entries are made of, as rows."""

    functions: Sequence[Mapping[str, Any]]
    entries: Sequence[Mapping[str, Any]]
    memory: Sequence[Mapping[str, Any]]
    pages: Mapping[int, bytes]

    def of(self, function: str | int | None) -> tuple[Entry, ...]:
        names = {row["function"]: row["name"] for row in self.functions}
        wanted = set(names) if function is None else self._numbers(function)
        memory: dict[int, list[Mapping[str, Any]]] = {}
        for row in self.memory:
            memory.setdefault(row["entry"], []).append(row)
        try:
            return tuple(
                self._entry(row, names[row["function"]], memory.get(row["entry"], ()))
                for row in self.entries
                if row["function"] in wanted
            )
        except (KeyError, ValueError) as error:
            raise RecordingError(f"The recording is damaged: its entries lack {error}.") from error

    def _numbers(self, function: str | int) -> set[int]:
        address = function if isinstance(function, int) else None
        if isinstance(function, str) and function.lower().startswith("0x"):
            try:
                address = int(function, 16)
            except ValueError:
                address = None
        found = {
            row["function"] for row in self.functions if function == row["name"] or address == row["address"]
        }
        if not found:
            raise FunctionNotFoundError(f"The recording has no function {function!r}.")
        return found

    def _entry(self, row: Mapping[str, Any], name: str, memory: Iterable[Mapping[str, Any]]) -> Entry:
        before: list[Page] = []
        after: list[Page] = []
        for piece in memory:
            page = Page(piece["address"], self.pages[piece["before"]], _access(piece["access"]))
            before.append(page)
            changed = piece["after"]
            after.append(page if changed is None else replace(page, data=self.pages[changed]))
        registers, address = registers_of(row["before"])
        state = replace(registers, memory=regions(before))
        end = None
        if row["after"] is not None:
            end = replace(registers_of(row["after"])[0], memory=regions(after))
        return Entry(
            number=row["entry"],
            function=name,
            process=row["process"],
            thread=row["thread"],
            call=row["call"],
            seen=row["seen"],
            start=EntryState(address, state, row["dead"]),
            after=end,
            replayed=Replayed(ReplayVerdict(row["replay"]), row["reason"]),
        )
