"""Functions of the C library by their types: which bytes of registers they read, and what they leave alone.

ISO C and POSIX, as glibc has them. A row's letters are the arguments, then a colon, then the result: ``i`` an ``int``
(4 bytes), ``l`` a ``long``, ``size_t`` or pointer, ``d`` a ``double``, ``f`` a ``float``, ``v`` nothing.
"""

from __future__ import annotations

from dataclasses import replace

from burnish.machine.registers import INTEGER_ARGUMENTS, VECTOR_ARGUMENTS
from burnish.verify.pair import Callee

_SIZES = {"i": 4, "l": 8, "d": 8, "f": 4}

_PURE = {
    "i:i": "abs",
    "l:l": "labs llabs",
    "d:d": "fabs floor ceil trunc round",
    "f:f": "fabsf floorf ceilf truncf roundf",
    "dd:d": "copysign",
    "ff:f": "copysignf",
    ":l": "__errno_location __ctype_b_loc __ctype_tolower_loc __ctype_toupper_loc",
}
"""Functions of their arguments alone (those that set ``errno`` are not)."""

_READING = {
    "l:l": "strlen",
    "ll:l": "strnlen strstr strspn strcspn strpbrk rawmemchr",
    "li:l": "strchr strrchr strchrnul",
    "lil:l": "memchr memrchr",
    "ll:i": "strcmp strcasecmp",
    "lll:i": "memcmp bcmp strncmp strncasecmp",
    "i:i": "toupper tolower isalpha isdigit isspace isalnum isupper islower isprint iscntrl ispunct isxdigit isgraph "
    "isblank",
}
"""Functions that read memory (the locale's, too) and write none."""

_OTHER = {
    "lll:l": "memcpy memmove mempcpy strncpy strncat",
    "ll:l": "strcpy strcat stpcpy calloc aligned_alloc realloc fopen fopen64 strtok fputs_unlocked",
    "lil:l": "memset",
    "l:l": "malloc strdup getenv",
    "l:v": "free rewind perror clearerr srand48",
    "i:v": "exit _exit _Exit",
    ":v": "abort __stack_chk_fail",
    "l:i": "puts fclose fflush getc fgetc feof ferror fileno atoi remove unlink rmdir chdir",
    "i:i": "putchar close isatty",
    "il:i": "fputc putc _IO_putc ungetc",
    "ll:i": "fputs rename link symlink",
    "lil:i": "fgets_unlocked",
    "llll:l": "fread fwrite fread_unlocked fwrite_unlocked __memcpy_chk __memmove_chk __strncpy_chk",
    "lill:l": "__memset_chk",
    "ill:l": "read write",
    "lli:l": "strtol strtoul strtoll strtoull",
    "l:d": "atof",
    "ll:d": "strtod",
    ":i": "rand",
    "d:d": "sin cos tan asin acos atan sinh cosh tanh exp exp2 log log2 log10 sqrt cbrt rint nearbyint log1p expm1",
    "f:f": "sinf cosf tanf expf logf sqrtf rintf nearbyintf",
    "dd:d": "pow fmod atan2 hypot remainder nextafter fmax fmin",
    "ff:f": "powf fmodf atan2f fmaxf fminf",
    "d:l": "lround lrint",
}

_RETURNS_FIRST = frozenset(["memcpy", "memmove", "memset", "strcpy", "strcat", "strncpy", "strncat"])
"""Functions that return their first argument, on which compilers rely."""
_NO_RETURN = frozenset(("exit", "_exit", "_Exit", "abort", "__stack_chk_fail"))


def signature(name: str, types: str) -> Callee:
    """A callee by the letters of its type."""
    arguments, _, result = types.partition(":")
    integers, vectors = iter(INTEGER_ARGUMENTS), iter(VECTOR_ARGUMENTS)
    registers = tuple((next(vectors if kind in "df" else integers), _SIZES[kind]) for kind in arguments)
    results = () if result == "v" else (("xmm0" if result in "df" else "rax", _SIZES[result]),)
    returned = "rdi" if name in _RETURNS_FIRST else ""
    return Callee(
        name,
        registers,
        results,
        stack_bytes=0,
        returns=name not in _NO_RETURN,
        returned=returned,
        library=True,
    )


def _rows() -> dict[str, Callee]:
    found: dict[str, Callee] = {}
    for table, pure, reads_only in ((_OTHER, False, False), (_READING, False, True), (_PURE, True, False)):
        for types, names in table.items():
            for name in names.split():
                found[name] = replace(signature(name, types), pure=pure, reads_only=reads_only)
    return found


LIBC: dict[str, Callee] = _rows()
"""By name, for names that another file defines."""
