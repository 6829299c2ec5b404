"""The table of verbs. It imports none of them, so that ``burnish --help`` stays quick."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verb:
    """A row: the module ``burnish.cli.<module>``, whose function ``run`` is the verb, and one line of help.

    ``takes_command`` is true for verbs that accept ``--`` and what follows it.
    """

    module: str
    summary: str
    takes_command: bool = False


VERBS: dict[str, Verb] = {
    "optimize": Verb(
        "optimize", "Make a copy of a program that runs its workload faster.", takes_command=True
    ),
    "verify": Verb("verify", "Prove that a function does the same as another, or show where it differs."),
    "record": Verb("record", "Run a program and keep what its hot functions did.", takes_command=True),
    "profile": Verb("profile", "Show what a recording says: hot functions, blocks and loops."),
    "merge": Verb("merge", "Write several recordings of one program as one."),
    "annotate": Verb("annotate", "Show how often each instruction of a recorded function was executed."),
    "export": Verb("export", "Write a recording in the format of another tool."),
    "import": Verb("import_profile", "Make a recording of what another profiler wrote."),
    "recompile": Verb("recompile", "Lift functions of a file and build them again, into a patched copy."),
    "coverage": Verb("coverage", "Count which functions of a file can be rebuilt, and why others cannot."),
    "show": Verb("show", "Show one function as assembly, p-code or LLVM IR, before and after."),
    "superblocks": Verb(
        "superblocks", "Show what a recorded run could do in parallel, and what is in the way."
    ),
    "factorize": Verb("factorize", "Write a string of events as nested repetitions."),
    "revert": Verb("revert", "Give the original bytes of a patched copy back."),
    "doctor": Verb("doctor", "Say what this machine has and lacks, and what each lack costs."),
}
