"""Habits of the house that a reader counts on."""

import ast
import doctest
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "nst").rglob("*.py"))
TEXT = {".py", ".toml", ".md", ".txt", ".yml", ".json", ".sh", ""}
PARTS = ("nst", "tests", "configs", "benchmarks", "results", ".ci")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def is_script(node: ast.AST) -> bool:
    """Tell whether this is the part of a module that runs with `python -m`."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def forbidden(tree: ast.AST) -> list[str]:
    """Return what only a script may do, with its line: print, leave the process, assert."""
    found = []
    script = {id(part) for node in ast.walk(tree) if is_script(node) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in script:
            continue
        if isinstance(node, ast.Assert):
            found.append(f"assert:{node.lineno}")
        elif isinstance(node, ast.Name) and node.id in ("print", "exit", "quit", "SystemExit"):
            found.append(f"{node.id}:{node.lineno}")
        elif isinstance(node, ast.Attribute) and node.attr in ("exit", "_exit"):
            if isinstance(node.value, ast.Name) and node.value.id in ("sys", "os"):
                found.append(f"{node.value.id}.{node.attr}:{node.lineno}")
    return found


def test_forbidden_things_are_seen():
    code = "assert x\nprint(x)\nsys.exit(1)\nraise SystemExit(2)\nos._exit(3)\nx.exit()\n"
    expected = ["assert:1", "print:2", "sys.exit:3", "SystemExit:4", "os._exit:5"]
    assert sorted(forbidden(ast.parse(code))) == sorted(expected)
    script = 'if __name__ == "__main__":\n    raise SystemExit(1)\nif x:\n    exit()\n'
    assert forbidden(ast.parse(script)) == ["exit:4"]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_neither_asserts_nor_prints_nor_exits(path):
    found = forbidden(parse(path))
    if path.name == "run.py":
        found = [entry for entry in found if not entry.startswith("print:")]
    assert not found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_is_short(path):
    """Over about 300 lines smells of two jobs; whether it is two, the reader decides."""
    assert len(path.read_text("utf-8").splitlines()) <= 400


def test_warnings_reach_the_report_of_the_work():
    """`core.progress.warn` warns as Python does and adds the line to the report."""
    direct = [name_of(path) for path in MODULES if "warnings.warn(" in path.read_text("utf-8")]
    assert direct == ["nst/core/progress.py"]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_names_have_docstrings(path):
    tree = parse(path)
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    public = [n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]
    missing = [node.name for node in public if not ast.get_docstring(node)]
    assert ast.get_docstring(tree) and not missing


@pytest.mark.parametrize(
    "path", [path for path in MODULES if ">>> " in path.read_text("utf-8")], ids=name_of
)
def test_examples_in_docstrings_are_true(path):
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0


def test_no_file_knows_the_machine_it_was_written_on():
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for part in PARTS for path in (ROOT / part).rglob("*") if path.is_file()]
    files = [path for path in files if path.suffix in TEXT and "__pycache__" not in path.parts]
    assert ROOT / "train.py" in files
    # Folders of users, and the one that this checkout lies in.
    folders = {Path("/home"), Path.home(), ROOT.parent} - {Path("/")}
    machine = re.compile("|".join(rf"(?<![\w.]){re.escape(str(f))}/" for f in folders))
    exempt = {Path(__file__), ROOT / ".git"}
    hits = [
        f"{name_of(path)}:{number}"
        for path in files
        if path not in exempt
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
        if machine.search(line)
    ]
    assert not hits
