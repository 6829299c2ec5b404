"""``retune``: the function as it is, rebuilt for this CPU."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from burnish.core.candidate import Candidate
from burnish.core.code import Refused
from burnish.core.image import FunctionBounds, Image
from burnish.recompile import Rebuilt, Summaries, Target, rebuild


@dataclass(frozen=True, slots=True)
class RetuneStrategy:
    """Rebuild a function with LLVM's full pipeline for a CPU.

    Distributions compile for every x86-64 machine there is; this one has wider vectors, BMI, and another
    schedule. Several variants are proposed, since no cost model knows which is fastest: measurement chooses.
    """

    name: ClassVar[str] = "retune"

    cpu: str = "native"
    """``native`` or a CPU name that LLVM knows."""
    variants: bool = True
    """Propose variants without vectorisation, and with small callees in line, as well."""

    def propose(
        self, image: Image, bounds: FunctionBounds, summaries: Summaries, preserve: int = 0
    ) -> tuple[Candidate, ...] | Refused:
        """Candidates for one function, the most ambitious first, or why there is none. ``preserve`` are the
        registers that its callers keep across calls of it (``recompile.callers``)."""
        full = Target(self.cpu)
        targets = [("vectors", full)]
        if self.variants:
            targets.append(("scalar", replace(full, vectorize=False)))
            targets.append(("inlined", replace(full, vectorize=False, inline=True)))
        candidates: list[Candidate] = []
        for variant, target in targets:
            rebuilt = rebuild(image, bounds, target, summaries, preserve)
            if isinstance(rebuilt, Refused):
                return rebuilt
            code = rebuilt.object_code
            if any(code.data == made.code.data for made in candidates):
                continue
            reason = f"rebuilt for {target.resolved()[0]}"
            candidates.append(_candidate(image, rebuilt, self.name, variant, reason))
        return tuple(candidates)


def _candidate(image: Image, rebuilt: Rebuilt, strategy: str, variant: str, reason: str) -> Candidate:
    return Candidate(
        image=image.path,
        bounds=rebuilt.bounds,
        code=rebuilt.object_code,
        strategy=strategy,
        variant=variant,
        reason=reason,
        returns=rebuilt.returns,
        stack_bytes=rebuilt.stack_bytes,
        copies=rebuilt.copies,
    )
