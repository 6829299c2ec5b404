"""Strings factorised into nested repetitions: ``ab(jb(hcfefg)2hi)2jk`` for ``abjbhcfefghcfefghijbhcfefghcfefghijk``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Repetition:
    """``count`` (at least 2) copies of what ``form`` stands for, one after the other."""

    form: Form
    count: int


Item = int | Repetition
Form = tuple[Item, ...]
"""A sequence of items: symbols, and repetitions of forms."""


def form_length(form: Form) -> int:
    """How long a form is: one for each symbol that is written, and one for each count.

    That is what a minimal form has least of. Of forms that are equally long the one with fewer symbols is minimal
    (``a2`` before ``aa``); of those that are still equal, the one that at the first difference has a repetition where
    the others have a symbol, or has the shorter body, or the higher count. Bodies obey the same rule.
    """
    return sum(1 if isinstance(item, int) else 1 + form_length(item.form) for item in form)


@dataclass(frozen=True, slots=True, eq=False)
class Factorisation:
    """A form as a grammar, in which each repetition is kept once however often it occurs.

    A symbol below ``alphabet`` is a terminal. Symbol ``alphabet + r`` is rule r: ``counts[r]`` copies of body
    ``bodies[r]``; body b is ``symbols[starts[b] : starts[b + 1]]``, and refers only to rules before every rule of its
    own. All of them serve ``sequence``, the symbols of the whole.
    """

    alphabet: int
    sequence: NDArray[np.uint32] = field(repr=False)
    """``(N,)``"""
    bodies: NDArray[np.uint32] = field(repr=False)
    """``(rules,)``"""
    counts: NDArray[np.uint64] = field(repr=False)
    """``(rules,)``"""
    starts: NDArray[np.uint64] = field(repr=False)
    """``(bodies + 1,)``"""
    symbols: NDArray[np.uint32] = field(repr=False)
    """``(starts[-1],)``"""

    @property
    def rules(self) -> int:
        """How many different repetitions there are."""
        return len(self.bodies)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        arrays = (self.sequence, self.bodies, self.counts, self.starts, self.symbols)
        return sum(array.nbytes for array in arrays)

    def events(self) -> int:
        """How many terminals the form stands for."""
        return self._sum(self._per_rule(1, 0, multiply=True))

    def length(self) -> int:
        """The length of the form as it is written, where a repetition counts as often as it occurs
        (``form_length``)."""
        return self._sum(self._per_rule(1, 1, multiply=False))

    def body(self, rule: int) -> NDArray[np.uint32]:
        """The symbols of the body of a rule."""
        number = self.bodies[rule]
        return self.symbols[int(self.starts[number]) : int(self.starts[number + 1])]

    def form(self) -> Form:
        """The form as tuples, for what is short: a repetition that occurs again is the same object."""
        made: list[Repetition] = []
        for rule in range(self.rules):
            made.append(Repetition(self._items(self.body(rule), made), int(self.counts[rule])))
        return self._items(self.sequence, made)

    def expand(self) -> NDArray[np.uint32]:
        """The string itself, ``(events,)``."""
        return _joined(list(self.expand_chunks()))

    def expand_chunks(self, size: int = 1 << 20) -> Iterator[NDArray[np.uint32]]:
        """The string in pieces of at most ``size`` symbols, none of them empty, in memory for a few of them and the
        grammar. Raises ``ValueError`` for a size below 1."""
        if size < 1:
            raise ValueError(f"a chunk of {size} symbols")
        events = self._per_rule(1, 0, multiply=True)
        return _regrouped(self._pieces(self.sequence, events, size, {}), size)

    def text(self, names: Sequence[str], separator: str = "") -> str:
        """The form in notation: a body is in parentheses unless it is one symbol and ``separator`` is empty, and the
        count stands behind it.

        ``names`` are those of the terminals, ``separator`` stands between items. A backslash before a character says
        that it belongs to a name: before parentheses and backslashes, before digits where there is no separator, and
        before white space where there is one.
        """
        written = [_escaped(name, separator) for name in names]
        for rule in range(self.rules):
            body = self.body(rule)
            text = separator.join([written[symbol] for symbol in cast("list[int]", body.tolist())])
            bare = not separator and len(body) == 1
            written.append(f"{text}{self.counts[rule]}" if bare else f"({text}){self.counts[rule]}")
        return separator.join([written[symbol] for symbol in cast("list[int]", self.sequence.tolist())])

    def to_data(self) -> dict[str, Any]:
        """The grammar as JSON data: ``alphabet``, ``sequence``, and ``rules`` with a ``body`` and a ``count`` each."""
        rules = [
            {"body": self.body(rule).tolist(), "count": int(self.counts[rule])} for rule in range(self.rules)
        ]
        return {"alphabet": self.alphabet, "sequence": self.sequence.tolist(), "rules": rules}

    def to_json(self) -> str:
        """The grammar as a JSON object with ``schema_version`` first."""
        return json.dumps({"schema_version": SCHEMA_VERSION} | self.to_data())

    def _items(self, symbols: NDArray[np.uint32], made: list[Repetition]) -> Form:
        below = self.alphabet
        return tuple(
            symbol if symbol < below else made[symbol - below]
            for symbol in cast("list[int]", symbols.tolist())
        )

    def _per_rule(self, terminal: int, count: int, *, multiply: bool) -> list[int]:
        """A sum over each rule: ``terminal`` for a terminal, ``count`` for the count, times it where asked. Integers
        of Python: a grammar of a page can stand for more than 2^64 events."""
        of_body: dict[int, int] = {}
        found: list[int] = []
        for number, copies in zip(self.bodies.tolist(), self.counts.tolist(), strict=True):
            if number not in of_body:
                body = self.symbols[int(self.starts[number]) : int(self.starts[number + 1])]
                of_body[number] = sum(
                    terminal if symbol < self.alphabet else found[symbol - self.alphabet]
                    for symbol in cast("list[int]", body.tolist())
                )
            found.append(of_body[number] * (copies if multiply else 1) + count)
        return found

    def _sum(self, per_rule: list[int]) -> int:
        """That of the whole: terminals count one."""
        used = self.sequence[self.sequence >= self.alphabet] - np.uint32(self.alphabet)
        times = np.bincount(used, minlength=self.rules).tolist()
        terminals = len(self.sequence) - len(used)
        return terminals + sum(n * each for n, each in zip(times, per_rule, strict=True))

    def _pieces(
        self,
        symbols: NDArray[np.uint32],
        events: list[int],
        size: int,
        known: dict[int, NDArray[np.uint32]],
    ) -> Iterator[NDArray[np.uint32]]:
        """What ``symbols`` stand for; ``known`` are expansions of rules that fit into a chunk."""
        at = 0
        rules = np.flatnonzero(symbols >= self.alphabet)
        for place in rules.tolist():
            if place > at:
                yield symbols[at:place]
            at = place + 1
            rule = int(symbols[place]) - self.alphabet
            if events[rule] <= size:
                if rule not in known:
                    if sum(map(len, known.values())) > 8 * size:
                        known.clear()
                    body = _joined(list(self._pieces(self.body(rule), events, size, known)))
                    known[rule] = np.tile(body, int(self.counts[rule]))
                yield known[rule]
            else:
                yield from self._copies(rule, events, size, known)
        if at < len(symbols):
            yield symbols[at:]

    def _copies(
        self, rule: int, events: list[int], size: int, known: dict[int, NDArray[np.uint32]]
    ) -> Iterator[NDArray[np.uint32]]:
        """A rule that does not fit into a chunk: as many copies at once as do."""
        count = int(self.counts[rule])
        together = size // (events[rule] // count)
        if together > 1:
            body = _joined(list(self._pieces(self.body(rule), events, size, known)))
            many = np.tile(body, together)
            for _ in range(count // together):
                yield many
            count %= together
        for _ in range(count):
            yield from self._pieces(self.body(rule), events, size, known)


def _joined(pieces: list[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    return np.concatenate(pieces) if pieces else np.empty(0, np.uint32)


def _regrouped(pieces: Iterator[NDArray[np.uint32]], size: int) -> Iterator[NDArray[np.uint32]]:
    """The same symbols in pieces of ``size``, and a last one that may be shorter."""
    waiting: list[NDArray[np.uint32]] = []
    held = 0
    for piece in pieces:
        at = 0
        while held + len(piece) - at >= size:
            taken = size - held
            yield _joined([*waiting, piece[at : at + taken]])
            waiting, held, at = [], 0, at + taken
        if at < len(piece):
            waiting.append(piece[at:])
            held += len(piece) - at
    if waiting:
        yield _joined(waiting)


def _escaped(name: str, separator: str) -> str:
    def notation(letter: str) -> bool:
        return letter in "()\\" or (letter.isspace() if separator else letter in "0123456789")

    return "".join(f"\\{letter}" if notation(letter) else letter for letter in name)
