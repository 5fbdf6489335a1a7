"""The reference of every option, OPTIONS.md, made from the dataclasses that make the command lines.

python -m nst options > OPTIONS.md
"""

from dataclasses import Field

from nst.commands.parser import default_text, flags_of, grouped, kind_of, metavar
from nst.options.field import range_text
from nst.options.stylize import PictureConfig, VideoConfig
from nst.options.tools import CatalogueConfig, EvaluationConfig, ExportConfig, OptionsConfig
from nst.options.train import TrainConfig

COMMANDS = {
    "stylize_video.py": VideoConfig,
    "style_transfer.py": PictureConfig,
    "train.py": TrainConfig,
    "python -m nst styles": CatalogueConfig,
    "python -m nst export": ExportConfig,
    "python -m nst evaluate": EvaluationConfig,
}
OPENING = """# Every option

In brackets what is taken when an option is not given. `X` is a number, `N` a whole one, `...` means
several. Each command also has `--help`, and `--config FILE.toml` for options from a file, where
`long_side = 640` stands for `--long-side 640` and `quiet = true` for `--quiet`; flags win over it.

This page is made by `python -m nst options > OPTIONS.md`.
"""


def reference() -> str:
    """Return the page, in Markdown."""
    parts = [OPENING]
    for command, config_class in COMMANDS.items():
        parts.append(f"\n## `{command}`\n")
        for name, specs in grouped(config_class).items():
            if specs:
                parts.append(f"\n{name.capitalize()}:\n\n" + "".join(map(_line, specs)))
    return "".join(parts)


def _line(spec: Field) -> str:
    kind, many = kind_of(spec)
    written = ", ".join(flags_of(spec))
    if kind is bool:
        written = written.replace("--", "--[no-]", 1)
    else:
        written += f" {metavar(spec)}" + " ..." * many
    low, high = spec.metadata["low"], spec.metadata["high"]
    limits = "" if low is None and high is None else f"; {range_text(low, high)}"
    text = spec.metadata["help"].replace("*", r"\*")  # two stars would be emphasis
    return f"- `{written}`: {text}{limits}{default_text(spec.default)}\n"


def main(config: OptionsConfig) -> str:
    """Return the page without its last line's end, which printing adds."""
    return reference().removesuffix("\n")
