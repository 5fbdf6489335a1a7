"""Imports point left only, and a usage error never waits for torch."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nst"
SCRIPTS = ("train.py", "style_transfer.py", "stylize_video.py")
# A package imports only from those of the rows above its own.
LAYERS = (
    ("errors",),
    ("core", "options"),
    ("media", "models"),
    ("motion",),
    ("losses",),
    ("styles",),
    ("regions",),
    ("stylize", "optimize", "train"),
    ("export",),
    ("api",),
    ("commands",),
    ("studio",),
)
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")
}


def nst_imports(tree: ast.AST, package: str = "nst") -> set[str]:
    """Return the modules of nst that this code of a package imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) + 1 - node.level]
            origin = ".".join([*base, *filter(None, [node.module])]) if node.level else node.module
            # What is imported from a package is a module of it.
            modules = {f"{origin}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= modules or {origin}
    return {name for name in found if name.startswith("nst.")}


def package_of(module: str) -> str:
    return module.split(".")[1]


@pytest.mark.parametrize(
    "code",
    [
        "import nst.models.vgg",
        "import nst.models.vgg as v",
        "from nst.models import vgg",
        "from nst.models.vgg import X",
        "from . import vgg",
        "from .vgg import X",
        "from ..models.vgg import X",
        "def f():\n    from nst.models.vgg import X",
    ],
)
def test_every_form_of_import_is_seen(code):
    assert nst_imports(ast.parse(code), "nst.models") == {"nst.models.vgg"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_module_imports_from_packages_to_its_left(module):
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    imported = {package_of(name) for name in nst_imports(tree, module.rpartition(".")[0])}
    if module == "nst.__init__":  # for type checkers only
        assert imported == {"api", "core", "errors", "media"}
    elif module == "nst.__main__":
        assert imported == {"commands"}
    else:
        package = package_of(module)
        assert package in LEVEL, f"nst/{package} has no row: give it one here"
        allowed = {other for other, level in LEVEL.items() if level < LEVEL[package]}
        assert imported <= allowed | {package}


@pytest.mark.parametrize("package", sorted(LEVEL.keys() - {"errors", "api"}))
def test_no_modules_of_a_package_import_each_other_in_a_circle(package):
    prefix = f"nst.{package}."
    graph = {
        module: {name for name in nst_imports(ast.parse(path.read_text("utf-8")), f"nst.{package}")
                 if name.startswith(prefix)}
        for module, path in MODULES.items() if module.startswith(prefix)
    }  # fmt: skip
    assert len(graph) > 1
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_packages_hold_no_code_of_their_own():
    """Only their docstring, and the call that makes a package callable."""
    for module, path in MODULES.items():
        if module.endswith("__init__") and module != "nst.__init__":
            code = ast.parse(path.read_text("utf-8")).body[1:]
            lines = [ast.unparse(node).partition("(")[0] for node in code]
            callable_package = "from nst.core.callables import make_callable", "make_callable"
            assert lines in ([], [*callable_package]), module


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_imports_one_command_and_late(script):
    tree = ast.parse((ROOT / script).read_text("utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    early = nst_imports(ast.Module(top, []))
    assert {package_of(name) for name in early} == {"commands", "options"}
    late = nst_imports(tree) - early
    assert len(late) == 1 and late <= {"nst.commands.stylize", "nst.commands.train"}


@pytest.mark.parametrize(
    "start", ["import nst.options.stylize", "import nst.options.tools", "import nst.__main__"]
)
def test_options_need_no_torch(start):
    check = f"import sys; {start}; print(*sorted({{'torch', 'numpy', 'PIL'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("argument", ["--help", "--no-such-option"])
def test_scripts_answer_without_torch(script, argument):
    check = (
        f"import runpy, sys; sys.argv = [{script!r}, {argument!r}]\n"
        f"try: runpy.run_path({script!r}, run_name='__main__')\n"
        "finally: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == (0 if argument == "--help" else 2), done.stderr
    assert done.stdout.splitlines()[-1] == "False"


def test_training_needs_no_video_or_vision_library():
    """A rented GPU machine may have PyTorch, Pillow and NumPy only."""
    code = "import sys\nfor name in ('av', 'cv2', 'skimage'):\n    sys.modules[name] = None\n"
    code += "import nst.train.loop"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
