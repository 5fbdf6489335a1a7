"""Files of `--config` and `--look`: the user's, or those that come with the package."""

from dataclasses import Field
from pathlib import Path
from typing import Any

from nst.errors import InputError
from nst.options.values import read_toml

PACKAGE = Path(__file__).parents[1]


def find_recipe(path: Path) -> Path:
    """Return the file that `--config` names.

    Where there is no such file, `fast`, `fast.toml` and `configs/fast.toml` are the included
    recipe: in an installed package as in a checkout.
    """
    if path.is_file() or path.parent not in (Path("."), Path("configs")):
        return path
    return included_recipe(path.name.removesuffix(".toml")) or path


def included_recipe(name: str) -> Path | None:
    """Return the file of a recipe that comes with the package; None where there is no such."""
    return next((folder / f"{name}.toml" for folder in _folders(f"{name}.toml")), None)


def included_looks() -> dict[str, str]:
    """Return what `--look` may name, and the line that says what it is like."""
    folder = next(iter(_folders("looks"))) / "looks"
    lines = {path.stem: path.read_text("utf-8").splitlines()[0] for path in folder.glob("*.toml")}
    return {name: line.lstrip("# ") for name, line in sorted(lines.items())}


def read_look(name: str, specs: dict[str, Field]) -> dict[str, Any]:
    """Return the options of a look: of a file, or of one that comes with the package.

    Raises:
        InputError: there is no such, or it says what a look cannot.
    """
    looks = included_looks()
    path = next(iter(_folders("looks"))) / "looks" / f"{name}.toml" if name in looks else Path(name)
    if not path.is_file():
        raise InputError(f"--look is {name!r}; give {', '.join(looks)}, or a TOML file")
    values = read_toml(path, specs, f"--look {name}")
    if "look" in values:
        raise InputError(f"--look {name}: a look takes no other look: leave it out")
    return values


def _folders(name: str) -> list[Path]:
    """Return the folders of recipes that have a file of this name."""
    # A wheel has the folder inside the package, a checkout beside it.
    folders = (PACKAGE / "configs", PACKAGE.parent / "configs")
    return [folder for folder in folders if (folder / name).exists()]
