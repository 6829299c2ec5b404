"""What `make setup` says on a machine that lacks something."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECK = ROOT / "tools" / "check-host"


def check(
    folder: Path, programs: dict[str, str | None], python: str = "python3"
) -> subprocess.CompletedProcess[str]:
    """Run the check where only ``programs`` exist: None links the real one, text is a script in its place."""
    folder.mkdir()
    for name, script in {"bash": None, "uname": None, **programs}.items():
        path = folder / name
        if script is None:
            real = shutil.which(name)
            if real is None:
                pytest.skip(f"{name} is not installed")
            path.symlink_to(real)
        else:
            path.write_text(f"#!/bin/bash\n{script}\n")
            path.chmod(0o755)
    return subprocess.run(
        ["/bin/bash", CHECK],
        env={"PATH": str(folder), "PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )


GOOD_PYTHON = "exit 0"
COMPILERS: dict[str, str | None] = {"gcc": "exit 0", "g++": "exit 0"}

# A Python whose version is right and that lacks what the pattern names.
WITHOUT_VENV = '[[ "$2" == *ensurepip* ]] && exit 1; exit 0'
WITHOUT_HEADERS = '[[ "$2" == *Python.h* ]] && exit 1; exit 0'
OLD_PYTHON = '[ "$1" = --version ] && echo Python 3.9.2; [[ "$2" != *version_info* ]]'


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ({"python3": GOOD_PYTHON}, "gcc g++"),
        ({"python3": WITHOUT_VENV, **COMPILERS}, "python3-venv"),
        ({"python3": WITHOUT_HEADERS, **COMPILERS}, "python3-dev"),
        (COMPILERS, "python3 python3-venv python3-dev"),
        ({"python3": GOOD_PYTHON, "g++": "exit 0", "gcc": "exit 1"}, "libc6-dev"),
    ],
    ids=["compilers", "venv", "headers", "python", "C library"],
)
def test_each_missing_package_is_named_in_one_sentence(
    programs: dict[str, str | None], said: str, tmp_path: Path
) -> None:
    done = check(tmp_path / "bin", programs)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"burnish: install what is missing with: apt-get install {said}\n"


def test_an_old_python_is_named(tmp_path: Path) -> None:
    done = check(tmp_path / "bin", {"python3": OLD_PYTHON, **COMPILERS})
    assert done.returncode == 2
    assert done.stderr.startswith("burnish: Python 3.9.2 is too old")
    assert done.stderr.count("\n") == 1


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    done = check(tmp_path / "bin", {"uname": '[ "$1" = -s ] && echo Linux || echo aarch64'})
    assert done.returncode == 2
    assert done.stderr == "burnish: this is Linux on aarch64, and Burnish needs Linux on x86_64.\n"


def test_a_machine_that_has_all_is_told_nothing(tmp_path: Path) -> None:
    done = check(tmp_path / "bin", {"python3": GOOD_PYTHON, **COMPILERS})
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_this_machine_has_all() -> None:
    done = subprocess.run([CHECK], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_ci_runs_the_commands_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    script = (ROOT / ".ci" / "run").read_text()
    assert "make test" in readme
    assert script.rstrip().endswith("\nmake test")
    assert subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=False).returncode == 0
