"""Terms over the entry state, and what is held now, as text, and back: prefix notation, ``(add:64 rdi 0x10:64)``."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from burnish.domains.smt.build import const, memory, var
from burnish.domains.smt.rewrite import rebuild
from burnish.domains.smt.terms import Op, Term, make, subterms
from burnish.machine.registers import CELLS, FLAG_OFFSETS
from burnish.verify.engine.addresses import OBJECT
from burnish.verify.loops.current import MEMORY_NOW, NAMED, named, value_named

LARGEST = 80
"""Parts of a term that is worth keeping, each counted as often as it is written."""
ENTRY_WIDTHS = {name: 8 * cell.size for name, cell in CELLS.items() if name not in FLAG_OFFSETS}
"""The widths of the variables for registers at entry."""
_MEMORY = "memory"
_SAFE = f"{OBJECT}{NAMED}:[]+"
_PLAIN = frozenset(Op) - {Op.CONST, Op.VAR, Op.MEMORY, Op.APPLY, Op.FLOAT, Op.IEEE, Op.EXTRACT, Op.STORE}
_BY_NAME = {op.name.lower(): op for op in _PLAIN}
_TOKEN = re.compile(r"\s*(?:(\()|(\))|([^\s()]+))")


def is_of_entry(term: Term) -> bool:
    """True for a small term of nothing but the registers, and the memory, that a function finds at entry, and the
    addresses of objects."""
    return _is_of(term, now=False)


def is_of_state(term: Term) -> bool:
    """As ``is_of_entry``, of what is held now, too (``current``)."""
    return _is_of(term, now=True)


def _is_of(term: Term, *, now: bool) -> bool:
    sizes: dict[Term, int] = {}
    for part in subterms(term):
        sizes[part] = 1 + sum(sizes[arg] for arg in part.args)
        if sizes[part] > LARGEST:
            return False
        match part.op:
            case Op.VAR:
                value = value_named(part.name) if now else None
                if value is not None and value.width == part.width:
                    continue
                if ENTRY_WIDTHS.get(part.name) != part.width and not part.name.startswith(OBJECT):
                    return False
            case Op.MEMORY:
                if part.name != _MEMORY and not (now and part is MEMORY_NOW):
                    return False
            case Op.CONST | Op.EXTRACT:
                pass
            case op if op not in _PLAIN:
                return False
            case _:
                pass
    return True


def term_to_text(term: Term) -> str:
    """The text of a term for which ``is_of_state`` holds."""
    match term.op:
        case Op.CONST:
            return f"{term.value:#x}:{term.width}"
        case Op.VAR | Op.MEMORY:
            return quote(term.name, safe=_SAFE)
        case Op.EXTRACT:
            head = f"extract:{term.width}:{term.payload}"
        case _:
            head = f"{term.op.name.lower()}:{term.width}"
    return f"({head} {' '.join(map(term_to_text, term.args))})"


def term_from_text(text: str) -> Term:
    """The term that ``term_to_text`` shows so; raises ``ValueError`` for anything else."""
    stack: list[list[str | Term]] = [[]]
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError("a term with strange characters")
        at = found.end()
        if found[1]:
            stack.append([])
        elif found[2]:
            parts = stack.pop()
            if not stack or not parts or not isinstance(parts[0], str):
                raise ValueError("a term with unbalanced parentheses")
            stack[-1].append(_made(parts[0], [_operand(part) for part in parts[1:]]))
        else:
            stack[-1].append(found[3])
    if len(stack) != 1 or len(stack[0]) != 1:
        raise ValueError("a term with unbalanced parentheses")
    term = _operand(stack[0][0])
    if not is_of_state(term):
        raise ValueError("a term of more than the entry state, and of what is held now")
    return term


def _operand(part: str | Term) -> Term:
    if isinstance(part, Term):
        return part
    if part == _MEMORY:
        return memory(_MEMORY)
    if part in ENTRY_WIDTHS:
        return var(part, ENTRY_WIDTHS[part])
    if part.startswith(OBJECT):
        return var(unquote(part), 64)
    if unquote(part) == MEMORY_NOW.name:
        return MEMORY_NOW
    value = value_named(unquote(part))
    if value is not None:
        return named(value)
    number = re.fullmatch(r"0x([0-9a-f]+):(\d+)", part)
    if number is None or not 0 < int(number[2]) <= 1024:
        raise ValueError(f"{part!r} is no part of the entry state")
    return const(int(number[1], 16), int(number[2]))


def _made(head: str, operands: list[Term]) -> Term:
    """A term of checked shape: operands of the widths that the operation asks for."""
    name, *numbers = head.split(":")
    if not operands or not numbers or not all(re.fullmatch(r"\d{1,4}", number) for number in numbers):
        raise ValueError(f"{head!r} is no operation")
    width, widths = int(numbers[0]), [operand.width for operand in operands]
    if name == "extract":
        if len(numbers) != 2 or len(operands) != 1 or int(numbers[1]) + width > widths[0] or not width:
            raise ValueError("an extraction beyond its operand")
        return rebuild(make(Op.EXTRACT, width, tuple(operands), int(numbers[1])), operands)
    if name not in _BY_NAME or len(numbers) != 1 or not _fits(_BY_NAME[name], width, widths):
        raise ValueError(f"{head!r} does not fit its operands")
    return rebuild(make(_BY_NAME[name], width, tuple(operands)), operands)


def _fits(op: Op, width: int, widths: list[int]) -> bool:
    match op:
        case Op.ZEXT | Op.SEXT:
            return len(widths) == 1 and 0 < widths[0] <= width
        case Op.CONCAT:
            return all(widths) and sum(widths) == width
        case Op.EQ | Op.ULT | Op.SLT:
            return width == 1 and len(widths) == 2 and widths[0] == widths[1] > 0
        case Op.ITE:
            return len(widths) == 3 and widths[0] == 1 and widths[1] == widths[2] == width
        case Op.SELECT:
            return width == 8 and widths == [0, 64]
        case Op.NOT | Op.POPCOUNT | Op.CLZ | Op.CTZ:
            return widths == [width] and width > 0
        case Op.AND | Op.OR | Op.XOR | Op.ADD | Op.MUL:
            return len(widths) >= 2 and all(one == width for one in widths) and width > 0
        case _:
            return widths == [width, width] and width > 0
