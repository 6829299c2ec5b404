"""Which code does input or output: system calls, and calls of functions that make them."""

from __future__ import annotations

from bisect import bisect_right
from enum import IntEnum

from burnish.core.code import Block, TailCall
from burnish.core.image import FunctionBounds, Image
from burnish.core.pcode import OpCode, Space
from burnish.machine.disassemble import transfer_lines


class Effect(IntEnum):
    """What running code does beyond registers and memory; of two the larger holds. The name in small letters is what
    the table ``blocks`` says."""

    NONE = 0
    UNKNOWN = 1
    """It calls what is not known: through a pointer, or a function of another file without a row below."""
    OUTPUT = 2
    """Input or output, or another request to the system."""


_QUIET_NAMES = """
abs labs div ldiv qsort bsearch malloc calloc realloc free aligned_alloc posix_memalign memcpy memmove memset memcmp
memchr memrchr mempcpy strlen strnlen strcmp strncmp strcpy strncpy strcat strncat strchr strrchr strstr strpbrk
strspn strcspn strtok strtok_r strdup strndup strcasecmp strncasecmp strcoll strtol strtoul strtoll strtoull strtod
strtof atoi atol atof toupper tolower isalpha isdigit isspace isalnum sprintf snprintf vsprintf vsnprintf sscanf
localtime_r gmtime_r sin cos tan asin acos atan atan2 sinh cosh tanh exp exp2 log log2 log10 pow sqrt cbrt floor
ceil fmod round trunc rint ldexp frexp modf hypot fabs fmax fmin lround llround __ctype_b_loc __ctype_tolower_loc
__ctype_toupper_loc __errno_location __stack_chk_fail __assert_fail __memcpy_chk __memmove_chk __memset_chk
__strcpy_chk __strncpy_chk __strcat_chk __sprintf_chk __snprintf_chk __vsnprintf_chk setjmp _setjmp __sigsetjmp
longjmp siglongjmp __longjmp_chk pthread_self pthread_mutex_lock pthread_mutex_unlock pthread_getspecific
pthread_setspecific
"""
"""Functions of the C library that do none, as far as their caller can tell: allocation asks the system for memory now
and then, and what ends the process writes what is left."""
_LOUD_NAMES = """
read write pread pwrite pread64 pwrite64 readv writev open open64 openat openat64 creat close lseek lseek64 fsync
fdatasync ftruncate ftruncate64 stat fstat lstat stat64 fstat64 lstat64 access unlink rename mkdir rmdir chmod chown
dup dup2 pipe pipe2 fcntl fcntl64 ioctl poll select epoll_wait socket bind listen accept connect send sendto sendmsg
recv recvfrom recvmsg shutdown fopen fopen64 freopen fclose fread fwrite fgets fputs fgetc fputc getc putc getchar
putchar puts gets ungetc fprintf printf vprintf vfprintf scanf fscanf perror fflush fseek ftell rewind
fread_unlocked fwrite_unlocked putc_unlocked getc_unlocked putchar_unlocked fputs_unlocked fputc_unlocked
__printf_chk __fprintf_chk __vfprintf_chk __vprintf_chk __overflow __uflow __fread_chk __read_chk error time
gettimeofday clock clock_gettime nanosleep usleep sleep rand random getenv setenv exit _exit fork vfork execve
execvp system kill raise signal sigaction sigprocmask mmap mmap64 munmap mprotect brk sbrk pthread_create
pthread_join pthread_cond_wait pthread_cond_signal pthread_cond_broadcast syscall getpid opendir readdir readdir64
closedir syslog abort
"""
"""Functions of the C library that do."""


_QUIET, _LOUD = frozenset(_QUIET_NAMES.split()), frozenset(_LOUD_NAMES.split())


class Effects:
    """Of the functions of one image. What a function does is what any code in it, or in what it calls, may do."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._starts = [bounds.address for bounds in image.functions]
        self._own: dict[int, tuple[Effect, tuple[int, ...]]] = {}
        self._whole: dict[int, Effect] = {}

    def of_block(self, block: Block) -> Effect:
        """What a block does, with what it calls."""
        found = Effect.NONE
        for operation in block.operations:
            if operation.opcode in (OpCode.CALLIND, OpCode.CALLOTHER):
                found = max(found, Effect.UNKNOWN)
            elif operation.opcode is OpCode.CALL:
                node = operation.inputs[0]
                known = self.of_address(node.offset) if node.space is Space.RAM else Effect.UNKNOWN
                found = max(found, known)
        if isinstance(block.terminator, TailCall):
            target = block.terminator.target
            known = self.of_address(target.offset) if target.space is Space.RAM else Effect.UNKNOWN
            found = max(found, known)
        return found

    def of_address(self, address: int) -> Effect:
        """What a call of an image address does."""
        imported = self._image.plt.get(address)
        if imported is not None:
            return _of_import(imported.name)
        if address not in self._whole:
            self._whole[address] = self._reached(address)
        return self._whole[address]

    def _reached(self, start: int) -> Effect:
        seen, waiting, found = {start}, [start], Effect.NONE
        while waiting and found is not Effect.OUTPUT:
            own, called = self._of_code(waiting.pop())
            found = max(found, own)
            waiting += [target for target in called if target not in seen]
            seen.update(called)
        return found

    def _of_code(self, address: int) -> tuple[Effect, tuple[int, ...]]:
        """What the code of a function does itself, and the functions of this image that it calls or jumps to."""
        bounds = self._function_at(address)
        if bounds is None:
            return Effect.UNKNOWN, ()
        known = self._own.get(bounds.address)
        if known is None:
            known = self._own[bounds.address] = self._read(bounds)
        return known

    def _read(self, bounds: FunctionBounds) -> tuple[Effect, tuple[int, ...]]:
        found = Effect.NONE
        called: list[int] = []
        for line in transfer_lines(self._image.read(bounds.address, bounds.size) or b"", bounds.address):
            target = line.target
            if target is None and not line.indirect:
                return Effect.OUTPUT, ()
            if line.indirect:
                slot = self._image.bound_import(target) if target is not None else None
                if slot is not None:
                    found = max(found, _of_import(slot.name))
                elif line.mnemonic.startswith("call"):  # an indirect jump is a switch more often
                    found = max(found, Effect.UNKNOWN)
            elif target in self._image.plt:
                found = max(found, _of_import(self._image.plt[target].name))
            elif target is not None and not bounds.address <= target < bounds.end:
                called.append(target)
        return found, tuple(called)

    def _function_at(self, address: int) -> FunctionBounds | None:
        index = bisect_right(self._starts, address) - 1
        bounds = self._image.functions[index] if index >= 0 else None
        return bounds if bounds is not None and address < bounds.end else None


def _of_import(name: str) -> Effect:
    if name in _QUIET:
        return Effect.NONE
    return Effect.OUTPUT if name in _LOUD else Effect.UNKNOWN
