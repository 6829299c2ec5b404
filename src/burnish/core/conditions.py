"""Conditions on the state at entry, as a user writes them after ``--assume``: their grammar.

    rdi != 0 && (esi & 7) == 0 && [rdi+8]:4 s< 100

Registers have the names of assembly, at any width. ``[address]:size`` is memory, ``size`` bytes from 1 to 8, little
end first. Operators and their precedence are C's; ``<``, ``>``, ``<=``, ``>=`` and ``>>`` are unsigned, and with an
``s`` before them (``s<``, ``s>>``) signed. ``sext(x)`` and ``zext(x)`` extend to 64 bits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from burnish.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Number:
    """A literal, 0 or more."""

    value: int


@dataclass(frozen=True, slots=True)
class Register:
    """A register by the name that assembly has for it."""

    name: str


@dataclass(frozen=True, slots=True)
class Memory:
    """``size`` bytes of memory at an address."""

    address: Expression
    size: int


@dataclass(frozen=True, slots=True)
class Unary:
    """``operator`` is ``!``, ``~``, ``-``, ``sext`` or ``zext``."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """``operator`` is one of C's, with an ``s`` before it for signed."""

    operator: str
    left: Expression
    right: Expression


Expression = Number | Register | Memory | Unary | Binary

_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("|",),
    ("^",),
    ("&",),
    ("==", "!="),
    ("<", "<=", ">", ">=", "s<", "s<=", "s>", "s>="),
    ("<<", ">>", "s>>"),
    ("+", "-"),
    ("*", "/", "%"),
)
"""Binary operators, the weakest first; all group from the left."""
_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]+|\d+)|(s(?:<=|>=|>>|<|>)|\|\||&&|==|!=|<=|>=|<<|>>|[-+*/%&|^~!<>()\[\]:])|(\w+))"
)
_DEPTH = 64


def parse_condition(text: str) -> Expression:
    """The expression that ``text`` is. Raises ``UsageError`` with what is wrong, and where."""
    return _Parser(text).whole()


class _Parser:
    """Recursive descent over the tokens of one condition."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, int]] = []
        self._at = 0
        self._depth = 0
        cursor = 0
        while text[cursor:].strip():
            match = _TOKEN.match(text, cursor)
            if match is None:
                cursor += len(text[cursor:]) - len(text[cursor:].lstrip())
                raise self._error(f"{text[cursor]!r} has no meaning", cursor)
            found = match.group().strip()
            self._tokens.append((found, match.end() - len(found)))
            cursor = match.end()

    def whole(self) -> Expression:
        found = self._binary(0)
        if self._at < len(self._tokens):
            token, place = self._tokens[self._at]
            raise self._error(f"{token!r} does not belong there", place)
        return found

    def _error(self, what: str, place: int) -> UsageError:
        return UsageError(f"the condition {self._text!r} cannot be read: {what} (character {place + 1})")

    def _peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> str:
        if self._at >= len(self._tokens):
            raise self._error(f"{wanted or 'something'} is missing at its end", len(self._text))
        token, place = self._tokens[self._at]
        if wanted and token != wanted:
            raise self._error(f"{wanted!r} is expected and not {token!r}", place)
        self._at += 1
        return token

    def _binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._peek() in _LEVELS[level]:
            operator = self._take()
            left = Binary(operator, left, self._binary(level + 1))
        return left

    def _unary(self) -> Expression:
        self._depth += 1
        if self._depth > _DEPTH:
            raise self._error("it is nested too deeply", 0)
        try:
            if self._peek() in ("!", "~", "-"):
                return Unary(self._take(), self._unary())
            return self._primary()
        finally:
            self._depth -= 1

    def _primary(self) -> Expression:
        place = self._tokens[self._at][1] if self._at < len(self._tokens) else len(self._text)
        token = self._take()
        if token == "(":
            inner = self._binary(0)
            self._take(")")
            return inner
        if token == "[":
            address = self._binary(0)
            self._take("]")
            self._take(":")
            size = self._take()
            if size not in tuple("12345678"):
                raise self._error(f"memory has 1 to 8 bytes, not {size!r}", place)
            return Memory(address, int(size))
        if token[0].isdigit():
            if token.isdecimal() and len(token) > 1 and token[0] == "0":
                raise self._error(f"{token!r} would be octal in C", place)
            return Number(int(token, 0))
        if token in ("sext", "zext"):
            self._take("(")
            inner = self._binary(0)
            self._take(")")
            return Unary(token, inner)
        if token.isidentifier():
            return Register(token.lower())
        raise self._error(f"{token!r} does not belong there", place)
