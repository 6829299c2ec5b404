"""Functions in Intel assembly as pairs."""

from __future__ import annotations

from burnish.core.verdict import Proved, Unknown
from burnish.verify.pair import Pair
from burnish.verify.prove import prove
from burnish.verify.solve import Solver
from burnish.verify.subject import Overrides, choose_functions, read_input, read_pair

LIMIT_S = 15.0


def pair_or_reason(original: str, rewrite: str, *live_out: str, memory: bool = True) -> Pair | str:
    """Two functions of which ``live_out`` (``rax`` by default) is compared; why they are no pair where they are none.
    What stands from ``.section`` on in a text is its data."""
    one, two = (
        read_input(f".globl f\n.type f, @function\nf:\n{code}\n.size f, .-f\n{data}\n", syntax="intel")
        for code, data in (_parted(original), _parted(rewrite))
    )
    overrides = Overrides(live_out or ("rax",), memory)
    found = read_pair(one, two, choose_functions(one, two, "f")[0], overrides)
    return found.reason if isinstance(found, Unknown) else found.pair


def _parted(text: str) -> tuple[str, str]:
    at = text.find(".section") if ".section" in text else len(text)
    return text[:at], text[at:]


def pair_of_texts(original: str, rewrite: str, *live_out: str, memory: bool = True) -> Pair:
    """As ``pair_or_reason``, of what is a pair."""
    found = pair_or_reason(original, rewrite, *live_out, memory=memory)
    assert not isinstance(found, str), found
    return found


def proved(original: str, rewrite: str, solver: Solver, *live_out: str, memory: bool = True) -> bool:
    """True if a proof is found by the solvers alone."""
    pair = pair_of_texts(original, rewrite, *live_out, memory=memory)
    return isinstance(prove(pair, solver, timeout_s=LIMIT_S).verdict, Proved)
