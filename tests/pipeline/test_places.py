"""Nothing that is not ours is written over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnish.core.errors import HostError
from burnish.pipeline import places
from burnish.pipeline.places import check_output, check_report, working_folder, write_report

DOCUMENT = '{"burnish": "0", "verb": "optimize"}'


def test_file_names_are_made_of_untrusted_names(tmp_path: Path) -> None:
    names = [
        "f\0s",
        "../../f\0s",
        "a/b\0s",
        "a b\0s",
        "a_b\0s",
        "\0s",
        "x" * 5000 + "\0s",
        "..\0s",
        "report\0json",
    ]
    folder = tmp_path / "r"
    written = write_report(folder, DOCUMENT, dict.fromkeys(names, "text"))
    assert len(set(written)) == len(names)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*written, "report.json"])
    assert list(tmp_path.iterdir()) == [folder]
    assert json.loads((folder / "report.json").read_text())["verb"] == "optimize"


def test_an_earlier_report_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    write_report(folder, DOCUMENT, {"old\0s": "1", "both\0s": "1"})
    (folder / "notes").write_text("mine")
    write_report(folder, DOCUMENT, {"new\0s": "2", "both\0s": "2"})
    assert sorted(path.name for path in folder.iterdir()) == ["both.s", "new.s", "notes", "report.json"]
    assert (folder / "both.s").read_text() == "2"
    assert (folder / "notes").read_text() == "mine"


@pytest.mark.parametrize("content", ["not json", "[]", '{"files": ["mine"]}'])
def test_a_foreign_folder_is_left_alone(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / "report.json").write_text(content)
    (folder / "mine").write_text("mine")
    with pytest.raises(HostError, match="holds other files"):
        write_report(folder, DOCUMENT, {"f\0s": "1"})
    assert (folder / "report.json").read_text() == content
    assert (folder / "mine").read_text() == "mine"


def test_a_report_cannot_name_files_outside_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    folder.mkdir()
    (tmp_path / "precious").write_text("mine")
    (folder / "report.json").write_text('{"burnish": "0", "files": ["../precious", 3]}')
    write_report(folder, DOCUMENT, {})
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_failed_report_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expecting value"):
        write_report(tmp_path / "r", "no document", {"f\0s": "1"})
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_the_way(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_text("x")
    (tmp_path / "link").symlink_to(source)
    for path, words in (
        (tmp_path, "is a directory"),
        (source, "is the input"),
        (tmp_path / "link", "is the input"),
        (Path("/dev/null"), "not a regular file"),
        (tmp_path / "no" / "out", "does not exist"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(HostError, match=words):
            check_output(path, [source])
    check_output(tmp_path / "out", [source])
    with pytest.raises(HostError, match="no folder"):
        check_report(source)
    check_report(tmp_path / "a" / "b")


def test_the_working_folder_goes_and_must_allow_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places.tempfile, "tempdir", str(tmp_path))
    with working_folder() as folder:
        (folder / "x").write_text("1")
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    closed = [m[1] for m in mounts if "noexec" in m[3].split(",") and Path(m[1]).is_dir()]
    if not closed:
        pytest.skip("no file system is mounted noexec")
    monkeypatch.setattr(places.tempfile, "tempdir", closed[0])
    with pytest.raises(HostError, match="noexec"), working_folder():
        pass
