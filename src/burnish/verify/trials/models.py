"""What a solver found, as an input that runs.

A model says what is read up to a point. The original goes on from there, and an input is a test only if it returns: so
what the model does not say is made up, and where the original faults it is given memory, or a pointer to some.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from burnish.core.state import DEFAULT_MXCSR
from burnish.machine.registers import CELLS, FLAG_OFFSETS, INTEGER_ARGUMENTS
from burnish.verify.pair import ANY_FUNCTION, DataObject, Pair
from burnish.verify.solve.query import Model
from burnish.verify.trials.arena import objects_of
from burnish.verify.trials.bench import Bench
from burnish.verify.trials.called import later_memory, returned_words
from burnish.verify.trials.conditions import FLAG_BITS
from burnish.verify.trials.given import GivenInput
from burnish.verify.trials.shape import PAGE
from burnish.verify.trials.single import GivenTest
from burnish.verify.trials.stubs import LEDGER, LITTER, STUBS_BEGIN, STUBS_END
from burnish.verify.trials.tester import DEEPEST_STACK

_OBJECT, _STACK, _MEMORY, _IN_FRAME = "&", "stack ", "memory", " of the frame"
_RSP = 0x7FFD_0000_F008
_GROWTHS = 32
"""Times that an input is given more memory."""
_TRIES = 96
"""Words that are made pointers to find the one that is, at most, for one input."""
_AROUND = 256
"""Bytes before and after an address that it lacks."""
_LOWEST, _HIGHEST = 1 << 16, (1 << 47) - (1 << 16)
_NEAR = 8192
"""How far behind a null pointer an access may be."""
_UNKNOWN = 1 << 14
"""Bytes of an object of which no size is known."""
_ROOM = 0x6100_0000_0000
"""Where memory is for pointers that are made up, each in a span of its own."""
_SPAN = 1 << 24


@dataclass(frozen=True, slots=True)
class ModelInput:
    """An input with the addresses of the bytes and the names of the registers that the model says: the rest may be
    anything."""

    given: GivenInput
    octets: frozenset[int]
    registers: frozenset[str]


def complete_test(pair: Pair, found: ModelInput, bench: Bench, deadline: float = float("inf")) -> GivenTest:
    """The test of a model's input, with what it lacks so that the original returns, as far as that is found until
    ``deadline`` (``time.monotonic``). Raises ``CannotRunError``, and ``ValueError`` for memory that cannot be had."""
    given = found.given
    test = GivenTest.of(pair.original, pair.specification, given, bench)
    tries = _TRIES
    for turn in range(_GROWTHS):
        wants = test.wants
        if wants is None or time.monotonic() > deadline:
            break
        if _LOWEST <= wants < _HIGHEST and not test.jumped:
            if _is_taken(test, wants):
                break
            given = _with_memory(given, wants, test)
            test = GivenTest.of(pair.original, pair.specification, given, bench)
            if test.wants == wants:
                break
            continue
        room = ANY_FUNCTION if test.jumped else _ROOM + turn * _SPAN
        for pointed in _with_pointers(found, given, wants, room):
            tries -= 1
            again = GivenTest.of(pair.original, pair.specification, pointed, bench)
            if again.wants != wants or tries <= 0 or time.monotonic() > deadline:
                break
        else:
            break
        if again.wants == wants:
            break
        given, test = pointed, again
    return test


def bare_test(pair: Pair, test: GivenTest, bench: Bench) -> GivenTest | None:
    """The same test without the pages that the original does not touch: a rewrite that does faults there. None where
    there are no such."""
    pages: dict[int, dict[int, int]] = {}
    kept: dict[int, int] = {}
    for address, byte in _octets(test.given).items():
        stays = _is_taken(test, address) or _is_unbounded(test, address)
        chosen = kept if stays else pages.setdefault(address & -PAGE, {})
        chosen[address] = byte
    # The return address lies in a page with what is on the stack at entry.
    rsp = test.setting.rsp
    for page in (rsp & -PAGE, rsp + 7 & -PAGE):
        kept |= pages.pop(page, {})
    while pages:
        given = GivenInput.of_model(test.given.registers, kept, test.given.places)
        found = GivenTest.of(pair.original, pair.specification, given, bench)
        if found.wants is None:
            return None if found.void else found
        page = pages.pop(found.wants & -PAGE, None)
        if page is None:
            return None
        kept |= page
    return None


def _with_memory(given: GivenInput, address: int, test: GivenTest) -> GivenInput:
    """The input with zeros around an address that it lacks."""
    octets = _octets(given)
    for at in range(max(address - _AROUND, _LOWEST), min(address + _AROUND, _HIGHEST)):
        if not _is_taken(test, at):
            octets.setdefault(at, 0)
    return GivenInput.of_model(given.registers, octets, given.places)


def _with_pointers(found: ModelInput, given: GivenInput, fault: int, room: int) -> Iterator[GivenInput]:
    """The input with one word after the other as a pointer to memory at ``room``: those that the model leaves open, and
    that may be the null pointer with which ``fault`` was reached. What came last is tried first."""
    if not 0 <= fault < _NEAR:
        return
    octets = _octets(given)
    more = {} if room == ANY_FUNCTION else {room + k: 0 for k in range(_AROUND)}
    for region in reversed(given.memory):
        if region.address in (LEDGER, LITTER) or region.end - region.address > _NEAR:
            continue
        for at in range(-(-region.address // 8) * 8, region.end - 7, 8):
            word = range(at, at + 8)
            value = int.from_bytes(bytes(octets[k] for k in word), "little")
            if 0 <= fault - value < _NEAR and found.octets.isdisjoint(word):
                pointer = {at + k: byte for k, byte in enumerate(room.to_bytes(8, "little"))}
                yield GivenInput.of_model(given.registers, {**octets, **more, **pointer}, given.places)
    for name in INTEGER_ARGUMENTS:
        if name not in found.registers and 0 <= fault - given.registers.get(name, 0) < _NEAR:
            yield GivenInput.of_model({**given.registers, name: room}, {**octets, **more}, given.places)


def _is_taken(test: GivenTest, address: int) -> bool:
    """True where an object of the file lies, what stands for callees, or the stack."""
    arena, rsp = test.setting.arena, test.setting.rsp
    if STUBS_BEGIN <= address < STUBS_END or rsp - DEEPEST_STACK <= address < rsp + 8:
        return True
    things = (*arena.constant, *arena.writable)
    return any(
        arena.addresses[thing.name] <= address < arena.addresses[thing.name] + max(thing.size, 1)
        for thing in things
    )


def _is_unbounded(test: GivenTest, address: int) -> bool:
    """True behind the beginning of a variable of which it is not known where it ends."""
    arena = test.setting.arena
    return any(
        arena.addresses[thing.name] <= address < arena.addresses[thing.name] + _UNKNOWN
        for thing in arena.writable
        if _is_endless(thing)
    )


def _is_endless(thing: DataObject) -> bool:
    return thing.data is None and thing.size <= 1


def _octets(given: GivenInput) -> dict[int, int]:
    return {region.address + k: byte for region in given.memory for k, byte in enumerate(region.data)}


def input_of(pair: Pair, model: Model, honoured: bool, turn: int) -> ModelInput:
    """A model of the entry state as an input. Objects lie where the model has them, or (not ``honoured``) where there
    is room. What it says of calls comes true as far as that is possible, in another way with each ``turn``."""
    values = model.variables
    registers = {name: values[name] for name in CELLS if name in values and name not in FLAG_OFFSETS}
    registers.setdefault("rsp", _RSP)
    registers["eflags"] = sum(
        (values.get(name, 0) & 1) << bit for name, bit in FLAG_BITS.items() if name != "df"
    )
    registers["mxcsr"] = DEFAULT_MXCSR
    # A model may name addresses that are read on other paths only, where nothing can be mapped.
    octets = {**later_memory(model), **model.memories.get(_MEMORY, {})}
    octets = {a: v for a, v in octets.items() if _LOWEST <= a < _HIGHEST}
    returned = returned_words(pair, model, turn)
    named = {name.removeprefix(_OBJECT): value for name, value in values.items() if name.startswith(_OBJECT)}
    # Locals lie in the frame, wherever each side has them.
    places = {name: value for name, value in named.items() if not name.endswith(_IN_FRAME)}
    rsp = registers["rsp"]
    # What is below the stack pointer is nobody's, whatever locals hold there that are looked at as memory.
    octets = {a: v for a, v in octets.items() if not rsp - DEEPEST_STACK <= a < rsp}
    for offset in range(8, 8 + pair.specification.stack_bytes, 8):
        word = values.get(f"{_STACK}{offset}", 0)
        octets.update({rsp + offset + k: word >> 8 * k & 0xFF for k in range(8)})
    octets.update({rsp + k: 0 for k in range(8)})
    said = frozenset(octets), frozenset(name for name in registers if name in values)
    octets.update(returned)
    _complete_objects(pair, octets, places)
    if honoured:
        return ModelInput(GivenInput.of_model(registers, octets, places), *said)
    found = GivenInput.of_model(registers, _apart(pair, octets, places))
    return ModelInput(replace(found, places={}), *said)


def _complete_objects(pair: Pair, octets: dict[int, int], places: Mapping[str, int]) -> None:
    """Variables are there as a whole: bytes that the model does not say are 0. Constants are not part of an input."""
    for side in (pair.original, pair.rewrite):
        for thing in objects_of(side):
            start = places.get(thing.name)
            if start is None or thing.size > 1 << 20:
                continue
            # Of what another file defines without a size it is not known where it ends.
            size = _UNKNOWN if _is_endless(thing) else thing.size
            for address in range(start, start + size):
                if thing.data is None:
                    octets.setdefault(address, 0)
                else:
                    octets.pop(address, None)


def _apart(pair: Pair, octets: Mapping[int, int], places: Mapping[str, int]) -> dict[int, int]:
    """Memory without that of the objects."""
    sizes = {thing.name: thing.size for side in (pair.original, pair.rewrite) for thing in objects_of(side)}
    spans = [(start, start + sizes.get(name, 1)) for name, start in places.items()]
    return {a: v for a, v in octets.items() if not any(start <= a < end for start, end in spans)}
