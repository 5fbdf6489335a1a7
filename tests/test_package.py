"""The package as it is installed: a wheel, in an environment of its own, away from the checkout."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import media
import numpy as np
import pytest
from PIL import Image

import nst
from nst.options.recipes import find_recipe

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    pytest.importorskip("setuptools", minversion="77")
    folder = tmp_path_factory.mktemp("wheel")
    # A copy: building leaves folders behind.
    for name in ("nst", "configs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / "source" / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "-w", folder]
    run(sys.executable, "-m", "pip", "wheel", *options, folder / "source", cwd=folder)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def environment(wheel) -> Path:
    """Return the programs' folder of an environment with the wheel, and what it needs from ours."""
    folder = wheel.parent / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=wheel.parent)
    programs = folder / ("Scripts" if sys.platform == "win32" else "bin")
    options = ["--no-deps", "--no-index", "--quiet"]
    pip = [sys.executable, "-m", "pip", "--python", programs / "python"]
    run(*pip, "install", *options, wheel, cwd=wheel.parent)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = run(programs / "python", "-c", code, cwd=wheel.parent).strip()
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(own) / "others.pth").write_text("\n".join(sorted(ours)) + "\n")
    return programs


def test_every_package_is_named():
    folders = {".".join(p.parent.relative_to(ROOT).parts) for p in ROOT.glob("nst/**/__init__.py")}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == folders | {"nst.configs"}


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    files = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("nst/**/*.py")}
    expected |= {p.relative_to(ROOT).as_posix() for p in ROOT.glob("nst/models/pretrained/*")}
    expected |= {p.relative_to(ROOT).as_posix() for p in ROOT.glob("nst/studio/page/*")}
    expected |= {f"nst/{p.relative_to(ROOT).as_posix()}" for p in ROOT.glob("configs/**/*.toml")}
    assert files == expected | {"nst/py.typed"}


def test_a_picture_is_painted_away_from_the_checkout(environment, tmp_path):
    assert run(environment / "nst", "--version", cwd=tmp_path) == f"nst {nst.__version__}\n"
    where = run(environment / "python", "-c", "import nst; print(nst.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(environment.parent)
    Image.fromarray(media.picture(0, (48, 64))).save(tmp_path / "in.png")
    paths = ["--content-path", "in.png", "--output", "out.png"]
    style = ["--method", "one-pass", "--checkpoint", "fast", "--style", "great_wave"]
    run(environment / "nst", "picture", *paths, *style, "--quiet", cwd=tmp_path)
    with Image.open(tmp_path / "out.png") as painted:
        assert painted.size == (64, 48) and np.asarray(painted).std() > 10


@pytest.mark.parametrize("name", ["fast", "fast.toml", "configs/fast.toml"])
def test_a_recipe_is_found_away_from_the_checkout(environment, tmp_path, name):
    code = "from pathlib import Path; from nst.options.recipes import find_recipe; "
    code += f"print(find_recipe(Path({name!r})).read_text('utf-8'), end='')"
    found = run(environment / "python", "-c", code, cwd=tmp_path)
    assert found == (ROOT / "configs" / "fast.toml").read_text("utf-8")


def test_a_recipe_of_the_user_s_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_recipe(Path("fast.toml")) == ROOT / "configs" / "fast.toml"
    Path("fast.toml").touch()
    assert find_recipe(Path("fast.toml")) == Path("fast.toml")
    for unknown in ("mine.toml", "other/fast.toml", "/fast.toml"):
        assert find_recipe(Path(unknown)) == Path(unknown)
