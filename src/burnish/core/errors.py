"""The family of errors that Burnish raises on purpose.

What the user did wrong, or what the machine lacks, is one sentence that says what to do. Anything else that
reaches the user as a traceback is a bug of ours.
"""

from __future__ import annotations


class BurnishError(Exception):
    """Base of all errors of this project; ``str(error)`` is one sentence for the user."""

    exit_code = 2


class UsageError(BurnishError):
    """The request itself makes no sense: options that exclude each other, or one that is missing."""


class ImageError(BurnishError):
    """A file cannot be read as an image: missing, truncated, of another architecture, not ELF."""


class CompileError(ImageError):
    """A compiler rejected the source; ``stderr`` has all that it said."""

    def __init__(self, message: str, stderr: str) -> None:
        super().__init__(message)
        self.stderr = stderr


class FunctionNotFoundError(BurnishError):
    """No function of that name or address is in the image."""


class HostError(BurnishError):
    """This machine lacks something that the request needs (a compiler, a permission, disk space)."""


class TargetError(BurnishError):
    """The program under observation failed: it crashed, ended with an unexpected code, or timed out."""


class LinkError(BurnishError):
    """Rebuilt code cannot be placed: an unknown symbol, a relocation that is not supported or out of reach.

    ``address`` is the image address of the function at fault, or None where no single one is.
    """

    def __init__(self, message: str, address: int | None = None) -> None:
        super().__init__(message)
        self.address = address


class PatchError(BurnishError):
    """A patched copy cannot be written, or a file cannot be given back its original bytes."""


class RefusedError(BurnishError):
    """A single requested function cannot be lifted or rebuilt; carries the reason as data in ``refused``."""

    def __init__(self, refused: object, hint: str = "") -> None:
        super().__init__(f"{refused}; {hint}" if hint else str(refused))
        self.refused = refused


class RecordingError(BurnishError):
    """A recording cannot be read: it is none, it is damaged, or a later Burnish made it."""


class ProfileFileError(BurnishError):
    """Another profiler's file cannot be read: of no known format, or malformed at a line that the sentence names."""


class CertificateError(BurnishError):
    """A certificate cannot be read: it is none, it is damaged, or a later Burnish made it."""
