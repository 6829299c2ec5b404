"""The stack at a function's entry is not always aligned as the ABI asks for.

gcc (``-fipa-stack-alignment``, part of ``-O2``) does not align it for a callee of which it sees that it needs no
alignment. Rebuilt code may need it, for vector registers that LLVM puts on the stack: then it must align the stack by
itself.
"""

from __future__ import annotations

from typing import Any

from burnish.images.elf_layout import SHF_EXECINSTR
from burnish.images.relocatable import read_object

_ATTRIBUTES = "attributes #0 = {"
_WIDE = 16


def needs_alignment(object_file: bytes) -> bool:
    """Whether code may access 16 bytes or more of its frame at once, which must be aligned then."""
    import capstone
    from capstone import x86

    engine: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    frame = (x86.X86_REG_RSP, x86.X86_REG_RBP)
    for section in read_object(object_file).sections:
        if not section.flags & SHF_EXECINSTR:
            continue
        for instruction in engine.disasm(section.data, 0):
            for operand in instruction.operands:
                if operand.type == x86.X86_OP_MEM and operand.size >= _WIDE and operand.mem.base in frame:
                    return True
    return False


def realigned(module: str) -> str:
    """The module with functions that align their stack."""
    return module.replace(_ATTRIBUTES, f'{_ATTRIBUTES} "stackrealign"')
