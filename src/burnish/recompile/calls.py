"""What is known of a called function: the registers that carry its arguments, those that it changes, and how much
stack it reads. Known from its own code when it is in the image, from the C library's documented interface when it
is an import of a known name, else assumed to be whatever the System V ABI allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

from burnish.machine.registers import INTEGER_ARGUMENTS, VECTOR_ARGUMENTS
from burnish.recompile.bits import ARGUMENTS, CLOBBERED, RETURN_VALUES, cells_mask


@dataclass(frozen=True, slots=True)
class CallSummary:
    """All but the last two are sets of register bytes (``bits``): ``arguments`` may be read by the callee,
    ``certain`` are read on some path for sure, ``clobbers`` may be changed. ``stack_bytes`` is the extent of the
    stack arguments, None when unknown; ``variadic`` callees (and unknown ones) want AL set. ``fills`` is False for
    a callee that surely is not a copying of memory that the compiler made up. ``results`` are the bytes of return
    registers that may be its result: what it leaves in the others is garbage."""

    arguments: int
    clobbers: int
    certain: int = 0
    stack_bytes: int | None = None
    variadic: bool = True
    fills: bool = True
    results: int = RETURN_VALUES


_ONE_RESULT = cells_mask(("rax", "xmm0"))
"""Where the functions named below return what they return: none has two values."""
UNKNOWN = CallSummary(ARGUMENTS, CLOBBERED)
"""An indirect call, or an import that we know nothing of."""


def fixed(integers: int, vectors: int = 0) -> CallSummary:
    """A function with that many integer and floating-point arguments, all in registers."""
    names = (*INTEGER_ARGUMENTS[:integers], *VECTOR_ARGUMENTS[:vectors])
    mask = cells_mask(names)
    return CallSummary(mask, CLOBBERED, mask, 0, variadic=False, fills=False, results=_ONE_RESULT)


_BY_ARITY: dict[tuple[int, int], str] = {
    (0, 0): "abort getpid getppid rand random clock __errno_location tmpfile getuid geteuid __ctype_b_loc "
    "__ctype_tolower_loc __ctype_toupper_loc fork __stack_chk_fail sched_yield localeconv",
    (
        1,
        0,
    ): "malloc free strlen exit _exit close fclose fflush puts putchar getc fgetc feof ferror "
    "clearerr fileno atoi atol abs labs toupper tolower isatty perror remove unlink rewind ftell ftello time "
    "getenv strdup strerror srand localtime gmtime mktime umask chdir rmdir pthread_mutex_lock "
    "pthread_mutex_unlock pthread_self isalpha isdigit isspace isalnum isupper islower isprint iscntrl ispunct "
    "isxdigit isgraph _IO_getc sleep usleep dlclose pclose",
    (
        2,
        0,
    ): "fopen fopen64 strcmp strcpy strcat strchr strrchr strstr calloc realloc fputs fputc putc _IO_putc "
    "fdopen rename link symlink stat fstat lstat stat64 fstat64 access mkdir chmod fchmod signal kill "
    "strcoll strpbrk strspn strcspn strtok gettimeofday clock_gettime ungetc munmap dlsym dlopen aligned_alloc "
    "ftruncate ftruncate64 truncate utime popen strnlen strtod div nanosleep setlocale __strdup "
    "__stpcpy stpcpy rawmemchr",
    (
        3,
        0,
    ): "memcpy memmove memset memcmp memchr memrchr strncpy strncmp strncat strncasecmp read write lseek lseek64 "
    "fseek fseeko fseeko64 fgets strtol strtoul strtoll strtoull chown fchown lchown mprotect posix_memalign "
    "freopen poll mempcpy bcopy strtok_r reallocarray setenv readlink strxfrm",
    (
        4,
        0,
    ): "fread fwrite setvbuf qsort pread pwrite pread64 pwrite64 __memcpy_chk __memset_chk __memmove_chk "
    "__strncpy_chk fread_unlocked fwrite_unlocked strftime pthread_create getdelim utimensat",
    (5, 0): "bsearch __fread_chk select",
    (6, 0): "mmap mmap64",
    (
        0,
        1,
    ): "sin cos tan asin acos atan sinh cosh tanh exp exp2 log log2 log10 sqrt cbrt floor ceil round trunc rint "
    "nearbyint fabs sinf cosf expf logf sqrtf floorf ceilf roundf truncf fabsf log1p expm1 lround lrint",
    (0, 2): "pow fmod atan2 powf fmodf atan2f fmax fmin fmaxf fminf hypot copysign remainder nextafter",
    (1, 1): "ldexp frexp modf ldexpf scalbn",
}

MADE_UP = ("memcpy", "memmove", "mempcpy", "memset")
"""Calls that compilers make of their own accord."""

_FIXED = {
    name: replace(fixed(*arity), fills=name in MADE_UP)
    for arity, names in _BY_ARITY.items()
    for name in names.split()
}

_VARIADIC = {
    1: "printf error_at_line syscall ulimit",
    2: "fprintf sprintf open open64 fcntl ioctl sscanf fscanf syslog warn execl execlp",
    3: "snprintf __printf_chk error openat openat64 __fprintf_chk",
    4: "__snprintf_chk_unused __sprintf_chk",
    5: "__snprintf_chk",
}
"""C library functions with a variable number of arguments, by the number that is always there."""

IMPORTS: dict[str, CallSummary] = _FIXED | {
    name: CallSummary(
        ARGUMENTS, CLOBBERED, cells_mask(INTEGER_ARGUMENTS[:count]), fills=False, results=_ONE_RESULT
    )
    for count, names in _VARIADIC.items()
    for name in names.split()
}
"""What ISO C, POSIX and the LSB document of the C library's functions."""

RETURNS_TWICE = frozenset(
    ("setjmp", "_setjmp", "__sigsetjmp", "sigsetjmp", "vfork", "getcontext", "swapcontext")
)


def import_summary(name: str) -> CallSummary:
    """What is known of an import by that name."""
    return IMPORTS.get(name, UNKNOWN)
