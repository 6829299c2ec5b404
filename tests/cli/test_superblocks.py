"""``burnish superblocks``: what it prints and writes, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from burnish.cli import frame
from burnish.core.recording import What
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions

TEXT = """
int a[256], b[256];
__attribute__((noinline)) int fill(int n) { for (int i = 0; i < n; i++) a[i] = b[i] * 3; return a[n / 2]; }
__attribute__((noinline)) int unused(int n) { return a[n]; }
int main(int argc, char **argv) { return argc > 7 ? unused(argc) : fill(256 / (argc > 1 ? 256 : 1)) & 0; }
"""
RARE = """
volatile int sink;
unsigned s = 1;
__attribute__((noinline)) void nest(int n) {
    for (int i = 0; i < n; i++) for (int j = 0; j < 30; j++) for (int k = 0; k < 20; k++) {
        s = s * 1103515245u + 12345u;
        if ((s >> 16) % 100 == 0) switch (s >> 24 & 3) {
            case 0: sink = 1; break;
            case 1: sink += 2; break;
            default: sink ^= 5;
        }
    }
}
int main(void) { nest(40); return 0; }
"""
Capture = pytest.CaptureFixture[str]
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make(build: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Records functions of the program: ``make(functions, *what)`` gives the recording."""
    program = build("filled", TEXT, "-g")

    def recorded(functions: str, *what: What) -> Path:
        output = tmp_path_factory.mktemp("recorded") / "r.burnish"
        record(RecordOptions(str(program), (), output, what, tuple(functions.split(","))))
        return output

    return recorded


@pytest.fixture(scope="module")
def recording(make: Make) -> Path:
    return make("fill", What.EDGES, What.BLOCKS, What.MEMORY)


def run(capsys: Capture, *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, what was printed, and the complaint."""
    capsys.readouterr()
    code = frame.main(["superblocks", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_table(capsys: Capture, recording: Path) -> None:
    code, out, _ = run(capsys, recording)
    assert code == 0
    assert "fill loop" in out
    assert "independent" in out
    assert "text.c:3" in out


def test_json(capsys: Capture, recording: Path) -> None:
    code, out, _ = run(capsys, recording, "--json", "--cores", "8")
    document = json.loads(out)
    assert code == 0
    assert document["cores"] == 8
    assert [one["cores"] for one in document["findings"][0]["predictions"]] == [1, 2, 4, 8]


def test_loops_around_rare_blocks_are_found(
    build: Callable[..., Path], tmp_path: Path, capsys: Capture
) -> None:
    """In one round of a hundred the innermost loop takes another way, as data says: as a string nothing outside of it
    comes again (``test_factorise``)."""
    program = build("rare", RARE, "-O2")
    what = (What.EDGES, What.BLOCKS, What.MEMORY)
    record(RecordOptions(str(program), (), tmp_path / "r", what, ("nest",)))
    document = json.loads(run(capsys, tmp_path / "r", "--json")[1])
    trips = [region["trips"] for region in document["regions"] if region["loop"]]
    assert trips == [[[40, 1]], [[30, 40]], [[20, 1200]]]
    forms = [region["form"] for region in document["regions"] if not region["loop"]]
    assert ")20" in forms[0] and ")30" in forms[0] and ")40" in forms[0] and "|" in forms[0]


def test_costs_change_what_is_predicted(capsys: Capture, recording: Path) -> None:
    _, dear, _ = run(capsys, recording, "--json", "--cost", "enter=1e9")
    _, free, _ = run(capsys, recording, "--json", "--cost", "enter=0", "--cost", "task=0")
    dear_, free_ = (json.loads(text)["findings"][0]["predictions"][-1]["speedup"] for text in (dear, free))
    assert dear_ == 1.0 < free_


@pytest.mark.parametrize("arguments", [(), ("--function", "fill")])
def test_pictures(capsys: Capture, recording: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    drawing, graph = tmp_path / "p.svg", tmp_path / "p.dot"
    assert run(capsys, recording, *arguments, "--graph", drawing)[0] == 0
    assert ElementTree.parse(drawing).getroot().tag.endswith("svg")
    assert run(capsys, recording, *arguments, "--graph", graph)[0] == 0
    assert graph.read_text().startswith("digraph")
    code, out, _ = run(capsys, recording, *arguments, "--format", "dot")
    assert (code, out) == (0, graph.read_text())


def test_an_empty_recording(capsys: Capture, make: Make) -> None:
    empty = make("unused", What.EDGES, What.BLOCKS, What.MEMORY)
    code, out, err = run(capsys, empty)
    assert (code, out) == (2, "")
    assert "no recorded function ran" in err


@pytest.mark.parametrize("what", [(What.EDGES,), (What.EDGES, What.BLOCKS), (What.VALUES,)])
def test_a_recording_without_accesses(capsys: Capture, make: Make, what: tuple[What, ...]) -> None:
    code, out, err = run(capsys, make("fill", *what))
    assert (code, out) == (2, "")
    assert "--what memory" in err


def test_a_recording_that_was_cut_off(capsys: Capture, recording: Path, tmp_path: Path) -> None:
    for name in ("trace", "edges.parquet", "sites.parquet"):
        cut = tmp_path / name / "cut.burnish"
        shutil.copytree(recording, cut)
        for path in cut.rglob("*.parquet"):
            if name in (path.name, path.parent.name):
                path.write_bytes(path.read_bytes()[:-20])
        code, out, err = run(capsys, cut)
        assert (code, out) == (2, "")
        assert err.count("\n") == 1 and err.startswith("burnish: ")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--function", "nowhere"), "nowhere"),
        (("--cores", "0"), "0 cores"),
        (("--cores", "65"), "65 cores"),
        (("--bias", "1"), "bias of 1"),
        (("--bias", "nan"), "bias of nan"),
        (("--cost", "task"), "'task' is no cost"),
        (("--cost", "task=-1"), "'-1' is no cost"),
        (("--cost", "window=0.5"), "'0.5' is no cost"),
        (("--graph", "picture.png"), "--format"),
        (("--json", "--format", "svg"), "--json"),
    ],
)
def test_wrong_input(capsys: Capture, recording: Path, arguments: tuple[str, ...], complaint: str) -> None:
    code, out, err = run(capsys, recording, *arguments)
    assert (code, out) == (2, "")
    assert complaint in err
    assert err.count("\n") == 1


def test_what_is_no_recording(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    for path in (tmp_path, tmp_path / "text", tmp_path / "nowhere"):
        code, out, err = run(capsys, path)
        assert (code, out) == (2, "")
        assert err.startswith("burnish: ")
