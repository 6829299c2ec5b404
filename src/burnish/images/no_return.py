"""Functions that never return to their caller.

The rule must never be wrong in saying "never", so it over-approximates: a function may return if its bytes hold a
return instruction at all, or an indirect jump, or if something that may return is where its code leaves it (a jump
to another function, or a call at its very end). That is exact for what compilers emit, since they leave out the
code after a call that they know not to return.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from burnish.core.image import FunctionBounds, Image, Import
from burnish.images.control_shapes import (
    is_indirect_jump,
    is_padding,
    is_relative_jump,
    is_return,
    leaves,
)
from burnish.machine.encoding import Map, decode
from burnish.machine.refusals import is_trap

NO_RETURN = frozenset((
    # ISO C and POSIX
    "abort", "exit", "_exit", "_Exit", "quick_exit", "thrd_exit", "pthread_exit", "longjmp", "_longjmp",
    "siglongjmp",
    # What compilers and glibc's headers turn other names into
    "__longjmp_chk", "__stack_chk_fail", "__stack_chk_fail_local", "__fortify_fail", "__chk_fail",
    "__assert_fail", "__assert_perror_fail", "__assert", "__libc_fatal",
    # C++ ABI and libstdc++
    "_Unwind_Resume", "__cxa_throw", "__cxa_rethrow", "__cxa_bad_cast",
    "__cxa_bad_typeid", "__cxa_pure_virtual", "__cxa_deleted_virtual", "__cxa_call_unexpected",
    "__cxa_call_terminate", "__cxa_throw_bad_array_new_length", "__clang_call_terminate",
    "_ZSt9terminatev", "_ZSt10unexpectedv", "_ZSt17__throw_bad_allocv", "_ZSt16__throw_bad_castv",
    "_ZSt28__throw_bad_array_new_lengthv", "_ZSt20__throw_length_errorPKc", "_ZSt19__throw_logic_errorPKc",
    "_ZSt20__throw_out_of_rangePKc", "_ZSt24__throw_out_of_range_fmtPKcz", "_ZSt24__throw_invalid_argumentPKc",
    "_ZSt21__throw_runtime_errorPKc", "_ZSt20__throw_system_errori", "_ZSt25__throw_bad_function_callv",
    "_ZSt21__throw_bad_exceptionv", "_ZSt18__throw_bad_typeidv", "_ZSt20__throw_domain_errorPKc",
    "_ZSt19__throw_range_errorPKc", "_ZSt22__throw_overflow_errorPKc", "_ZSt23__throw_underflow_errorPKc",
    "_ZSt19__throw_ios_failurePKc", "_ZSt19__throw_ios_failurePKci",
))  # fmt: skip
"""Functions that by their specification never return; the names are reserved, so nobody else's bear them."""

_GLIBC_NO_RETURN = frozenset(("err", "errx", "verr", "verrx"))
"""The same for names that are not reserved: only where they are imported from glibc."""


class _Exits(NamedTuple):
    """How control may leave a function other than by a trap: ``returns`` if it has a return instruction,
    ``indirect`` if an indirect jump; ``through`` are the functions that it leaves into."""

    returns: bool
    indirect: bool = False
    through: frozenset[int] = frozenset()


_MAY_RETURN = _Exits(True)


def import_never_returns(imported: Import) -> bool:
    """True for an import whose specification says that it never returns."""
    if imported.name in NO_RETURN:
        return True
    return imported.name in _GLIBC_NO_RETURN and imported.version.startswith("GLIBC_")


class NoReturn:
    """Answers for one image, and remembers."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._exits: dict[int, _Exits] = {}
        self._decided: dict[int, bool] = {}

    def never_returns(self, address: int) -> bool:
        """True if the function or PLT stub at ``address`` provably never returns."""
        if address not in self._decided:
            self._decide(address)
        return self._decided[address]

    def slot_never_returns(self, slot: int) -> bool:
        """The same for the import in the GOT slot at ``slot``."""
        imported = self._image.bound_import(slot)
        return imported is not None and self._import(imported)

    def _import(self, imported: Import) -> bool:
        return import_never_returns(imported) or imported.name in self._image.never_return

    def _decide(self, root: int) -> None:
        """Least fixed point of "may return" over the functions that ``root`` depends on; what is left over (mutual
        recursion without a way out, too) never returns."""
        waiting, users = [root], dict[int, list[int]]()
        returning: list[int] = []
        seen = {root}
        while waiting:
            address = waiting.pop()
            exits = self._exits_of(address)
            if exits.returns or exits.indirect:
                returning.append(address)
                continue
            for other in exits.through:
                users.setdefault(other, []).append(address)
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)
        may_return = set(returning)
        while returning:
            for user in users.get(returning.pop(), ()):
                if user not in may_return:
                    may_return.add(user)
                    returning.append(user)
        for address in seen:
            self._decided[address] = address not in may_return

    def _exits_of(self, address: int) -> _Exits:
        if address not in self._exits:
            self._exits[address] = self._read_exits(address)
        return self._exits[address]

    def _read_exits(self, address: int) -> _Exits:
        imported = self._image.plt.get(address)
        if imported is not None:
            return _Exits(not self._import(imported))
        bounds = self._image.bounds_at(address)
        code = None if bounds is None else self._image.read(bounds.address, bounds.size)
        if bounds is None or code is None:
            return _MAY_RETURN
        exits = _sweep(bounds, code)
        if not exits.returns and not NO_RETURN.isdisjoint((bounds.name, *bounds.aliases)):
            return _Exits(False)  # a statically linked one: its name vouches for its indirect jumps
        return exits


@lru_cache(maxsize=8)
def no_return(image: Image) -> NoReturn:
    """The answers for ``image``, shared by all who ask."""
    return NoReturn(image)


def _sweep(bounds: FunctionBounds, code: bytes) -> _Exits:
    """Reads all instructions between the bounds, reached or not."""
    through: set[int] = set()
    indirect = False
    offset, last, last_offset = 0, None, 0
    while offset < len(code):
        shape = decode(code, offset)
        if shape is None:
            return _MAY_RETURN
        end = bounds.address + offset + shape.size
        if is_return(shape):
            return _MAY_RETURN
        indirect |= is_indirect_jump(shape)
        if is_relative_jump(shape):
            target = end + shape.immediate
            if not bounds.address <= target < bounds.end:
                through.add(target)
        if not is_padding(code[offset : offset + shape.size], shape):
            last, last_offset = shape, offset
        offset += shape.size
    if last is None:
        return _MAY_RETURN
    if last.map is Map.ONE and last.opcode == 0xE8:
        through.add(bounds.address + last_offset + last.size + last.immediate)
    elif not leaves(last) and not is_trap(code[last_offset:]):
        return _MAY_RETURN
    return _Exits(False, indirect, frozenset(through))
