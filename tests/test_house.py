"""The house rules of CONTRIBUTING.md, held by force."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src" / "burnish").rglob("*.py"))
NATIVE = sorted(p for p in (ROOT / "native").rglob("*") if p.suffix in {".cpp", ".h", ".hpp", ".c", ".S"})

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def where(path: Path, line: int | None = None) -> str:
    name = str(path.relative_to(ROOT))
    return name if line is None else f"{name}:{line}"


def tracked() -> list[Path]:
    """Every text file of the repository, from git where there is one."""
    done = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        return [*SOURCES, *NATIVE]
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def public_definitions(module: ast.Module) -> Iterator[tuple[str, Definition]]:
    """Public classes and functions of a module, and public methods of its public classes."""
    for node in module.body:
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        yield node.name, node
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, Definition) and not member.name.startswith("_"):
                    yield f"{node.name}.{member.name}", member


def protocol_members(modules: Iterable[ast.Module]) -> set[str]:
    """Names of the methods of all protocols."""
    return {
        member.name
        for module in modules
        for node in module.body
        if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(base) for base in node.bases)
        for member in node.body
        if isinstance(member, ast.FunctionDef)
    }


def decorators(node: Definition) -> set[str]:
    return {ast.unparse(decorator) for decorator in node.decorator_list}


def test_layers_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_layers_of_the_table_are_those_that_are_enforced() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    enforced = [layer for layer in contract["layers"] if layer != "__main__"]
    table = re.findall(r"^\| `(\w+)/` \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert table == enforced[::-1]


def test_files_stay_short() -> None:
    lengths = {path: path.read_text().count("\n") for path in SOURCES}
    long = [f"{where(path)}: {lines} lines" for path, lines in lengths.items() if lines > MAX_FILE_LINES]
    assert not long, "\n".join(long)


def test_functions_stay_short() -> None:
    long = [
        f"{where(path, node.lineno)} {node.name}: {length} lines"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert not long, "\n".join(long)


def test_public_things_have_docstrings() -> None:
    modules = {path: ast.parse(path.read_text()) for path in SOURCES}
    bare = [where(path) for path, module in modules.items() if module.body and not ast.get_docstring(module)]
    in_protocols = protocol_members(modules.values())
    for path, module in modules.items():
        for name, node in public_definitions(module):
            # A property reads as a field, and a protocol says what its members mean.
            if "property" in decorators(node) or name.rpartition(".")[2] in in_protocols:
                continue
            if not ast.get_docstring(node):
                bare.append(f"{where(path, node.lineno)} {name}")
    assert not bare, "\n".join(bare)


def test_no_path_of_a_developers_machine() -> None:
    personal = re.compile(
        r"/(?:home|Users)/[a-z]\w*/|/work/(?!\.\.)\w+|/opt/pypi|file://|https?://(?:pypi|files)\."
    )
    found = [
        f"{where(path, number)}: {line.strip()}"
        for path in tracked()
        if path.suffix in {".py", ".cpp", ".h", ".md", ".toml", ".txt", ".sh", ""}
        and path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if personal.search(line)
    ]
    assert not found, "\n".join(found)


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import burnish; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = ast.literal_eval(done.stdout)
    # An editable install may add its own finder.
    assert [name for name in loaded if name.startswith("burnish.")] == []
    assert not {"llvmlite", "numpy", "pypcode", "lief", "rich", "typer", "torch"} & set(loaded)


def test_the_public_face_resolves() -> None:
    import burnish

    for name in burnish.__all__:
        assert getattr(burnish, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = burnish.nothing  # pyright: ignore


def test_every_module_imports() -> None:
    modules = [".".join(p.relative_to(ROOT / "src").with_suffix("").parts) for p in SOURCES]
    modules = [m.removesuffix(".__init__") for m in modules if not m.endswith("__main__")]
    code = f"import importlib\nfor m in {modules!r}: importlib.import_module(m)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
