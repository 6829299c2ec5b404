"""What a solver says of calls, as far as a run can follow: what callees return, and what they leave in memory.

The stubs of callees return words from memory, and change none. So a callee can be made to return what the model says,
if one of its calls counts, and memory that it leaves can only be there from the start.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from burnish.verify.pair import Pair
from burnish.verify.solve.query import Model
from burnish.verify.trials.calls import stubbed
from burnish.verify.trials.stubs import RESULT_WORDS, RESULTS

TURNS = 6
"""Ways in which a callee may return several results."""
_ORDERS = ((0, 1, 2, 3), (0, 0, 1, 1), (0, 1, 1, 2))
"""Which of the results each word is that a callee returns: it picks one of them by chance."""
_SOMEWHERE = 0x6200_0000_0000
_AFTER = re.compile(r"memory after call (\d+)")
_RESULT = re.compile(r"(.+) in (\w+), call (\d+)")


def returned_words(pair: Pair, model: Model, turn: int) -> dict[int, int]:
    """Bytes by address for the words that callees return. Where a model has several results of one callee, ``turn``
    says which comes first."""
    by_callee: dict[str, dict[int, int]] = {}
    for name, value in model.variables.items():
        match = _RESULT.fullmatch(name)
        if match is not None and match[2] in ("rax", "xmm0"):
            by_callee.setdefault(match[1], {})[int(match[3])] = value & (1 << 64) - 1
    # Of those that depend on their arguments alone there is one result for each.
    for name, values in model.functions.items():
        callee, _, register = name.rpartition(" in ")
        if register in ("rax", "xmm0"):
            first = len(by_callee.get(callee, ()))
            known = enumerate(sorted(set(values.values())), first)
            by_callee.setdefault(callee, {}).update(known)
    octets: dict[int, int] = {}
    for number, callee in enumerate(stubbed(pair.original)):
        results = [value for _, value in sorted(by_callee.get(callee.name, {}).items())]
        for k in range(RESULT_WORDS):
            # What the model says nothing of may be a pointer, to where memory will be put, or a small number.
            place = RESULT_WORDS * number + k
            value = k if (k + turn) % 2 else _SOMEWHERE + (place << 20)
            if results:
                value = results[(_ORDERS[turn // 2 % len(_ORDERS)][k] + turn) % len(results)]
            word = value.to_bytes(8, "little")
            octets.update({RESULTS + 8 * place + at: byte for at, byte in enumerate(word)})
    return octets


def most_results(model: Model) -> int:
    """How many results there are of one callee, at most."""
    counts = [len(set(values.values())) for values in model.functions.values()]
    names = Counter(
        f"{match[1]} {match[2]}" for name in model.variables if (match := _RESULT.fullmatch(name)) is not None
    )
    return max(*names.values(), *counts, 0, 0)


def later_memory(model: Model) -> Mapping[int, int]:
    """Bytes that the model has in memory after calls, those after the first call where there are several."""
    found: dict[int, int] = {}
    later = [(int(match[1]), name) for name in model.memories if (match := _AFTER.fullmatch(name))]
    for _, name in sorted(later):
        for address, byte in model.memories[name].items():
            found.setdefault(address, byte)
    return found
