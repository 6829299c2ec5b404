"""ELF in and out, assembly text and C source, function discovery, control flow, source lines."""

from burnish.images.control_flow import control_flow
from burnish.images.elf import load
from burnish.images.locate import locate

__all__ = ["control_flow", "load", "locate"]
