"""Whether two functions of different files are one: the same instructions, apart from where things lie."""

from __future__ import annotations

from burnish.core.image import FunctionBounds, ImageKind
from burnish.machine.encoding import decode
from burnish.verify.subject.places import CodeAddress, Finder, Imported, InRegion, Target

_LIMIT = 1 << 16
"""Bytes of code, with all that it calls, beyond which two functions count as different."""


class SameCode:
    """Answers for the functions of two files; what is in doubt is different."""

    def __init__(self, first: Finder, second: Finder, same_file: bool) -> None:
        self._first = first
        self._second = second
        self._same_file = same_file
        self._known: dict[tuple[int, int], bool] = {}
        self._read = 0

    def functions(self, first: int, second: int) -> bool:
        """True if the functions at two image addresses, and all that they call, have the same code and data."""
        if self._same_file:
            return first == second
        if ImageKind.EXECUTABLE in (self._first.image.kind, self._second.image.kind):
            return False
        self._read = 0
        assumed: set[tuple[int, int]] = set()
        key = (first, second)
        if key not in self._known:
            # What was assumed on the way holds if all of it does, and else only this question is answered.
            self._known[key] = self._same(first, second, assumed)
        return self._known[key]

    def _same(self, first: int, second: int, assumed: set[tuple[int, int]]) -> bool:
        if (first, second) in assumed:
            return True
        assumed.add((first, second))
        one, other = self._first.image.bounds_at(first), self._second.image.bounds_at(second)
        if one is None or other is None or (one.address, other.address) != (first, second):
            return False
        mine = self._first.image.read(one.address, one.size)
        theirs = self._second.image.read(other.address, other.size)
        if mine is None or theirs is None or len(mine) != len(theirs):
            return False
        self._read += len(mine)
        return self._read <= _LIMIT and self._instructions(one, mine, other, theirs, assumed)

    def _instructions(
        self,
        one: FunctionBounds,
        mine: bytes,
        other: FunctionBounds,
        theirs: bytes,
        assumed: set[tuple[int, int]],
    ) -> bool:
        offset = 0
        while offset < len(mine):
            a, b = decode(mine, offset), decode(theirs, offset)
            if a is None or b is None or a.size != b.size or a.moves_at != b.moves_at:
                return False
            end = offset + a.size
            if a.moves_size:
                at, after = offset + a.moves_at, offset + a.moves_at + a.moves_size
                if mine[offset:at] != theirs[offset:at] or mine[after:end] != theirs[after:end]:
                    return False
                distances = (a.immediate, b.immediate) if a.modrm < 0 else (a.displacement, b.displacement)
                goals = one.address + end + distances[0], other.address + end + distances[1]
                if not self._same_goal(one, goals[0], other, goals[1], a.modrm < 0, assumed):
                    return False
            elif mine[offset:end] != theirs[offset:end]:
                return False
            if self._is_relocated(one.address + offset, one.address + end, a.moves_size > 0):
                return False
            offset = end
        return True

    def _is_relocated(self, start: int, end: int, moves: bool) -> bool:
        """True for a relocation of anything but the one field that moves."""
        if self._first.data.relocated_in(start, end):
            return True
        found = [
            r for place in range(start, end) if (r := self._first.data.references.get(place)) is not None
        ]
        return len(found) > moves or any(not reference.relative for reference in found)

    def _same_goal(
        self,
        one: FunctionBounds,
        mine: int,
        other: FunctionBounds,
        theirs: int,
        jumps: bool,
        assumed: set[tuple[int, int]],
    ) -> bool:
        if one.address <= mine < one.end or other.address <= theirs < other.end:
            return mine - one.address == theirs - other.address
        if jumps:
            return self._same_code(mine, theirs, assumed)
        a, b = self._first.pointee(mine), self._second.pointee(theirs)
        if a is not None or b is not None:
            return self._same_target(a, b, assumed)
        return self._same_target(self._first.target(mine), self._second.target(theirs), assumed)

    def _same_code(self, mine: int, theirs: int, assumed: set[tuple[int, int]]) -> bool:
        a, b = self._first.image.plt.get(mine), self._second.image.plt.get(theirs)
        if a is not None and b is not None:
            own = self._first.defined(a.name), self._second.defined(b.name)
            return a.name == b.name and (own == (None, None) or self._same_target(*own, assumed))
        if a is not None or b is not None:
            return False
        one, other = self._first.image.bounds_at(mine), self._second.image.bounds_at(theirs)
        if one is None or other is None or mine - one.address != theirs - other.address:
            return False
        return self._same(one.address, other.address, assumed)

    def _same_target(self, a: Target | None, b: Target | None, assumed: set[tuple[int, int]]) -> bool:
        match a, b:
            case Imported(), Imported():
                return a == b
            case CodeAddress(mine), CodeAddress(theirs):
                return self._same_code(mine, theirs, assumed)
            case InRegion(one, mine), InRegion(other, theirs):
                if mine != theirs or one.size != other.size or one.constant != other.constant:
                    return False
                if one.digest is None or one.digest != other.digest or one.functions or other.functions:
                    return False
                return one.labels == other.labels and (one.constant or bool(one.labels))
            case _:
                return False
