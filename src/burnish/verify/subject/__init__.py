"""Reading both inputs of a verification into a ``Pair``."""

from burnish.verify.subject.inputs import Input, InputKind, Syntax, from_elf, read_input
from burnish.verify.subject.pairs import Reading, choose_functions, read_pair
from burnish.verify.subject.specify import Overrides, specify

__all__ = [
    "Input",
    "InputKind",
    "Overrides",
    "Reading",
    "Syntax",
    "choose_functions",
    "from_elf",
    "read_input",
    "read_pair",
    "specify",
]
