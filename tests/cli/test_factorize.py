"""``burnish factorize``: where events come from, how forms are written, and what is refused."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from burnish.cli import frame


class Standard(io.TextIOWrapper):
    """A standard input that is a pipe."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")


Capture = pytest.CaptureFixture[str]


def factorize(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """Exit code, what was printed, and the complaint."""
    code = frame.main(["factorize", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.mark.parametrize(
    ("string", "text"),
    [
        ("abjbhcfefghcfefghijbhcfefghcfefghijk", "ab(jb(hcfefg)2hi)2jk"),
        ("äöäö", "(äö)2"),
        ("121212", r"(\1\2)3"),
        ("(a)(a)", r"(\(a\))2"),
        ("a2a2b33", r"(a\2)2b\32"),
        ("\\\\\\", r"\\3"),
    ],
)
def test_strings(capsys: Capture, string: str, text: str) -> None:
    assert factorize(capsys, string) == (0, f"{text}\n", "")


def test_files_and_the_standard_input(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "letters").write_text("ab\nab\n")
    assert factorize(capsys, "--file", str(tmp_path / "letters"))[:2] == (0, "(ab)2\n")
    (tmp_path / "tokens").write_bytes(b"\xef\xbb\xbfcall f\r\n10\r\ncall f\r\n10\r\n\r\n")
    assert factorize(capsys, "--tokens", "-f", str(tmp_path / "tokens"))[:2] == (0, "(call\\ f 10)2\n")
    for arguments in ((), ("--file", "-")):
        monkeypatch.setattr(sys, "stdin", Standard(b"x\ny\nx\ny\n"))
        assert factorize(capsys, "--tokens", *arguments)[:2] == (0, "(x y)2\n")


def test_json_is_the_grammar_too(capsys: Capture) -> None:
    code, printed, _ = factorize(capsys, "--json", "xyyxyyz")
    assert code == 0
    document = json.loads(printed)
    assert list(document)[:3] == ["schema_version", "burnish", "verb"]
    assert {name: document[name] for name in ("events", "length", "rules", "exact", "window", "text")} == {
        "events": 7,
        "length": 5,
        "rules": 2,
        "exact": True,
        "window": None,
        "text": "(xy2)2z",
    }
    names, grammar = document["names"], document["grammar"]
    written = list(names)
    for rule in grammar["rules"]:
        written.append("".join(written[symbol] for symbol in rule["body"]) * rule["count"])
    assert "".join(written[symbol] for symbol in grammar["sequence"]) == "xyyxyyz"


def test_exact_and_fast(capsys: Capture) -> None:
    string = "aabaabaab"
    for flag, exact, window in (("--exact", True, None), ("--fast", False, 64)):
        document = json.loads(factorize(capsys, flag, "--json", string)[1])
        assert (document["text"], document["exact"], document["window"]) == ("(a2b)3", exact, window)
    assert factorize(capsys, "--exact", "--window", "1", string)[1] == "a2ba2ba2b\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [""],
        ["\udcff\udcfe"],
        ["abab", "--window", "0"],
        ["abab", "--window", "-5"],
        ["abab", "--fast", "--window", "40000"],
        ["abab", "--tokens"],
        ["abab", "--file", "anything"],
        ["--file", "no-such-file"],
        ["--file", "."],
        ["abab", "cdcd"],
    ],
)
def test_what_is_refused(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_sentence(factorize(capsys, *arguments))


@pytest.mark.parametrize("from_file", [True, False])
@pytest.mark.parametrize(
    ("data", "tokens"),
    [
        (b"", False),
        (b" \n\t\n", False),
        (b"\n\n", True),
        (b"\x7fELF\x02\x01\xff\xfe", False),
        (b"ab\0ab", False),
        (b"x" * 5000, True),
    ],
    ids=["empty", "white space", "empty lines", "not text", "zero byte", "huge token"],
)
def test_input_that_is_refused(
    capsys: Capture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    tokens: bool,
    from_file: bool,
) -> None:
    arguments = ["--tokens"] if tokens else []
    if from_file:
        (tmp_path / "input").write_bytes(data)
        arguments += ["--file", str(tmp_path / "input")]
    else:
        monkeypatch.setattr(sys, "stdin", Standard(data))
    assert_sentence(factorize(capsys, *arguments))


def test_a_standard_input_that_is_closed(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert_sentence(factorize(capsys))


def assert_sentence(done: tuple[int, str, str]) -> None:
    code, printed, complaint = done
    assert code == 2
    assert not printed
    assert complaint.startswith("burnish: ")
    assert complaint.count("\n") == 1, complaint
    assert "Traceback" not in complaint
