"""Sources of Debian packages, fetched by ``apt-get source`` into a folder and unpacked there.

The system's own lists of packages are left alone: apt works on a copy in which each ``deb`` is a ``deb-src``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from harness import ROOT

FOLDER = ROOT / "out" / "sources"
_ETC = Path("/etc/apt")
_LIMIT_S = 300.0


def fetched(packages: Sequence[str], folder: Path = FOLDER) -> dict[str, Path] | str:
    """The unpacked source of each package, fetched where it is not there yet; or a sentence that says why not."""
    missing = [name for name in packages if not _unpacked(folder / name)]
    if missing:
        if shutil.which("apt-get") is None:
            return "apt-get is missing; the sources come from Debian's or Ubuntu's archive"
        environment = _private(folder / "apt")
        words = ["apt-get", "-qq", "update"], ["apt-get", "-qq", "source", "--download-only"]
        for name in missing:
            (folder / name).mkdir(parents=True, exist_ok=True)
        wrong = _run(words[0], folder, environment)
        for name in missing:
            wrong = wrong or _run([*words[1], name], folder / name, environment)
            wrong = wrong or _unpack(folder / name)
        if wrong:
            return wrong
    return {name: _unpacked(folder / name) or folder for name in packages}


def _unpacked(folder: Path) -> Path | None:
    return next((p for p in sorted(folder.glob("*")) if p.is_dir()), None)


def _unpack(folder: Path) -> str:
    for archive in folder.glob("*.orig.tar.*"):
        if archive.suffix != ".asc":
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
    return "" if _unpacked(folder) else f"no source came with {folder.name}"


def _private(folder: Path) -> dict[str, str]:
    """Settings of apt for lists and a cache of our own, with the system's archives as sources."""
    for name in ("parts", "lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    found = [*(_ETC / "sources.list.d").glob("*.list"), *(_ETC / "sources.list.d").glob("*.sources")]
    for path in [_ETC / "sources.list", *found]:
        if path.exists():
            text = re.sub(r"(?m)^deb(?=\s)", "deb-src", path.read_text())
            text = re.sub(r"(?m)^Types:.*", "Types: deb-src", text)
            name = "system.list" if path.name == "sources.list" else path.name
            (folder / "parts" / name).write_text(text)
    (folder / "conf").write_text(
        f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "{folder / "parts"}";\n'
        f'Dir::State::lists "{folder / "lists"}";\nDir::Cache "{folder / "cache"}";\n'
    )
    return dict(os.environ) | {"APT_CONFIG": str(folder / "conf")}


def _run(words: Sequence[str], folder: Path, environment: dict[str, str]) -> str:
    """Empty, or what went wrong."""
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{' '.join(words)} did not end within {_LIMIT_S:.0f} s"
    last = done.stderr.strip().splitlines()
    return f"{' '.join(words)}: {last[-1] if last else 'failed'}" if done.returncode else ""
