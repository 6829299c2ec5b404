"""The second observer: functions are recorded as they are, by QBDI, under the numbers that probes would have.

Slower by orders of magnitude, and able to see what cannot be rebuilt. ``record/qbdi_tool.py`` runs in the target.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from burnish.core.code import Block, Branch, Function, Jump, Label, Reason, Refused, Switch, successors
from burnish.core.deployment import Deployment, Method
from burnish.core.errors import RefusedError, TargetError, UsageError
from burnish.core.image import Access as Permission
from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import OpCode
from burnish.core.recording import Access, Edge, Numbering, Observer, Site, Unrecorded, What
from burnish.images import load
from burnish.images.control_flow import control_flow
from burnish.machine.accesses import memory_operands
from burnish.pipeline.recording import Probed, RecordOptions, Records, Wanted
from burnish.recompile import Summaries
from burnish.recompile.emit import emit
from burnish.recompile.numbering import CALLS, Numbers, number
from burnish.recompile.numbering import Wanted as Numbered
from burnish.recompile.planned import Plan
from burnish.recompile.probes import MOST_SITES, SITE_SHIFT, Probes
from burnish.record.areas import environment
from burnish.record.qbdi import EXTRA, find_qbdi, is_installed, read_notes, start_under
from burnish.record.qbdi_tool import LEAVES_FRAMES

_SEEN = (What.EDGES, What.BLOCKS, What.MEMORY)
_LITTLE = 1 << 16
_PAGE = 4096
_SHOWN = 3
_EVEX = b"\x62"
_FLOW = ("blocks", "returns", "calls", "ends", "passes")
_PYTHON = ("Py_Initialize", "Py_BytesMain")


@dataclass(frozen=True, slots=True)
class Observed:
    """A function as QBDI will see it. ``sites`` are those of the numbering that are watched."""

    bounds: FunctionBounds
    function: Function
    numbering: Numbering
    sites: frozenset[int]


def observe_wanted(options: RecordOptions, program: Path, wanted: Wanted, work: Path) -> Probed:
    """Prepare a run of ``program`` under QBDI in which the wanted functions are watched. Raises ``HostError`` without
    QBDI, ``UsageError`` for what it cannot record, ``RefusedError`` for a named function that it cannot."""
    qbdi = find_qbdi()
    beyond = [what.value for what in options.what if what not in _SEEN]
    if beyond:
        raise UsageError(
            f"QBDI does not record {' and '.join(beyond)}; leave it out, or use --observer probes."
        )
    images = _images(program, wanted)
    _check_program(images[program])
    if options.burst is not None:
        raise UsageError("QBDI does not record bursts; leave --burst out, or use --observer probes.")
    found, free = _number(options, wanted)
    if not found:
        raise TargetError("No hot function can be recorded: the control flow of none of them was found.")
    records = _records(options.what, free.block)
    plan = {
        "record_bytes": records.bytes,
        "memory": records.accesses,
        "leaves_frames": any(_leaves_frames(image) for image in images.values()),
        "images": [_image_plan(path, image, found.get(path, [])) for path, image in images.items()],
    }
    recording = environment(work, free.counter, record_bytes=records.bytes, drop=options.drop)
    variables, notes = start_under(qbdi, plan, work, recording, os.environ.get("LD_PRELOAD", ""))
    kept = [(path, row.bounds, row.function, row.numbering) for path, rows in found.items() for row in rows]
    deployment = Deployment(program, Method.PRELOAD, (), str(program))
    return Probed(kept, deployment, free.counter, records, Observer.QBDI, variables, notes)


def _check_program(image: Image) -> None:
    if not image.needed:
        raise TargetError(f"{image.path} is statically linked; QBDI cannot be loaded into it.")
    own = {bounds.name for bounds in image.functions}
    if any(name.startswith("libpython") for name in image.needed) or own.intersection(_PYTHON):
        raise TargetError(
            f"{image.path} is a Python itself; QBDI, which brings one, cannot be loaded into it."
        )


def _leaves_frames(image: Image) -> bool:
    return any(imported.name in LEAVES_FRAMES for imported in image.got.values())


def _records(what: Sequence[What], blocks: int) -> Records:
    if What.MEMORY in what:
        return Records(8, blocks=True, accesses=True)
    if What.BLOCKS not in what:
        return Records()
    return Records(2 if blocks < _LITTLE else 4, blocks=True)


def _number(options: RecordOptions, wanted: Wanted) -> tuple[dict[Path, list[Observed]], Numbers]:
    """The wanted functions with their numbers, by image, and the numbers that are left."""
    found: dict[Path, list[Observed]] = {}
    free = Numbers()
    taken: dict[tuple[Path, int], str] = {}
    for path, image in wanted.images.items():
        summaries = Summaries(image)
        for spot in (spot for spot in wanted.spots if spot.image == path):
            row = _observed(image, spot.bounds, summaries, free, with_sites=What.MEMORY in options.what)
            reason = row if isinstance(row, Refused) else _unwatchable(path, image, row, taken)
            if reason is not None:
                if options.functions:
                    raise RefusedError(reason)
                wanted.unrecorded.append(
                    Unrecorded(spot.bounds.name, str(path), spot.bounds.address, spot.share, str(reason))
                )
                continue
            assert isinstance(row, Observed)
            found.setdefault(path, []).append(row)
    if free.site > MOST_SITES:
        raise UsageError("These functions have too many loads and stores to record; choose fewer of them.")
    return found, free


def _unwatchable(path: Path, image: Image, row: Observed, taken: dict[tuple[Path, int], str]) -> str | None:
    """Why the function cannot be watched, if so: it runs too early, or shares code with another one, which both run.
    ``taken`` are the instructions of those that are watched already, and whose they are."""
    own, name = row.bounds, row.bounds.name
    if own.address == image.entry:
        return f"{name} runs before main, and QBDI begins there"
    addresses = [instruction.address for instruction in row.function.instructions]
    for address in addresses:
        other = taken.get((path, address))
        if other is not None:
            return f"{name} shares code at {address:#x} with {other}; record one of them"
        bounds = None if own.address <= address < own.end else image.bounds_at(address)
        if bounds is not None and not bounds.is_part:
            return f"{name} goes on in {bounds.name} at {address:#x}, and QBDI cannot tell who runs it"
    taken.update(dict.fromkeys(((path, address) for address in addresses), name))
    return None


def _observed(
    image: Image, bounds: FunctionBounds, summaries: Summaries, free: Numbers, *, with_sites: bool
) -> Observed | Refused:
    """What can be rebuilt has the numbers of its probes; of the rest, each block and each edge has a counter."""
    plan = summaries.plan(bounds)
    if not isinstance(plan, Refused):
        numbering = number(plan, free, Numbered(accesses=with_sites))
        return Observed(bounds, plan.function, numbering, _probed_sites(plan, numbering))
    function = control_flow(image, bounds, keep_refused=True)
    if isinstance(function, Refused):
        return function
    for instruction in function.instructions:
        # QBDI does not save the registers that only AVX-512 has.
        if image.read(instruction.address, 1) == _EVEX:
            return Refused(Reason.AVX, instruction.address, "QBDI does not know AVX-512")
    sites = _operand_sites(image, function, free) if with_sites else {}
    numbering = _number_all(function, free, sites)
    return Observed(bounds, function, numbering, frozenset(s.number for row in sites.values() for s in row))


def _probed_sites(plan: Plan, numbering: Numbering) -> frozenset[int]:
    """The sites that probes record: not those at fixed places in the function's own frame. Only emission knows them: it
    marks an address with its site by an ``or``."""
    if not numbering.sites:
        return frozenset()
    marks = set(re.findall(r"or i64 [^,]+, (-?\d+)", emit(plan, probes=Probes(numbering, 8))))
    sites = [site.number for row in numbering.sites.values() for site in row]
    words = {site: site << SITE_SHIFT for site in sites}
    return frozenset(site for site, word in words.items() if str(word - (word >> 63 << 64)) in marks)


def _number_all(
    function: Function, free: Numbers, sites: Mapping[tuple[Label, int], tuple[Site, ...]]
) -> Numbering:
    blocks = {found.label: free.block + k for k, found in enumerate(function.blocks)}
    entered = {label: free.counter + k for k, label in enumerate(blocks)}
    edges = [Edge(found.label, to) for found in function.blocks for to in successors(found.terminator)]
    taken = {edge: free.counter + len(entered) + k for k, edge in enumerate(edges)}
    free.block += len(blocks)
    free.counter += len(entered) + len(taken)
    return Numbering(blocks, entered, taken, sites)


def _operand_sites(
    image: Image, function: Function, free: Numbers
) -> dict[tuple[Label, int], tuple[Site, ...]]:
    found: dict[tuple[Label, int], tuple[Site, ...]] = {}
    sizes = {instruction.address: instruction.size for instruction in function.instructions}
    for block in function.blocks:
        for index, (address, _) in enumerate(block.marks):
            row: list[Site] = []
            for operand in memory_operands(image.read(address, sizes[address]) or b""):
                for access, there in ((Access.LOAD, operand.read), (Access.STORE, operand.written)):
                    if there:
                        row.append(Site(free.site, access, operand.size, address))
                        free.site += 1
            if row:
                found[block.label, index] = tuple(row)
    return found


def _image_plan(path: Path, image: Image, rows: Sequence[Observed]) -> dict[str, object]:
    """What the tool does in one image: see ``qbdi_tool.Observer``. Addresses are those of the image."""
    code = [(s.address, s.end) for s in image.segments if Permission.EXECUTE in s.access]
    known = sorted({i.address for row in rows for i in row.function.instructions})
    spans = [(i.address, i.end) for row in rows for i in row.function.instructions]
    spans += [(row.bounds.address, row.bounds.end) for row in rows]
    plan: dict[str, object] = {
        "path": str(path.resolve()),
        "first": min(segment.address for segment in image.segments) // _PAGE * _PAGE,
        "code": code,
        "functions": _merged(spans),
        "known": known,
        "sites": [pair for row in rows for pair in _sites_plan(row)],
    }
    parts = [_flow_plan(row) for row in rows]
    for name in _FLOW:
        plan[name] = [item for part in parts for item in part[name]]
    return plan


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return merged


def _sites_plan(row: Observed) -> Iterator[tuple[int, list[tuple[int, str, int, int]]]]:
    units = {
        (block.label, index): operation.inputs[3].offset
        for block in row.function.blocks
        for index, operation in enumerate(block.operations)
        if operation.opcode in (OpCode.REP_MOVS, OpCode.REP_STOS)
    }
    unit_of = {address: units[key] for key, address in _places(row.function, units)}
    by_address: dict[int, list[tuple[int, str, int, int]]] = {}
    for sites in row.numbering.sites.values():
        for site in sites:
            if site.number in row.sites:
                entry = (site.number, site.access.value, site.size, unit_of.get(site.address, 1))
                by_address.setdefault(site.address, []).append(entry)
    yield from by_address.items()


def _places(
    function: Function, wanted: Mapping[tuple[Label, int], int]
) -> Iterator[tuple[tuple[Label, int], int]]:
    """The instruction of each operation in ``wanted``."""
    for block in function.blocks:
        for index in range(len(block.operations)):
            if (block.label, index) in wanted:
                yield (block.label, index), max(a for a, start in block.marks if start <= index)


def _flow_plan(row: Observed) -> dict[str, list[object]]:
    numbering = row.numbering
    plan: dict[str, list[object]] = {name: [] for name in _FLOW}
    # Another function, which a conditional jump leads to: entered by that jump alone.
    outside = {block.label for block in row.function.blocks if not block.marks}
    for block in row.function.blocks:
        label = block.label
        if label in outside:
            continue
        plan["blocks"].append((label.address, numbering.blocks[label], numbering.entered.get(label, -1)))
        last = block.marks[-1][0]
        ways = [to for to in successors(block.terminator) if Edge(label, to) in numbering.taken]
        counters = [numbering.taken[Edge(label, to)] for to in ways]
        match block.terminator:
            case Branch() | Switch():
                entries = [
                    (numbering.blocks[to], numbering.entered.get(to, -1)) if to in outside else (-1, -1)
                    for to in ways
                ]
                rows = zip(ways, counters, entries, strict=True)
                plan["ends"].append((last, [(to.address, counter, *entry) for to, counter, entry in rows]))
            case Jump(target) if ways and _ends_in_call(block):
                plan["calls"].append((last, counters[0]))
                plan["returns"].append((target.address, counters[0]))
            case Jump() if ways:
                plan["passes"].append((last, counters[0]))
            case _:
                pass
    return plan


def _ends_in_call(block: Block) -> bool:
    return bool(block.operations) and block.operations[-1].opcode in CALLS


def observe_instead(
    options: RecordOptions, program: Path, wanted: Wanted, work: Path, refusal: RefusedError
) -> Probed:
    """Use QBDI because a named function cannot be rebuilt, if it is there and records what is asked for. Raises the
    refusal, with a hint, if not."""
    if not is_installed():
        raise RefusedError(refusal.refused, f"QBDI can record it: {EXTRA}.") from refusal
    if options.burst is not None or any(what not in _SEEN for what in options.what):
        raise refusal
    try:
        probed = observe_wanted(options, program, wanted, work)
    except RefusedError as error:
        raise RefusedError(refusal.refused, f"nor can QBDI record it: {error}") from error
    probed.warnings = (f"Recorded by QBDI, which is much slower, because of {refusal}.",)
    return probed


def what_went_otherwise(probed: Probed, wanted: Wanted, program: Path) -> tuple[str, ...]:
    """Warnings about a run under QBDI that is over. Raises ``TargetError`` where it did not begin, or could not be
    followed to its end."""
    if probed.notes is None:
        return ()
    images = _images(program, wanted)
    noted = read_notes(probed.notes, len(images))
    if not noted.began:
        raise TargetError("The program ended before main began, or QBDI could not be loaded into it.")
    if noted.stopped:
        raise TargetError(
            "The program was ended: it was about to leave several functions at once (longjmp, an exception, "
            "pthread_exit), and QBDI cannot follow that."
        )
    places = list(zip(images.values(), noted.bases, strict=True))
    native = [place for place in noted.native if not _is_expected(place, places)]
    texts = (
        (native, "Code of the program ran outside QBDI{}: another thread, a signal handler, something that a library "
                 "called, or what runs at exit; it is not in the counts."),
        (noted.unknown, "Instructions ran that no control flow was found to lead to{}: their blocks are not in the "
                        "recording."),
        (noted.strange, "A jump or an access was not as expected{}: it is not in the recording."),
    )  # fmt: skip
    return tuple(
        text.format(f", at {', '.join(_name(place, places) for place in found[:_SHOWN])}")
        for found, text in texts
        if found
    )


def _images(program: Path, wanted: Wanted) -> dict[Path, Image]:
    """The images that run under QBDI: the program itself is always one."""
    return {program: wanted.images.get(program) or load(program), **wanted.images}


def _is_expected(place: int, images: Sequence[tuple[Image, int]]) -> bool:
    """True for what libraries run of any program: its stubs, and what the linker adds to be run at exit."""
    for image, base in images:
        address = place - base
        if not image.is_code(address):
            continue
        section = next((s for s in image.sections if s.address <= address < s.end), None)
        if section is not None and section.name in (".fini", ".init"):
            return True
        array = next((s for s in image.sections if s.name == ".fini_array"), None)
        if array is not None:
            first = image.relative.get(array.address)
            stored = image.read(array.address, 8) or b""
            if address in (first, int.from_bytes(stored, "little")):
                return True
        return section is not None and section.name.startswith(".plt")
    return False


def _name(place: int, images: Sequence[tuple[Image, int]]) -> str:
    for image, base in images:
        if image.is_code(place - base):
            bounds = image.bounds_at(place - base)
            return f"{place - base:#x}" + ("" if bounds is None else f" ({bounds.name})")
    return f"{place:#x}"
