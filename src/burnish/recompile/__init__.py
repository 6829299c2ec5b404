"""Recompilation: a lifted function becomes LLVM IR in the native calling convention, and object code again.

The stages stand in ``draft`` and ``rebuild``; each has its module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

from burnish.core.code import Function, Reason, Refused
from burnish.core.deployment import ObjectCode
from burnish.core.image import FunctionBounds, Image
from burnish.recompile.bits import RETURN_VALUES, cells_in, low_bytes
from burnish.recompile.codegen import Compiled, Target, compile_module
from burnish.recompile.emit import emit, symbol_of
from burnish.recompile.inline import callees_to_copy
from burnish.recompile.plan import Summaries
from burnish.recompile.planned import Plan
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


@dataclass(frozen=True, slots=True)
class Draft:
    """A function as LLVM IR that waits to be compiled: for that neither the image nor the plan is needed, so another
    process can do it."""

    bounds: FunctionBounds
    target: Target
    plan: Plan = field(repr=False)
    copied: tuple[Plan, ...] = field(repr=False)
    """Plans of the functions of which the module has copies."""
    probes: Probes | None = field(repr=False)
    llvm_ir: str = field(repr=False)
    seconds: dict[str, float]

    def preserving(self, preserve: int) -> Draft | Refused:
        """The same function, leaving the register bytes ``preserve`` as they are."""
        if self.plan.layout.stack_bytes:
            detail = "a caller keeps registers across the call, and it takes stack arguments"
            return Refused(Reason.CONVENTION, self.bounds.address, detail)
        started = perf_counter()
        ir = _emitted(self.plan, preserve, self.copied, self.probes)
        if isinstance(ir, Refused):
            return ir
        seconds = {**self.seconds, "emit": self.seconds["emit"] + perf_counter() - started}
        return replace(self, llvm_ir=ir, seconds=seconds)

    def built(self, compiled: Compiled, compile_s: float) -> Rebuilt:
        """The function, from what LLVM made of ``llvm_ir`` in ``compile_s`` seconds."""
        plan = self.plan
        returns = ((cell.name, low_bytes(part)) for cell, part in cells_in(plan.results & RETURN_VALUES))
        return Rebuilt(
            self.bounds,
            plan.function,
            self.target,
            self.llvm_ir,
            compiled,
            {**self.seconds, "compile": compile_s},
            tuple(returns),
            plan.layout.stack_bytes,
            tuple(copy.function.address for copy in self.copied),
        )


def rebuild(
    image: Image,
    bounds: FunctionBounds,
    target: Target | None = None,
    summaries: Summaries | None = None,
    preserve: int = 0,
) -> Rebuilt | Refused:
    """Recompile one function for a CPU. ``summaries`` carries what is known of the image's functions from one call to
    the next; ``preserve`` are caller-saved register bytes that it must not change (``callers``)."""
    summaries = summaries or Summaries(image)
    made = draft(bounds, target or Target(), summaries)
    if isinstance(made, Refused):
        return made
    started = perf_counter()
    compiled = compile_draft(made.llvm_ir, made.target, bounds.address)
    if preserve and not isinstance(compiled, Refused) and not leaves_alone(compiled, preserve):
        made = made.preserving(preserve)
        if isinstance(made, Refused):
            return made
        compiled = compile_draft(made.llvm_ir, made.target, bounds.address)
    if isinstance(compiled, Refused):
        return compiled
    return made.built(compiled, perf_counter() - started)


def draft(
    bounds: FunctionBounds,
    target: Target,
    summaries: Summaries,
    probe: Callable[[Plan], Probes | None] = lambda plan: None,
) -> Draft | Refused:
    """Plan a function of the image of ``summaries``, and write it as LLVM IR. ``probe`` says what it shall write down
    while it runs."""
    started = perf_counter()
    plan = summaries.plan(bounds)
    planned = perf_counter()
    if isinstance(plan, Refused):
        return plan
    probes = probe(plan)
    copied = callees_to_copy(plan, summaries) if target.inline else ()
    ir = _emitted(plan, 0, copied, probes)
    if isinstance(ir, Refused):
        return ir
    seconds = {"lift and analyse": planned - started, "emit": perf_counter() - planned}
    return Draft(bounds, target, plan, copied, probes, ir, seconds)


def _emitted(plan: Plan, preserve: int, copied: Sequence[Plan], probes: Probes | None) -> str | Refused:
    try:
        return emit(plan, preserve, copied, probes)
    except RecursionError:
        return Refused(Reason.CODE_GENERATION, plan.function.address, "nested too deeply")
    except (KeyError, RuntimeError) as error:
        return _failed(error, plan.function.address)


def compile_draft(llvm_ir: str, target: Target, address: int) -> Compiled | Refused:
    """What LLVM makes of the function at ``address``."""
    try:
        return compile_module(llvm_ir, target)
    except RuntimeError as error:
        return _failed(error, address)


def _failed(error: Exception, address: int) -> Refused:
    return Refused(Reason.CODE_GENERATION, address, str(error).splitlines()[0][:200])


def leaves_alone(compiled: Compiled, preserve: int) -> bool:
    """True where the code as LLVM made it does not touch what must be preserved: then it needs no stub."""
    written = registers_written(compiled.object_file)
    return written is not None and not written & preserve


__all__ = [
    "Draft",
    "Rebuilt",
    "Summaries",
    "Target",
    "compile_draft",
    "draft",
    "leaves_alone",
    "rebuild",
    "symbol_of",
]
