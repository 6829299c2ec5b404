"""A recording is a folder or one zip file; both say the same, and what is wrong with either is one sentence."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import burnish
from burnish.cli.frame import main
from burnish.core.errors import BurnishError, HostError, RecordingError
from burnish.core.recording import What
from burnish.pipeline.record import record
from burnish.pipeline.recording import RecordOptions
from burnish.record.store import Recording, new_recording, open_recording, pq

FILES = Path(__file__).parents[1] / "files"
EVERYTHING = (What.EDGES, What.BLOCKS, What.MEMORY)
VERBS = ("profile {}", "annotate {} -f classify", "export {} --format fdata -o out")


@pytest.fixture(scope="module")
def program(build: Callable[..., Path]) -> Path:
    return build("recorded", (FILES / "recorded.c").read_text(), "-pthread")


@pytest.fixture(scope="module")
def folder(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with every table, of five threads."""
    output = tmp_path_factory.mktemp("recording") / "r"
    record(RecordOptions(str(program), ("threads", "300"), output, EVERYTHING, ("classify", "climb")))
    return output


@pytest.fixture(scope="module")
def packed(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One as a zip file."""
    output = tmp_path_factory.mktemp("recording") / "r.zip"
    record(RecordOptions(str(program), ("threads", "300"), output, EVERYTHING, ("classify", "climb")))
    return output


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a copy of the recording in it."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, "r")
    return tmp_path


def everything(recording: Recording) -> dict[str, object]:
    """All that a reader can get."""
    found: dict[str, object] = {name: recording.to_arrow(name).to_pylist() for name in recording.tables}
    for pair in recording.traced_threads():
        found[f"trace {pair}"] = recording.trace(*pair).tolist()
        found[f"accesses {pair}"] = recording.accesses(*pair).tolist()
    return found


def zipped(folder: Path, file: Path, method: int = zipfile.ZIP_STORED, root: str = "") -> Path:
    with zipfile.ZipFile(file, "w", method) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, root + path.relative_to(folder).as_posix())
    return file


def test_a_zip_file_is_one_file_that_any_tool_reads(program: Path, packed: Path) -> None:
    assert [path.name for path in packed.parent.iterdir()] == [packed.name]
    with zipfile.ZipFile(packed) as archive:
        assert archive.testzip() is None
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        assert "manifest.json" in archive.namelist()
        assert "trace/00001.parquet" in archive.namelist()
    rows = burnish.profile(packed).functions
    assert {row.name: row.calls for row in rows} == {"classify": 4 * 300, "climb": 0}


def test_a_zip_file_says_what_the_folder_in_it_says(folder: Path, tmp_path: Path) -> None:
    expected = everything(open_recording(folder))
    assert len(expected) > 12
    stored = zipped(folder, tmp_path / "a.zip")
    deflated = zipped(folder, tmp_path / "b.zip", zipfile.ZIP_DEFLATED, "some/where/")
    shutil.copy(stored, tmp_path / "no-suffix")
    for path in (stored, deflated, tmp_path / "no-suffix"):
        assert everything(open_recording(path)) == expected
        assert open_recording(path).manifest == open_recording(folder).manifest


def test_every_verb_reads_zip_files(packed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "r")
    outputs: list[str] = []
    for path in (packed, tmp_path / "r"):
        assert main(["profile", str(path)]) == 0
        assert main(["annotate", str(path), "-f", "classify"]) == 0
        outputs.append(capfd.readouterr().out)
        for kind in ("callgrind", "branches", "parquet"):
            assert main(["export", str(path), "--format", kind, "-o", str(tmp_path / kind)]) == 0
        made = sorted(
            p
            for k in ("callgrind", "branches", "parquet")
            for p in [tmp_path / k, *(tmp_path / k).rglob("*")]
        )
        outputs.append("".join(f"{p.name} {p.read_bytes().hex()}\n" for p in made if p.is_file()))
        shutil.rmtree(tmp_path / "parquet")
    assert outputs[0] == outputs[2]
    assert outputs[1] == outputs[3]


def test_the_trace_is_read_in_place(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a stored member no more is read than what was asked for."""
    read: list[int] = []
    original = os.pread

    def counting(descriptor: int, size: int, offset: int) -> bytes:
        read.append(size)
        return original(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", counting)
    recording = open_recording(packed)
    assert len(recording.functions) == 2
    assert 0 < sum(read) < packed.stat().st_size // 4


def test_an_earlier_recording_is_replaced_in_the_end_and_nothing_else_is(program: Path, here: Path) -> None:
    def again(output: str, rounds: str) -> int:
        record(RecordOptions(str(program), ("plain", rounds), Path(output), functions=("classify",)))
        return burnish.profile(output).functions[0].calls

    assert again("r", "10") == 10
    assert again("r.zip", "20") == 20
    assert again("r.zip", "30") == 30
    zipped(Path("r"), Path("named-as-a-folder"))
    assert again("named-as-a-folder", "40") == 40
    assert Path("named-as-a-folder").is_dir()
    Path("link").symlink_to("r")
    assert again("link", "50") == 50
    assert burnish.profile("r").functions[0].calls == 10
    before = Path("r.zip").read_bytes()
    with pytest.raises(BurnishError):
        record(RecordOptions(str(program), ("plain", "1"), Path("r.zip"), functions=("nosuch",)))
    assert Path("r.zip").read_bytes() == before
    Path("mine.zip").write_bytes(b"mine")
    with zipfile.ZipFile("other.zip", "w") as archive:
        archive.writestr("mine", "mine")
    Path("mine").mkdir()
    Path("mine", "manifest.json").write_text('{"name": "an application", "version": "1"}')
    Path("dangling").symlink_to("nowhere")
    kept = sorted(here.rglob("*"))
    for name in ("mine.zip", "other.zip", "mine", "dangling"):
        with pytest.raises(HostError, match="in the way"):
            new_recording(Path(name))
    assert sorted(here.rglob("*")) == kept


def damaged(here: Path) -> Iterator[tuple[str, str]]:
    """Things that are no sound recording, by name, and what must be said of each."""
    whole = zipped(Path("r"), Path("whole.zip")).read_bytes()
    Path("cut.zip").write_bytes(whole[: len(whole) // 2])
    yield "cut.zip", "end is missing"
    Path("empty.zip").touch()
    yield "empty.zip", "not a recording"
    Path("text.zip").write_text("hello")
    yield "text.zip", "not a recording"
    with zipfile.ZipFile("other.zip", "w") as archive:
        archive.writestr("readme", "hello")
    yield "other.zip", "not a recording"
    with zipfile.ZipFile("tables.zip", "w") as archive:
        for path in Path("r").glob("*.parquet"):
            archive.write(path, path.name)
    yield "tables.zip", "no manifest.json"
    for name in ("functions", "blocks", "edges"):
        shutil.copytree("r", f"no-{name}")
        Path(f"no-{name}", f"{name}.parquet").unlink()
        yield f"no-{name}", f"no table '{name}'"
        zipped(Path(f"no-{name}"), Path(f"no-{name}.zip"))
        yield f"no-{name}.zip", f"no table '{name}'"
        shutil.copytree("r", f"bad-{name}")
        table = Path(f"bad-{name}", f"{name}.parquet")
        data = table.read_bytes()
        table.write_bytes(data[: len(data) // 2])
        yield f"bad-{name}", "is damaged"
        zipped(Path(f"bad-{name}"), Path(f"bad-{name}.zip"))
        yield f"bad-{name}.zip", "is damaged"
        shutil.copytree("r", f"folder-{name}")
        Path(f"folder-{name}", f"{name}.parquet").unlink()
        Path(f"folder-{name}", f"{name}.parquet").mkdir()
        yield f"folder-{name}", f"no table '{name}'"
        shutil.copytree("r", f"other-{name}")
        shutil.copy("r/threads.parquet", f"other-{name}/{name}.parquet")
        yield f"other-{name}", "is damaged"
    # The central directory is whole, and points to what is gone.
    end = whole.rindex(b"PK\x05\x06")
    start = int.from_bytes(whole[end + 16 : end + 20], "little")
    Path("hole.zip").write_bytes(whole[:100] + b"\0" * (start - 100) + whole[start:])
    yield "hole.zip", "what it lists is not what is in it"
    shutil.copytree("r", "future")
    manifest = Path("future", "manifest.json")
    manifest.write_text(manifest.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    yield "future", "later Burnish"
    yield str(zipped(Path("future"), Path("future.zip"))), "later Burnish"
    shutil.copytree("r", "folder-manifest")
    Path("folder-manifest", "manifest.json").unlink()
    Path("folder-manifest", "manifest.json").mkdir()
    yield "folder-manifest", "not a recording"
    yield "r/manifest.json/deeper", "does not exist"
    yield "x" * 5000, "cannot be read"
    os.mkfifo("fifo")
    yield "fifo", "not a recording"
    Path("loop").symlink_to("loop")
    yield "loop", "does not exist"


def test_what_is_wrong_is_one_sentence_in_every_verb(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, said in list(damaged(here)):
        for verb in VERBS:
            words = [name if word == "{}" else word for word in verb.split()]
            code = main(words)
            out, err = capfd.readouterr()
            assert (code, out) == (2, ""), (words, err)
            assert err.startswith("burnish: "), words
            assert said in err, (words, err)
            assert err.count("\n") == 1, (words, err)
            assert not Path("out").exists()


def test_a_damaged_trace_is_told_and_the_counts_are_still_there(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shard = Path("r", "trace", "00001.parquet")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(data)
    for words in ("profile r", "annotate r -f classify", "export r --format callgrind -o a"):
        assert main(words.split()) == 0
    capfd.readouterr()
    for kind in ("branches", "parquet"):
        assert main(["export", "r", "--format", kind, "-o", "out"]) == 2
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert "00001.parquet is damaged" in err
        assert not Path("out").exists()
    assert [path.name for path in here.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["r", "r.zip"])
def test_no_bit_that_flips_goes_unnoticed(here: Path, name: str) -> None:
    """Whatever byte of a recording changes, a reader says so, or what it reads is right."""
    zipped(Path("r"), Path("r.zip"))
    target = Path(name, "blocks.parquet") if name == "r" else Path(name)
    good, data = everything(open_recording(Path(name))), target.read_bytes()
    seed = 20
    choice = random.Random(seed)
    told = 0
    for _ in range(150):
        at = choice.randrange(len(data))
        target.write_bytes(data[:at] + bytes([data[at] ^ (1 << choice.randrange(8))]) + data[at + 1 :])
        try:
            assert everything(open_recording(Path(name))) == good, (seed, at)
        except RecordingError as error:
            assert str(error).count("\n") == 0
            told += 1
    assert told > 50


@pytest.mark.parametrize("name", ["r", "r.zip"])
def test_no_bit_of_a_footer_that_flips_goes_unnoticed(here: Path, name: str) -> None:
    """The end of a Parquet file has no checksum of its own, and pyarrow may crash where it is damaged."""
    data = Path("r", "threads.parquet").read_bytes()
    size = int.from_bytes(data[-8:-4], "little")
    for at in range(len(data) - 8 - size, len(data), 7):
        other = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        Path("r", "threads.parquet").write_bytes(other)
        if name == "r.zip":
            zipped(Path("r"), Path("r.zip"))
        with pytest.raises(RecordingError, match=r"threads\.parquet is damaged"):
            open_recording(Path(name)).to_arrow("threads")


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '{"threads.parquet": "x"}', '{"threads.parquet": 1}'])
def test_damaged_checksums_are_told(here: Path, text: str) -> None:
    (here / "r" / "footers.json").write_text(text)
    with pytest.raises(RecordingError, match=r"is damaged: [^\n]*$"):
        open_recording(Path("r")).to_arrow("threads")


def test_a_recording_without_checksums_of_its_ends_is_read(here: Path) -> None:
    (here / "r" / "footers.json").unlink()
    assert len(open_recording(Path("r")).to_arrow("threads")) == 5


def test_outputs_that_cannot_be_written_are_told(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("mine")
    Path("taken").mkdir()
    for output, kind, said in (
        ("missing/out", "callgrind", "cannot be written"),
        ("file/out", "callgrind", "cannot be written"),
        ("taken", "callgrind", "in the way"),
        ("taken", "parquet", "in the way"),
        ("file", "parquet", "in the way"),
        ("missing/out", "parquet", "cannot be written"),
    ):
        assert main(["export", "r", "--format", kind, "-o", output]) == 2
        out, err = capfd.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert said in err
    assert Path("file").read_text() == "mine"
    assert sorted(path.name for path in here.iterdir()) == ["file", "r", "taken"]


def test_a_full_disk_is_told_and_leaves_nothing(program: Path, here: Path) -> None:
    small = here / "small"
    small.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        for name in ("r", "r.zip"):
            options = RecordOptions(
                str(program), ("plain", "100000"), small / name, EVERYTHING, ("classify",)
            )
            with pytest.raises(HostError, match=os.strerror(errno.ENOSPC)):
                record(options)
            assert list(small.iterdir()) == []
        with pytest.raises(HostError, match=os.strerror(errno.ENOSPC)):
            burnish.export("r", "parquet", small / "out")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_function_that_never_ran_is_an_empty_recording(
    program: Path, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = RecordOptions(str(program), ("leave", "4"), Path("e.zip"), EVERYTHING, ("climb",))
    assert record(options).entered == 0
    for words in ("profile e.zip", "profile e.zip -f climb", "annotate e.zip -f climb"):
        assert main(words.split()) == 0
        assert "climb" in capfd.readouterr().out
    assert main(["profile", "e.zip", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["functions"][0]["calls"] == 0
    for kind in ("callgrind", "fdata", "branches", "parquet"):
        assert main(["export", "e.zip", "--format", kind, "-o", kind]) == 0
    assert Path("branches").read_bytes() == Path("fdata").read_bytes() == b""
    recording = open_recording(Path("e.zip"))
    assert recording.trace().tolist() == recording.accesses().tolist() == []
    assert list(recording.trace_chunks()) == []


def test_one_thread_is_read_without_the_others(folder: Path) -> None:
    recording = open_recording(folder)
    threads = recording.traced_threads()
    assert len(threads) == 4
    rows = [row for row in recording.to_arrow("trace").to_pylist() if row["thread"] == threads[1][1]]
    chunks = list(recording.trace_chunks(*threads[1]))
    assert [len(chunk) for chunk in chunks] != []
    assert sum(map(len, chunks)) < sum(row["events"] for row in rows)
    assert [n for chunk in chunks for n in chunk.tolist()] == recording.trace(*threads[1]).tolist()
    assert [row for chunk in recording.access_chunks(*threads[1]) for row in chunk.tolist()] == (
        recording.accesses(*threads[1]).tolist()
    )
    groups = pq.ParquetFile(folder / "trace" / "00001.parquet").metadata
    assert groups.num_row_groups == len(threads)
    assert recording.trace(thread=12345678).tolist() == []


def test_a_folder_that_may_not_be_read(here: Path) -> None:
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("needs setpriv to give the rights of root up")
    here.chmod(0o755)
    Path("r").chmod(0)
    drop = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    words = [*drop, sys.executable, "-m", "burnish", "profile", str(here / "r")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    Path("r").chmod(0o755)
    if "No module named burnish" in done.stderr or done.returncode == 126:
        pytest.skip("another user cannot read this installation")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("burnish: ")
    assert "denied" in done.stderr or "not readable" in done.stderr


def test_a_recording_shows_itself(folder: Path, packed: Path) -> None:
    for path in (folder, packed):
        recording = open_recording(path)
        text = str(recording.display())
        assert text == repr(recording.display())
        rows = {line.split("   ")[0].strip(): line.split() for line in text.splitlines()}
        blocks = recording.blocks.to_pylist()
        own = [row for row in blocks if row["function"] == 0]
        assert rows["classify"][1:] == [
            "recorded",
            str(len(own)),
            f"{sum(row['entered'] for row in own):,}",
            f"{sum(row['entered'] * row['instructions'] for row in own):,}",
        ]
        assert rows["edges"][1] == f"{recording.edges.num_rows}"
        assert f"trace, {recording.events:,} records" in text
        assert "5 threads" in text
        assert "edges, blocks, memory" in text
    page = recording._repr_html_()
    assert page == recording.display().to_html()
    parser = HTMLParser()
    parser.feed(page)
    assert page.count("<table") == page.count("</table>") == 2
    assert "<script" not in page
    assert f"{recording.edges.num_rows}</td>" in page


def test_what_is_shown_is_not_believed(here: Path) -> None:
    """Names come from files that nobody has checked."""
    manifest = Path("r", "manifest.json")
    document = json.loads(manifest.read_text())
    document["command"] = ["<script>alert(1)</script>"]
    document["warnings"] = ["a & b"]
    manifest.write_text(json.dumps(document))
    page = open_recording(Path("r")).display().to_html()
    assert "<script" not in page
    assert "a &amp; b" in page
