"""What is around every verb: dispatch, ``--``, exit codes, and one sentence for every failure."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from burnish import __version__
from burnish.cli.verbs import VERBS, Verb
from burnish.core.errors import BurnishError

INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + signal.SIGPIPE
TERMINATED = 128 + signal.SIGTERM
USAGE = 2
BUG = 70  # EX_SOFTWARE of sysexits.h

EXIT_CODES = """\
Exit codes: 0 done or holds, 1 found or refuted, 2 usage or environment, 3 unknown,
70 a bug in Burnish, 130 interrupted."""

_ENVIRONMENT = """\
Environment: NO_COLOR turns colours off; BURNISH_DEBUG=1 shows the traceback of a bug;
TMPDIR holds temporary files."""

_COMPLETION_OPTIONS = ("--install-completion", "--show-completion")
_COMPLETION_VARIABLE = "_BURNISH_COMPLETE"

# What the operating system refuses for reasons that the user can remove. Any other OSError is a bug of ours.
_ENVIRONMENT_ERRORS = {
    errno.ENOSPC: "no space is left on the device",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "the operation is not permitted",
    errno.EMFILE: "too many files are open (see ulimit -n)",
    errno.ENFILE: "too many files are open on this machine",
    errno.ENOMEM: "memory is used up",
    errno.EAGAIN: "a limit on processes or memory is reached (see ulimit -u)",
    errno.EIO: "the device reports an input/output error",
}


@dataclass(frozen=True, slots=True)
class Invocation:
    """What the command line says beyond the verb's own options: ``command`` is what stands after ``--``, or
    None where there is no ``--``."""

    command: tuple[str, ...] | None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: this process's) and return its exit code. Never raises."""
    if argv is None:
        signal.signal(signal.SIGTERM, _terminate)
        _never_fail_to_encode()
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except BaseException as error:
        return _explain(error)


def help_text() -> str:
    """The text of ``burnish --help``."""
    width = max(map(len, VERBS))
    rows = "\n".join(f"  {name:<{width}}  {verb.summary}" for name, verb in VERBS.items())
    return (
        "Usage: burnish VERB [OPTIONS] [ARGUMENTS]\n\n"
        "Watches compiled x86-64 code run, and rebuilds it so that it runs faster.\n\n"
        f"Verbs:\n{rows}\n\n"
        "Options:\n"
        "  -h, --help            Show this text; after a verb, the verb's own.\n"
        "  --version             Show the version.\n"
        "  --show-completion     Show the completion script of the current shell.\n"
        "  --install-completion  Install it.\n\n"
        f"{EXIT_CODES}\n{_ENVIRONMENT}\n"
    )


def _dispatch(arguments: list[str]) -> int:
    if os.environ.get(_COMPLETION_VARIABLE) or (arguments and arguments[0] in _COMPLETION_OPTIONS):
        return _complete(arguments)
    if not arguments:
        sys.stderr.write(help_text())
        return USAGE
    name, rest = arguments[0], arguments[1:]
    if name in ("-h", "--help"):
        sys.stdout.write(help_text())
        return 0
    if name == "--version":
        print(f"burnish {__version__}")
        return 0
    if name not in VERBS:
        return _say(_unknown(name), USAGE)
    return _run_verb(name, VERBS[name], rest)


def _run_verb(name: str, verb: Verb, arguments: list[str]) -> int:
    from importlib import import_module

    import typer
    from typer.main import get_command

    command: tuple[str, ...] | None = None
    if "--" in arguments:
        cut = arguments.index("--")
        arguments, command = arguments[:cut], tuple(arguments[cut + 1 :])
        if not verb.takes_command:
            return _say(f"{name} takes nothing after --", USAGE)

    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    settings = {"help_option_names": ["-h", "--help"]}
    app.command(name, epilog=EXIT_CODES, context_settings=settings)(
        import_module(f"burnish.cli.{verb.module}").run
    )
    parser = get_command(app)
    try:
        with parser.make_context(f"burnish {name}", arguments, obj=Invocation(command)) as context:
            return int(parser.invoke(context) or 0)
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except typer.TyperException as error:
        return _say(" ".join(error.format_message().replace("Value error, ", "").split()), USAGE)


def _complete(arguments: list[str]) -> int:
    """Shell completion, by typer; the one place that imports every verb."""
    from importlib import import_module

    import typer

    app = typer.Typer(rich_markup_mode=None)
    for name, verb in VERBS.items():
        app.command(name, help=verb.summary)(import_module(f"burnish.cli.{verb.module}").run)
    app(arguments, prog_name="burnish", complete_var=_COMPLETION_VARIABLE)
    return 0


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    kind = "option" if name.startswith("-") else "verb"
    sentence = f"there is no {kind} {name!r}"
    close = get_close_matches(name, VERBS, n=1, cutoff=0.5)
    return f"{sentence}; did you mean {close[0]}?" if close else f"{sentence}; see burnish --help."


def _explain(error: BaseException) -> int:
    """One sentence on stderr for ``error``, and the exit code."""
    match error:
        case BurnishError():
            return _say(str(error), error.exit_code)
        case KeyboardInterrupt():
            return _say("interrupted", INTERRUPTED)
        case BrokenPipeError():
            return _forget_stdout()
        case MemoryError():
            return _say("memory is used up", USAGE)
        case OSError(errno=number) if number in _ENVIRONMENT_ERRORS:
            where = f"{error.filename}: " if error.filename else ""
            return _say(f"{where}{_ENVIRONMENT_ERRORS[number]}", USAGE)
        case SystemExit(code=code):
            return code if isinstance(code, int) else 0 if code is None else _say(str(code), USAGE)
        case _:
            return _explain_bug(error)


def _explain_bug(error: BaseException) -> int:
    import traceback

    text = "".join(traceback.format_exception(error))
    if os.environ.get("BURNISH_DEBUG") == "1":
        sys.stderr.write(text)
        kept = "the traceback is above"
    else:
        kept = _keep_log(text)
    return _say(f"this is a bug in Burnish ({type(error).__name__}); {kept}.", BUG)


def _keep_log(text: str) -> str:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "burnish"
    path = cache / "last-error.log"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        path.write_text(f"burnish {__version__}\n{sys.argv!r}\n{text}")
    except OSError:
        return "BURNISH_DEBUG=1 shows the traceback"
    return f"the traceback is in {path}"


def _say(sentence: str, code: int) -> int:
    try:
        sys.stdout.flush()
        print(f"burnish: {sentence}", file=sys.stderr)
    except OSError:  # a closed stream: there is nobody to tell
        return code
    return code


def _forget_stdout() -> int:
    """After a broken pipe: keeps the interpreter from failing again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _never_fail_to_encode() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _terminate(number: int, frame: object) -> None:
    del number, frame
    raise SystemExit(TERMINATED)
