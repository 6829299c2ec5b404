"""Which objects in a frame have to be looked at as the same of both sides, where addresses of them are given away."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from burnish.verify.engine.addresses import LOCAL_BASES
from burnish.verify.engine.escape import CALLERS
from burnish.verify.pair import Local, Pair, Shared, SharedLocal

_OTHERWISE = "its locals lie otherwise in the other's frame"
_UNKNOWN = "an address in its frame is passed to a function, and the file does not say what is there"
_ANOTHER = "an address in its frame is passed to a function where the other passes another"


def sharing(
    pair: Pair, escapes: Sequence[tuple[int | None, int | None]], locals_: Sequence[Local] | None
) -> Shared | str:
    """What has to be shared as well where addresses are given away, as an ``EscapeError`` has them; ``locals_`` are
    those of the original as it was executed (``engine.stacked``), None where they are not known. Any answer is sound,
    for whatever is shared is compared; a phrase where there is none."""
    found = pair.shared
    for mine, theirs in escapes:
        if mine is None or theirs is None:
            return _ANOTHER
        one = _one(pair, mine, theirs, locals_)
        if one is None:
            return _UNKNOWN
        if one in found:
            continue
        # What was shared may turn out to be part of more.
        found = tuple(was for was in found if not _is_part(was, one))
        if one != CALLERS and not _fits(one, found, locals_ or ()):
            return _OTHERWISE
        if len(found) == len(LOCAL_BASES):
            return "more locals are passed by address than are told apart"
        found = (*found, one)
    return _OTHERWISE if found == pair.shared else found


def common(pair: Pair, locals_: Sequence[Local] | None) -> str:
    """Why what a pair shares is none of the objects of the original, as a phrase; empty where it is."""
    for one in pair.shared:
        others = tuple(other for other in pair.shared if other is not one)
        if len(others) + 1 != len(pair.shared):
            return "what is shared is shared twice"
        rest = Pair(pair.original, pair.rewrite, pair.specification, others)
        more = sharing(rest, [(one.original, one.rewrite)], locals_)
        if isinstance(more, str):
            return more
        if more[-1] != one:
            return "what is shared is no local of the original"
    return ""


def granted(pair: Pair, locals_: Sequence[Local] | None) -> tuple[str, ...]:
    """Phrases on what a proof takes for granted of what a pair shares."""
    pairs = combinations(pair.shared, 2)
    if all(_together(one, other, locals_ or ()) for one, other in pairs):
        return ()
    return ("nothing takes the end of a local for the beginning of the next one",)


def _one(pair: Pair, mine: int, theirs: int, locals_: Sequence[Local] | None) -> SharedLocal | None:
    """What lies at one place of the original, and at the other of the rewrite."""
    if mine == theirs >= CALLERS.original and not pair.specification.stack_bytes:
        return CALLERS
    local = None if locals_ is None else _whole(mine, locals_)
    return None if local is None else SharedLocal(local.offset, theirs - mine + local.offset, local.size)


def _is_part(one: SharedLocal, other: SharedLocal) -> bool:
    moved = one.rewrite - one.original == other.rewrite - other.original
    return moved and other.original <= one.original and one.original + one.size <= other.original + other.size


def _fits(one: SharedLocal, found: Shared, locals_: Sequence[Local]) -> bool:
    """True where both frames have room for one more."""
    apart = all(
        one.original + one.size <= was.original or was.original + was.size <= one.original for was in found
    ) and all(one.rewrite + one.size <= was.rewrite or was.rewrite + was.size <= one.rewrite for was in found)
    alignment = max((each.alignment for each in locals_ if _meets(each, one)), default=1)
    aligned = (one.rewrite - one.original) % min(alignment, 16) == 0 and alignment <= 16
    inside = max(one.original, one.rewrite) + one.size <= 0
    return apart and aligned and inside


def _meets(local: Local, one: SharedLocal) -> bool:
    return local.offset < one.original + one.size and one.original < local.end


def _together(one: SharedLocal, other: SharedLocal, locals_: Sequence[Local]) -> bool:
    """False where what seems to be the address of one may be the end of the other on one side, and is not on the
    other."""
    if one.rewrite - one.original == other.rewrite - other.original:
        return True
    return not any(_ends_at(first, second, locals_) for first, second in ((one, other), (other, one)))


def _ends_at(one: SharedLocal, other: SharedLocal, locals_: Sequence[Local]) -> bool:
    """True where a variable in the one ends where the other begins, on either side."""
    inside = [local for local in locals_ if one.original <= local.offset < one.original + one.size]
    ends = {one.size, *(local.offset - one.original + local.named for local in inside)}
    return other.original - one.original in ends or other.rewrite - one.rewrite in ends


def _whole(offset: int, locals_: Sequence[Local]) -> Local | None:
    """The local at an offset, with all that it shares bytes with."""
    found = next((one for one in locals_ if one.offset <= offset < one.end), None)
    if found is None:
        return None
    touching = [found]
    for _ in locals_:
        start, end = min(one.offset for one in touching), max(one.end for one in touching)
        touching = [one for one in locals_ if one.offset < end and start < one.end]
    start, end = min(one.offset for one in touching), max(one.end for one in touching)
    return Local(start, end - start, max(one.alignment for one in touching))
