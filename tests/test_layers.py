"""Imports point down only, and a usage error never waits for torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nst"
SCRIPTS = ("train.py", "style_transfer.py", "stylize_video.py")
LAYERS = (
    ("errors",),
    ("files", "options"),
    ("optimize_options",),
    ("tensors", "config", "weights", "cli", "device", "frames", "pixels", "pipeline"),
    # Below the readers, writers and stories that they serve.
    ("onnx_graph",)
    + ("camera", "video_decoder", "video_encoder", "gif_encoder", "parallel", "tflite")
    + ("small_deeplab", "convolution"),
    (
        ("warp", "losses", "vgg", "transformer_net", "style_encoder", "flow", "segmentation")
        + ("image_io", "video_reader", "video_writer", "masks", "window")
    ),
    (
        ("metrics", "datasets", "motion", "coherence", "checkpoint", "one_pass")
        + ("style_statistics", "descent")
    ),
    ("objective", "memory_plan", "carrying", "frame_store", "onnx_net"),
    ("optimization",),
    # Parts of a story that outgrew its file.
    ("styles", "style_targets", "refinement", "training_log", "training_state", "measurement")
    + ("optimize_record", "frame_painter"),
    ("regions",),
    ("mask_files",),
    ("region_masks",),
    ("painting",),
    # The long way of two stories.
    ("optimize", "optimize_video"),
    ("training", "video", "pictures", "evaluation", "export", "catalogue"),
    ("reference",),
)
LEVEL = {module: level for level, modules in enumerate(LAYERS) for module in modules}
STORIES = set(LAYERS[-2])
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def nst_imports(tree: ast.AST) -> set[str]:
    """Return the modules of nst that this code imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.level or node.module == "nst"):
            names = [f"nst.{node.module or alias.name}" for alias in node.names]
            if node.module == "nst":
                names = [f"nst.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("nst.")}
    return found


@pytest.mark.parametrize(
    "code",
    [
        "import nst.vgg",
        "import nst.vgg as v",
        "from nst import vgg",
        "from nst.vgg import X",
        "from . import vgg",
        "from .vgg import X",
        "def f():\n    from nst.vgg import X",
    ],
)
def test_every_form_of_import_is_seen(code):
    assert nst_imports(ast.parse(code)) == {"vgg"}


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_lower_layers_only(name):
    imported = nst_imports(ast.parse((PACKAGE / name).read_text("utf-8")))
    module = name.removesuffix(".py")
    if module == "__init__":
        assert not imported
        return
    assert module in LEVEL, f"nst/{name} has no layer: give it one here and in the design"
    allowed = {m for m, level in LEVEL.items() if level < LEVEL[module]}
    assert imported <= allowed


def test_package_docstring_is_all_there_is():
    body = ast.parse((PACKAGE / "__init__.py").read_text("utf-8")).body
    assert len(body) == 1 and isinstance(body[0], ast.Expr)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_imports_one_story_and_late(script):
    tree = ast.parse((ROOT / script).read_text("utf-8"))
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert nst_imports(ast.Module(top, [])) == {"cli", "config"}
    stories = nst_imports(tree) - {"cli", "config"}
    assert len(stories) == 1 and stories <= STORIES


@pytest.mark.parametrize("start", ["import nst.config", "import nst.cli"])
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
    code += "import nst.training"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
