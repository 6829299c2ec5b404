"""ELF in and out, assembly text and C source, function discovery, control flow, source lines."""

from burnish.images.elf import load

__all__ = ["load"]
