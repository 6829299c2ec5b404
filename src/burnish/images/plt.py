"""PLT stubs, by decoding the jump through a GOT slot that each of them consists of.

Layouts: System V ABI, AMD64 supplement, section 5.2; with ``endbr64`` and ``bnd`` as GNU ld and lld write them.
"""

from __future__ import annotations

import re
import struct

from burnish.core.image import Image, Import

# [endbr64] [bnd] jmp *disp32(%rip)
_STUB = re.compile(rb"(?:\xf3\x0f\x1e\xfa)?\xf2?\xff\x25(....)", re.DOTALL)
_ALIGNMENT = 8


def plt_stubs(image: Image) -> dict[int, Import]:
    """The address of each stub in ``.plt``, ``.plt.sec`` and ``.plt.got``, and the import that it jumps to.

    Where the section table was stripped all code is searched: a jump through the slot of an import is then a
    stub wherever it stands.
    """
    found: dict[int, Import] = {}
    named = [(s.address, s.size) for s in image.sections if s.name.startswith(".plt")]
    if not image.sections:
        named = [(s.address, len(s.data)) for s in image.segments if image.is_code(s.address)]
    for start, size in named:
        content = image.read(start, size) or b""
        for match in _STUB.finditer(content):
            address = start + match.start()
            (distance,) = struct.unpack("<i", match[1])
            imported = image.got.get(start + match.end() + distance)
            if imported is not None and address % _ALIGNMENT == 0:
                found[address] = imported
    return found
