"""LLVM's own pipeline: IR text to object code for a CPU, through llvmlite."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from burnish.core.errors import HostError
from burnish.recompile.alignment import needs_alignment, realigned

TRIPLE = "x86_64-unknown-linux-gnu"
_SLOW_GATHERS = "+prefer-no-gather,+prefer-no-scatter"
"""Gathers lose to plain loads on AMD's cores, and on Intel's since the microcode that closes Downfall; LLVM's cost
model believes in them (a table-driven CRC became 2.6 times slower with them)."""
_NO_HOISTING = "-disable-constant-hoisting"
"""Constants of 32-bit arithmetic in 64-bit registers (4294967288 for -8, which the zero extension cuts) look expensive
to LLVM's pass, which would keep each in a register, and offsets between them in additions of their own."""


@dataclass(frozen=True, slots=True)
class Target:
    """The CPU to build for. ``cpu`` is ``native``, ``x86-64`` or any name that LLVM knows (``znver4``,
    ``skylake`` …); ``speed`` is the optimisation level, 0 to 3; ``vectorize`` allows LLVM to make vectors of
    scalar code, ``inline`` to put small called functions in line."""

    cpu: str = "native"
    speed: int = 3
    vectorize: bool = True
    inline: bool = False

    def resolved(self) -> tuple[str, str]:
        """``(cpu name, feature string)`` as LLVM takes them. Raises ``HostError`` for an unknown name."""
        llvm = _llvm()
        if self.cpu == "native":
            features = llvm.get_host_cpu_features().flatten()
            return llvm.get_host_cpu_name(), f"{features},{_SLOW_GATHERS}"
        if self.cpu not in known_cpus():
            raise HostError(f"no CPU named {self.cpu!r} is known; try native, x86-64-v3 or znver4")
        return self.cpu, ""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What LLVM made of a module: the IR after optimisation and the relocatable object (ELF)."""

    optimised_ir: str
    object_file: bytes


@cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    llvm.set_option("", _NO_HOISTING)  # pyright: ignore[reportUnknownMemberType]
    return llvm


@cache
def known_cpus() -> frozenset[str]:
    """x86-64 CPU names of LLVM that have 64-bit mode (a choice; LLVM offers no list through llvmlite)."""
    names = (
        "x86-64 x86-64-v2 x86-64-v3 x86-64-v4 nehalem westmere sandybridge ivybridge haswell broadwell skylake "
        "skylake-avx512 cascadelake cooperlake cannonlake icelake-client icelake-server tigerlake alderlake "
        "raptorlake meteorlake sapphirerapids emeraldrapids graniterapids arrowlake lunarlake silvermont goldmont "
        "tremont gracemont sierraforest k8 k8-sse3 amdfam10 btver1 btver2 bdver1 bdver2 bdver3 bdver4 znver1 "
        "znver2 znver3 znver4 znver5 core2 penryn bonnell knl knm"
    )
    return frozenset(names.split())


@cache
def _machine(target: Target) -> Any:
    cpu, features = target.resolved()
    return (
        _llvm()
        .Target.from_triple(TRIPLE)
        .create_target_machine(cpu=cpu, features=features, opt=target.speed, reloc="pic", codemodel="small")
    )


def compile_module(ir: str, target: Target) -> Compiled:
    """Optimise and generate code for a module given as text.

    Raises ``RuntimeError`` with LLVM's message when the module is malformed: that is always a bug of ours.
    """
    compiled = _compile(ir, target)
    return (
        _compile(realigned(ir), target)
        if needs_alignment(compiled.optimised_ir, compiled.object_file)
        else compiled
    )


def _compile(ir: str, target: Target) -> Compiled:
    llvm = _llvm()
    machine = _machine(target)
    header = f'target triple = "{TRIPLE}"\ntarget datalayout = "{machine.target_data}"\n'
    module = llvm.parse_assembly(header + ir)
    options = llvm.create_pipeline_tuning_options(speed_level=target.speed)
    options.loop_vectorization = options.slp_vectorization = target.vectorize
    options.loop_interleaving = target.vectorize
    options.loop_unrolling = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return Compiled(str(module), bytes(machine.emit_object(module)))


def disassembly(compiled: Compiled, target: Target, syntax: str = "att") -> str:
    """The assembly text of an optimised module, in ``att`` or ``intel`` syntax."""
    llvm = _llvm()
    module = llvm.parse_assembly(compiled.optimised_ir)
    text = str(_machine(target).emit_assembly(module))
    if syntax == "att":
        return text
    raise ValueError("Intel syntax is made by disassembling the object")
