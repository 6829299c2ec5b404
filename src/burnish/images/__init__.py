"""ELF in and out, assembly text and C source, function discovery, control flow, source lines."""

from burnish.images.assembly import assemble
from burnish.images.control_flow import control_flow
from burnish.images.discover import discover
from burnish.images.dwarf import SourceLines, source_lines
from burnish.images.elf import load
from burnish.images.find import find_function
from burnish.images.locate import locate
from burnish.images.source import compile_c

__all__ = [
    "SourceLines",
    "assemble",
    "compile_c",
    "control_flow",
    "discover",
    "find_function",
    "load",
    "locate",
    "source_lines",
]
