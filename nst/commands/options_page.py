"""The reference of every option, docs/options.md, made from what makes the command lines."""

from dataclasses import MISSING, Field

from nst.commands.parser import grouped, method_of, shown_first, sole_method, written
from nst.commands.table import COMMANDS, named
from nst.options.field import range_text
from nst.options.tools import OptionsConfig
from nst.options.values import default_text

OPENING = """# Every option

In brackets is the default; `...` means one value or several; `--no-quiet` undoes a switch such as
`--quiet`. Options in **bold** are those that `--help` shows; `--help-all` shows every one. An
option that belongs to one method says so, and is refused with another: `--method` chooses.
`--config FILE.toml` takes options from a file, where `long_side = 640` stands for `--long-side 640`
and `quiet = true` for `--quiet`; options on the command line win over the file's.

This page is made by `nst options > docs/options.md`.
"""


def reference() -> str:
    """Return the page, in Markdown."""
    parts = [OPENING]
    for name, command in COMMANDS.items():
        config_class = named(command.config)
        groups = {title: specs for title, specs in grouped(config_class).items() if specs}
        if not groups:
            continue
        method = method_of(config_class, {})
        parts.append(f"\n## `{command.script or f'python -m nst {name}'}`\n")
        for group, specs in groups.items():
            owner = sole_method(specs) if method else None
            title = group.capitalize() + (f", only with `--method {owner}`" if owner else "")
            lines = [_line(spec, method, marked=not owner) for spec in specs]
            parts.append(f"\n{title}:\n\n" + "".join(lines))
    return "".join(parts)


def _line(spec: Field, method: str | None, marked: bool) -> str:
    """Return an option's line.

    Args:
        method: the command's default method, if it has methods.
        marked: the line says which method the option belongs to.
    """
    bold = "**" if spec.default is MISSING or shown_first(spec, method) else ""
    low, high = spec.metadata["low"], spec.metadata["high"]
    limits = "" if low is None and high is None else f"; {range_text(low, high)}"
    owner = spec.metadata["method"] if method and marked else None
    only = f"; only with `--method {owner}`" if owner else ""
    text = spec.metadata["help"].replace("*", r"\*")  # two stars would be emphasis
    return f"- {bold}`{written(spec)}`{bold}: {text}{limits}{only}{default_text(spec.default)}\n"


def main(config: OptionsConfig) -> str:
    """Return the page without its last line's end, which printing adds."""
    return reference().removesuffix("\n")
