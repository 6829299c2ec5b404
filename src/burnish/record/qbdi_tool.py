"""Runs inside a target under QBDI: writes the records of the wanted functions, as rebuilt functions with probes do.

``pyqbdipreload`` loads it into the target, before ``main``, in a Python of its own, which has the standard library and
nothing else: of the house it imports one module. What it does is in the plan that ``record/qbdi.py`` wrote: which
instructions begin blocks, end them, or touch memory, and which counter or record each stands for.
"""

from __future__ import annotations

import ctypes
import json
import locale
import mmap
import os
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from burnish.record.qbdi_area import PAGE, Area

if "BURNISH_QBDI_PLAN" in os.environ:
    import_module("pyqbdi")  # before it hands over a VM, whose type must be known

BLOCK_MARK, SITE_SHIFT = 0xFFFF << 48, 48

NATIVE, UNKNOWN, STRANGE, STOPPED = 0, 64, 128, 192
"""Where in the notes (words of eight bytes) the lists begin: each is a count and the first places."""
MOST = 64
"""Words of a list."""
MAIN = 256
"""A word that is 1 once ``main`` is about to run; then come the load addresses of the images, in their order."""
NOTES_BYTES = 4096

LEAVES_FRAMES = (
    "longjmp",
    "_longjmp",
    "siglongjmp",
    "__longjmp_chk",
    "__cxa_throw",
    "__cxa_rethrow",
    "_Unwind_RaiseException",
    "_Unwind_Resume",
    "setcontext",
    "swapcontext",
    "pthread_exit",
)
"""Functions that return to somewhere else than to their caller: QBDI loses its way there."""

Action = Callable[[Any], None]
"""What is to be done at an instruction, given the general registers."""


class Notes:
    """What went otherwise than planned: a small file that the recorder reads in the end."""

    def __init__(self, path: str) -> None:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.memory = mmap.mmap(file, NOTES_BYTES)
        os.close(file)
        self.words = memoryview(self.memory).cast("Q")
        # The watch writes there until the process ends; this Python ends before it.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.memory))
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))

    def add(self, where: int, place: int) -> None:
        """Note a place, once."""
        words = self.words
        count = words[where]
        if place not in words[where + 1 : where + 1 + min(count, MOST - 1)]:
            if count < MOST - 1:
                words[where + 1 + count] = place
            words[where] = count + 1


class Observer:
    """Turns the plan into callbacks. ``bases`` are the addresses that images were loaded at."""

    def __init__(self, plan: Any, area: Area, notes: Notes) -> None:
        self.area, self.notes, self.plan = area, notes, plan
        self.trace = plan["record_bytes"]
        self.with_sites = plan["memory"]
        self.before: dict[int, list[Action]] = {}
        self.after: dict[int, list[Callable[[Any, Any], None]]] = {}
        self.known: set[int] = set()
        self.qbdi: Any = import_module("pyqbdi")
        for index, image in enumerate(plan["images"]):
            base = load_address(image["path"]) - image["first"]
            notes.words[MAIN + 1 + index] = base
            self.add_image(image, base)

    def add_image(self, image: Any, base: int) -> None:
        """Note what is to be done where."""
        self.known.update(base + address for address in image["known"])
        for address, number, counter in image["blocks"]:
            if self.trace or counter >= 0:
                self.before.setdefault(base + address, []).append(self.entry(number, counter))
        for address, counter in image["returns"]:
            self.before.setdefault(base + address, []).insert(0, self.returned(counter))
        for address, sites in image["sites"]:
            self.add_sites(base + address, sites)
        for address, counter in image["calls"]:
            self.after.setdefault(base + address, []).append(self.calls(counter))
        for address, ways in image["ends"]:
            targets = {base + target: counter for target, counter, _, _ in ways}
            outside = {
                base + target: self.entry(number, entered)
                for target, _, number, entered in ways
                if number >= 0
            }
            self.after.setdefault(base + address, []).append(self.leaves(base + address, targets, outside))
        for address, counter in image["passes"]:
            self.after.setdefault(base + address, []).append(self.passes(counter))

    def entry(self, number: int, counter: int) -> Action:
        """A block is entered."""
        area, record = self.area, BLOCK_MARK | number if self.trace == 8 else number
        if not self.trace:

            def count(gpr: Any) -> None:
                area.counters[counter] += 1

            return count if counter >= 0 else lambda gpr: None

        def write(gpr: Any) -> None:
            if counter >= 0:
                area.counters[counter] += 1
            area.write(record)

        return write

    def leaves(
        self, place: int, targets: dict[int, int], outside: dict[int, Action]
    ) -> Callable[[Any, Any], None]:
        """A branch or a switch is passed. ``outside`` has blocks that are another function's code, entered so."""
        area, notes = self.area, self.notes

        def leave(vm: Any, gpr: Any) -> None:
            target = gpr.rip
            counter = targets.get(target)
            if counter is None:
                notes.add(STRANGE, place)
                return
            area.counters[counter] += 1
            if target in outside:
                outside[target](gpr)

        return leave

    def passes(self, counter: int) -> Callable[[Any, Any], None]:
        """A block goes on to its one successor."""
        area = self.area

        def go_on(vm: Any, gpr: Any) -> None:
            area.counters[counter] += 1

        return go_on

    def calls(self, counter: int) -> Callable[[Any, Any], None]:
        """A block ends in a call: its successor is only entered if that returns."""
        area = self.area

        def call(vm: Any, gpr: Any) -> None:
            area.pending.append((gpr.rsp + 8, counter))

        return call

    def returned(self, counter: int) -> Action:
        """The successor of a block that ends in a call is entered: from there, if a call of that depth is pending."""
        area = self.area

        def arrive(gpr: Any) -> None:
            pending, depth = area.pending, gpr.rsp
            while pending and pending[-1][0] < depth:
                pending.pop()
            if pending and pending[-1] == (depth, counter):
                pending.pop()
                area.counters[counter] += 1

        return arrive

    def add_sites(self, place: int, sites: list[list[Any]]) -> None:
        """An instruction touches memory. Sites are number, access and size."""
        strings = {
            access: number << SITE_SHIFT for number, access, _, _ in sites if access.startswith("string")
        }
        unit = sites[0][3]
        area, notes = self.area, self.notes
        if strings:
            low = (1 << SITE_SHIFT) - 1

            def begin(gpr: Any) -> None:
                found = {
                    "string target": gpr.rdi,
                    "string source": gpr.rsi,
                    "string bytes": gpr.rcx * unit,
                }
                for access, mark in strings.items():
                    area.write(mark | found[access] & low)

            self.before.setdefault(place, []).append(begin)
            return
        wanted = [(number << SITE_SHIFT, access == "store", size) for number, access, size, _ in sites]

        def touch(vm: Any, gpr: Any) -> None:
            seen = [
                (bool(int(access.type) & 2), access.size, access.accessAddress, int(access.type))
                for access in vm.getInstMemoryAccess()
            ]
            for mark, store, size in wanted:
                bit = 2 if store else 1
                match = next((k for k, row in enumerate(seen) if row[3] & bit and row[1] == size), None)
                if match is None:
                    notes.add(STRANGE, place)
                    continue
                area.write(mark | seen[match][2])
                if seen[match][3] == bit:
                    del seen[match]

        self.after.setdefault(place, []).insert(0, touch)

    def rule(self, vm: Any, analysis: Any, data: Any) -> list[Any]:
        """What QBDI shall call at an instruction that it translates."""
        place, qbdi = analysis.address, self.qbdi
        found: list[Any] = []
        before = list(self.before.get(place, ()))
        if place not in self.known:
            before.append(lambda gpr: self.notes.add(UNKNOWN, place))
        if before:
            found.append(qbdi.InstrRuleDataCBK(joined_before(before, qbdi.CONTINUE), None, qbdi.PREINST))
        if place in self.after:
            after = joined_after(self.after[place], qbdi.CONTINUE)
            found.append(qbdi.InstrRuleDataCBK(after, None, qbdi.POSTINST))
        return found


def joined_before(actions: list[Action], go_on: Any) -> Callable[..., Any]:
    """One callback for all actions before an instruction."""
    if len(actions) == 1:
        only = actions[0]

        def single(vm: Any, gpr: Any, fpr: Any, data: Any) -> Any:
            only(gpr)
            return go_on

        return single

    def several(vm: Any, gpr: Any, fpr: Any, data: Any) -> Any:
        for action in actions:
            action(gpr)
        return go_on

    return several


def joined_after(actions: list[Callable[[Any, Any], None]], go_on: Any) -> Callable[..., Any]:
    """One callback for all actions after an instruction."""

    def several(vm: Any, gpr: Any, fpr: Any, data: Any) -> Any:
        for action in actions:
            action(vm, gpr)
        return go_on

    return several


def load_address(path: str) -> int:
    """Where the first page of a file was mapped; the program's own files are, before ``main``."""
    wanted = Path(path).stat()
    with Path("/proc/self/maps").open() as maps:
        for line in maps:
            fields = line.split(None, 5)
            if (
                len(fields) == 6
                and int(fields[4]) == wanted.st_ino
                and Path(fields[5].rstrip("\n")).samefile(path)
            ):
                return int(fields[0].partition("-")[0], 16)
    raise RuntimeError(f"{path} is not loaded")


def undo_embedding(plan: Any) -> None:
    """The target must not notice the Python in it: its environment, its locale and its signals are as they were."""
    for name, value in plan["environment"].items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    locale.setlocale(locale.LC_ALL, "C")
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop_where_frames_are_left(vm: Any, notes: Notes) -> None:
    """End the process before a function runs that returns to somewhere else."""
    qbdi: Any = import_module("pyqbdi")
    everything = ctypes.CDLL(None)
    places: set[int] = set()
    for name in LEAVES_FRAMES:
        try:
            places.add(ctypes.cast(getattr(everything, name), ctypes.c_void_p).value or 0)
        except AttributeError:
            continue

    def transfer(vm: Any, state: Any, gpr: Any, fpr: Any, data: Any) -> Any:
        if state.basicBlockStart in places:
            notes.add(STOPPED, state.basicBlockStart)
            os.kill(os.getpid(), signal.SIGKILL)
        return qbdi.CONTINUE

    vm.addVMEventCB(qbdi.EXEC_TRANSFER_CALL, transfer, None)


def pyqbdipreload_on_run(vm: Any, start: int, stop: int) -> None:
    """Called instead of ``main``: runs it."""
    qbdi: Any = import_module("pyqbdi")
    with Path(os.environ["BURNISH_QBDI_PLAN"]).open() as file:
        plan = json.load(file)
    notes = Notes(plan["notes"])
    area = Area(
        os.environ["BURNISH_RECORD_DIR"], int(os.environ["BURNISH_RECORD_COUNTERS"]), plan["record_bytes"]
    )
    observer = Observer(plan, area, notes)
    undo_embedding(plan)
    vm.removeAllInstrumentedRanges()
    if observer.with_sites:
        vm.recordMemoryAccess(qbdi.MEMORY_READ_WRITE)
    watch = ctypes.CDLL(plan["watch"]).burnish_watch
    watch.argtypes = (ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64)
    watch.restype = ctypes.c_int
    for index, image in enumerate(plan["images"]):
        base = notes.words[MAIN + 1 + index]
        for low, high in image["code"]:
            vm.addInstrumentedRange(base + low, base + high)
            first = (base + low) // PAGE * PAGE
            watch(first, (base + high + PAGE - 1) // PAGE * PAGE, notes.address, MOST)
        for low, high in image["functions"]:
            vm.addInstrRuleRange(base + low, base + high, observer.rule, qbdi.ANALYSIS_INSTRUCTION, None)
    if plan["leaves_frames"]:
        stop_where_frames_are_left(vm, notes)
    child = ctypes.CFUNCTYPE(None)(area.open)
    ctypes.CDLL(None).__register_atfork(None, None, child, None)
    notes.words[MAIN] = 1
    if vm.run(start, stop):
        # Else the process would end with 0, and before what the program runs at exit.
        ctypes.PyDLL(None).exit(ctypes.c_int(vm.getGPRState().rax & 0xFFFFFFFF))
    os.abort()
