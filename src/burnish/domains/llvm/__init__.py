"""p-code as LLVM IR: the meaning that recompilation uses."""

from burnish.domains.llvm.domain import IMAGE, Hooks, LlvmDomain
from burnish.domains.llvm.values import FRAME, SEGMENT, Builder, Value, int_type, size_of

__all__ = ["FRAME", "IMAGE", "SEGMENT", "Builder", "Hooks", "LlvmDomain", "Value", "int_type", "size_of"]
