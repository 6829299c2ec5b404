"""Places in the frame that are followed like registers though their address is taken: what reaches them by it.

A recording has no accesses to places at a fixed distance from the stack pointer. So a store through a pointer that may
be to one, and a call that is given its address, must count as writing it, and a load through a pointer as reading what
was written there directly; what goes through pointers on both sides recordings have. Only the very place whose address
is taken is meant: where an object ends that begins there is not known, and its other elements are nearly always
accessed by index, which recordings have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from burnish.analyze.values import Kind, Node
from burnish.core.code import Label

Access = tuple[Label, int]
"""A block, and the how-manieth of its accesses and calls."""


@dataclass(frozen=True, slots=True)
class FrameUses:
    """``touched`` are the distances of places that an access or call may be to, ``stored`` those whose address is in
    memory, where any call finds it; ``sizes`` are the places' in bytes."""

    touched: Mapping[Access, frozenset[int]] = field(default_factory=dict[Access, "frozenset[int]"])
    stored: frozenset[int] = frozenset()
    sizes: Mapping[int, int] = field(default_factory=dict[int, int])

    def of(self, access: Access, *, call: bool) -> list[tuple[int, int]]:
        """``(distance, size)`` of the places that an access or call may be to."""
        found = self.touched.get(access, frozenset[int]()) | (self.stored if call else frozenset[int]())
        return [(distance, self.sizes[distance]) for distance in sorted(found) if distance in self.sizes]


def frame_uses(marked: Mapping[Access, Node], sizes: Mapping[int, int]) -> FrameUses:
    """What accesses and calls may touch, given their nodes and the places that are accessed as such."""
    touched: dict[Access, frozenset[int]] = {}
    stored: frozenset[int] = frozenset()
    for access, node in marked.items():
        given = node.arguments if node.kind is Kind.CALL else node.arguments[:1]
        bases = frozenset[int]().union(*map(_bases, given)) & sizes.keys()
        if bases:
            touched[access] = bases
        if node.kind is Kind.STORE:
            stored |= _bases(node.arguments[1]) & sizes.keys()
    return FrameUses(touched, stored, dict(sizes) if touched or stored else {})


def _bases(node: Node) -> frozenset[int]:
    """Distances of the places in the frame whose address a value may be computed from."""
    found: set[int] = set()
    work, seen = [node], {node}
    while work:
        node = work.pop()
        if node.kind is Kind.FRAME:
            found.add(node.value)
        for argument in node.arguments if node.kind in (Kind.PHI, Kind.OPERATION) else ():
            if argument.size == 8 and argument not in seen:
                seen.add(argument)
                work.append(argument)
    return frozenset(found)
