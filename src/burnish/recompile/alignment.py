"""The stack at a function's entry is not always aligned as the ABI asks for.

gcc (``-fipa-stack-alignment``, part of ``-O2``) does not align it for a callee of which it sees that it needs no
alignment. Rebuilt code may need it, for vector registers that LLVM puts on the stack: then it must align the stack by
itself.
"""

from __future__ import annotations

import re
from typing import Any

from burnish.images.elf_layout import SHF_EXECINSTR
from burnish.images.relocatable import read_object

_ATTRIBUTES = "attributes #0 = {"
_WIDE = 16
_ALIGNED_SLOT = re.compile(r" = alloca .*align (?:16|32|64|128)\b")
_ANYWHERE = re.compile(r"v?(?:movup[sd]|movdqu\w*|lddqu)")
"""Instructions that access memory of any alignment."""


def needs_alignment(optimised_ir: str, object_file: bytes) -> bool:
    """Whether code relies on the alignment of its frame: LLVM has chosen to align a part of it, or accesses 16 bytes or
    more of it at once. What is not in the frame it takes to be unaligned, so every other access that must be aligned,
    but for those to constants, is one to the frame."""
    import capstone
    from capstone import x86

    if _ALIGNED_SLOT.search(optimised_ir):
        return True
    engine: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    engine.skipdata = True
    for section in read_object(object_file).sections:
        if not section.flags & SHF_EXECINSTR:
            continue
        for instruction in engine.disasm(section.data, 0):
            if instruction.id == 0 or _ANYWHERE.fullmatch(instruction.mnemonic):
                continue
            for operand in instruction.operands:
                wide = operand.type == x86.X86_OP_MEM and operand.size >= _WIDE
                if wide and operand.mem.base != x86.X86_REG_RIP:
                    return True
    return False


def realigned(module: str) -> str:
    """The module with functions that align their stack."""
    return module.replace(_ATTRIBUTES, f'{_ATTRIBUTES} "stackrealign"')
