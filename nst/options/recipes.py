"""Where the recipes of `--config` are: files of the user's, or those that come with the package."""

from pathlib import Path

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
    # A wheel has the folder inside the package, a checkout beside it.
    folders = (PACKAGE / "configs", PACKAGE.parent / "configs")
    files = (folder / f"{name}.toml" for folder in folders)
    return next((file for file in files if file.is_file()), None)
