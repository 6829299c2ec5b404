"""Recompilation: a lifted function becomes LLVM IR in the native calling convention, and object code again.

The stages stand in ``rebuild``; each has its module.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

from burnish.core.code import Function, Reason, Refused
from burnish.core.deployment import ObjectCode
from burnish.core.image import FunctionBounds, Image
from burnish.recompile.bits import RETURN_VALUES, cells_in, low_bytes
from burnish.recompile.codegen import Compiled, Target, compile_module
from burnish.recompile.emit import emit, symbol_of
from burnish.recompile.inline import callees_to_copy
from burnish.recompile.plan import Summaries
from burnish.recompile.preserve import registers_written
from burnish.recompile.probes import Probes


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A function built again. ``llvm_ir`` is what was emitted, ``optimised_ir`` what LLVM made of it;
    ``seconds`` gives the time of each stage."""

    bounds: FunctionBounds
    function: Function
    target: Target
    llvm_ir: str = field(repr=False)
    compiled: Compiled = field(repr=False)
    seconds: dict[str, float]
    returns: tuple[tuple[str, int], ...] = ()
    """Registers, and how many of their low bytes, in which the function surely leaves a value of its own making."""
    stack_bytes: int = 0
    """Extent of its stack arguments."""
    copies: tuple[int, ...] = ()
    """Image addresses of the functions that were copied into it."""

    @property
    def symbol(self) -> str:
        return symbol_of(self.bounds.address)

    @property
    def optimised_ir(self) -> str:
        return self.compiled.optimised_ir

    @property
    def object_code(self) -> ObjectCode:
        """What the linker takes."""
        return ObjectCode(self.compiled.object_file, self.symbol, self.bounds.address)


def rebuild(
    image: Image,
    bounds: FunctionBounds,
    target: Target | None = None,
    summaries: Summaries | None = None,
    preserve: int = 0,
    probes: Probes | None = None,
) -> Rebuilt | Refused:
    """Recompile one function for a CPU, with ``probes`` where it is to be recorded. ``summaries`` carries what is known
    of the image's functions from one call to the next; ``preserve`` are caller-saved register bytes that it must not
    change (``callers``)."""
    target = target or Target()
    summaries = summaries or Summaries(image)
    seconds: dict[str, float] = {}
    started = perf_counter()

    def done(stage: str) -> None:
        nonlocal started
        now = perf_counter()
        seconds[stage], started = now - started, now

    plan = summaries.plan(bounds)
    done("lift and analyse")
    if isinstance(plan, Refused):
        return plan
    try:
        copied = callees_to_copy(plan, summaries) if target.inline else ()
        ir = emit(plan, inline=copied, probes=probes)
        done("emit")
        compiled = compile_module(ir, target)
        if preserve and not _leaves_alone(compiled, preserve):
            if plan.layout.stack_bytes:
                detail = "a caller keeps registers across the call, and it takes stack arguments"
                return Refused(Reason.CONVENTION, bounds.address, detail)
            ir = emit(plan, preserve, copied, probes)
            compiled = compile_module(ir, target)
        done("compile")
    except (KeyError, RuntimeError) as error:
        return Refused(Reason.CODE_GENERATION, bounds.address, str(error).splitlines()[0][:200])
    returns = tuple((cell.name, low_bytes(part)) for cell, part in cells_in(plan.results & RETURN_VALUES))
    copies = tuple(copy.function.address for copy in copied)
    stack_bytes = plan.layout.stack_bytes
    return Rebuilt(bounds, plan.function, target, ir, compiled, seconds, returns, stack_bytes, copies)


def _leaves_alone(compiled: Compiled, preserve: int) -> bool:
    """True where the code as LLVM made it does not touch what must be preserved: then it needs no stub."""
    written = registers_written(compiled.object_file)
    return written is not None and not written & preserve


__all__ = ["Rebuilt", "Summaries", "Target", "rebuild", "symbol_of"]
