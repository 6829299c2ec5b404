"""Where indirect jumps lead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from burnish.core.code import Block, Reason, Refused, Switch, TailCall
from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import Varnode


def resolve(
    image: Image,
    bounds: FunctionBounds,
    blocks: Sequence[Block],
    jumps: Mapping[int, Varnode],
    holds: Callable[[int], bool],
) -> dict[int, Switch | TailCall | Refused]:
    return {address: Refused(Reason.UNRESOLVED_JUMP, address) for address in jumps}
