"""Assembles standard input, in a process of its own: LLVM ends the process at the first error in module assembly.

Run as a file, so that nothing of the house is imported. Writes the relocatable object to standard output, and what
is wrong to standard error, as ``error: <inline asm>:LINE:COLUMN: message``.
"""

# pyright: reportUnknownMemberType=false
from __future__ import annotations

import re
import sys

_TRIPLE = "x86_64-unknown-linux-gnu"
_CPU = "sapphirerapids"
"""Only says which instructions exist; what is not lifted is refused later, with its reason."""

_OTHERS = re.compile(r"[^ -~]")


def quoted(text: bytes) -> str:
    """A string of LLVM's assembly language."""
    plain = text.decode("latin-1").replace("\\", r"\5C").replace('"', r"\22").replace("\n", r"\0A")
    return _OTHERS.sub(lambda found: f"\\{ord(found[0]):02X}", plain)


def main() -> None:
    """Text in, object out."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    # In one piece: of several, LLVM drops the empty ones, and its line numbers would be wrong.
    body = quoted(sys.stdin.buffer.read())
    module = llvm.parse_assembly(f'target triple = "{_TRIPLE}"\nmodule asm "{body}"\n')
    machine = llvm.Target.from_triple(_TRIPLE).create_target_machine(cpu=_CPU, reloc="pic", codemodel="small")
    sys.stdout.buffer.write(machine.emit_object(module))


if __name__ == "__main__":
    main()
