"""Which called functions are copied into a rebuilt function's module, for LLVM to put in line where it pays."""

from __future__ import annotations

from burnish.core.code import Refused, TailCall
from burnish.core.pcode import OpCode, Space
from burnish.recompile.plan import Summaries
from burnish.recompile.planned import Plan

_MOST_OPERATIONS = 600
"""The largest function that is copied, in p-code operations that matter: about 150 instructions."""
_MOST_IN_ALL = 2000
_DEPTH = 2


def callees_to_copy(plan: Plan, summaries: Summaries) -> tuple[Plan, ...]:
    """Small functions of the same image that ``plan`` calls directly, and that they call, nearest first. Functions
    that another object may override, that take stack arguments or that end in tail calls are left out."""
    found: dict[int, Plan] = {}
    level = [plan]
    total = 0
    for _ in range(_DEPTH):
        following: list[Plan] = []
        for caller in level:
            for address in _called(caller):
                if address in found or address == plan.function.address:
                    continue
                callee = _copiable(address, summaries)
                if callee is None:
                    continue
                total += _size(callee)
                if total > _MOST_IN_ALL:
                    return tuple(found.values())
                found[address] = callee
                following.append(callee)
        level = following
    return tuple(found.values())


def _called(plan: Plan) -> list[int]:
    return [
        operation.inputs[0].offset
        for block in plan.function.blocks
        for operation in plan.operations[block.label]
        if operation.opcode is OpCode.CALL and operation.inputs[0].space is Space.RAM
    ]


def _size(plan: Plan) -> int:
    return sum(map(len, plan.operations.values()))


def _copiable(address: int, summaries: Summaries) -> Plan | None:
    image = summaries.image
    bounds = image.bounds_at(address)
    if bounds is None or bounds.address != address or (bounds.exported and image.kind.is_interposable):
        return None
    plan = summaries.plan(bounds)
    if isinstance(plan, Refused) or plan.layout.stack_bytes or _size(plan) > _MOST_OPERATIONS:
        return None
    if any(isinstance(block.terminator, TailCall) for block in plan.function.blocks):
        return None
    return plan
