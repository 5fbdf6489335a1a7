"""What is set on the page, as the options of the command line, and back.

The page calls a style `CHECKPOINT:NAME` (`fast:great_wave`), `picture:FILE` or `original`, where
files have the names of `files`. Paths, and so what can be read, come only from those names.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from nst.errors import InputError
from nst.models.checkpoint import ANY_STYLE, SHIPPED
from nst.options.field import Checked
from nst.options.stylize import PictureConfig, VideoConfig
from nst.options.values import convert
from nst.studio.files import Files
from nst.styles.spec import ORIGINAL, StyleSpec, parse_style

PICTURE = "picture"
# Options that a slider or a menu of the page sets, and those that it only keeps, of a loaded file.
CONTROLS = ("strength", "style_scale", "preserve_color", "temporal_blend", "long_side")
KEPT = (
    *("refine_steps", "feather", "segmenter", "segment_every", "flow", "flow_long_side", "start"),
    *("duration", "deinterlace", "keep_audio", "rate", "codec", "pix_fmt", "crf", "preset"),
)


@dataclass(frozen=True)
class Settings:
    """What is set on the page.

    Args:
        source: the page's name of the picture, video or folder.
        styles: each style with its weight; none takes the checkpoint's first.
        regions: classes, such as "person" or "cat,dog", each with a style.
        options: by the names of the command line's.
        second: of a video, the time of the frame that is tried.
    """

    source: str
    styles: tuple[tuple[str, float], ...] = ()
    regions: tuple[tuple[str, str], ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    second: float = 0.0


def read_settings(data: Any) -> Settings:
    """Read what the page sends.

    Raises:
        InputError: it is not of the form that the page sends.
    """
    try:
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in data["options"].items()}
        return Settings(
            str(data["source"] or ""),
            tuple((str(style), float(weight)) for style, weight in data["styles"]),
            tuple((str(classes), str(style)) for classes, style in data["regions"]),
            options,
            float(data.get("second") or 0),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"these settings cannot be read: {error}") from error


def picture_config(
    settings: Settings, files: Files, content: Path, output: Path, **machine: str
) -> PictureConfig:
    """Return the options of `nst picture` that do what is set.

    Args:
        machine: device and precision.

    Raises:
        InputError: a value is out of its range, or a style or file is not there.
    """
    values = _options(PictureConfig, settings, files) | machine
    return PictureConfig(content_path=content, output=output, method="one-pass", **values)


def video_config(
    settings: Settings, files: Files, output: Path, report: Path | None = None, **machine: str
) -> VideoConfig:
    """Return the options of `nst video` that do what is set; see `picture_config`."""
    values = _options(VideoConfig, settings, files) | machine
    source = str(files.path(settings.source))
    return VideoConfig(
        input_video=source, output_video=output, report=report, resume=True, **values
    )


def _options(kind: type[Checked], settings: Settings, files: Files) -> dict[str, Any]:
    specs = {spec.name: spec for spec in fields(kind)}
    values: dict[str, Any] = {}
    for name, value in settings.options.items():
        if name not in (*CONTROLS, *KEPT):
            raise InputError(f"{name} is not set on this page")
        if name in specs and value is not None:
            raw = list(value) if isinstance(value, tuple) else value
            values[name] = convert(raw, specs[name], name, typed=True)
    checkpoints: set[str] = set()

    def spec_of(style: str) -> StyleSpec:
        if style == ORIGINAL:
            return parse_style(ORIGINAL)
        kind, _, rest = style.partition(":")
        if kind == PICTURE:
            checkpoints.add(ANY_STYLE)  # which shows a picture's style at once
            return StyleSpec(((files.path(rest), 1.0),))
        checkpoints.add(kind if kind in SHIPPED else str(files.path(kind)))
        return StyleSpec(((rest, 1.0),))

    used = [(spec_of(style), weight) for style, weight in settings.styles if weight > 0]
    pictures = [spec for spec, _ in used if spec.pictures]
    if pictures and len(pictures) < len(used):
        raise InputError("an included style and a picture cannot be blended: choose two of a kind")
    if pictures:
        values["style_path"] = tuple(spec.pictures[0] for spec in pictures)
        if len(used) > 1:
            values["blend"] = tuple(round(weight, 3) for _, weight in used)
    elif used:
        names = [(str(spec.weights[0][0]), round(weight, 3)) for spec, weight in used]
        values["style"] = "+".join(f"{n}*{w:g}" if len(used) > 1 else n for n, w in names)
    if settings.regions:
        values["region"] = tuple(
            f"{classes}={spec_of(style)}" for classes, style in settings.regions
        )
    if len(checkpoints) > 1:
        names = " and ".join(sorted(Path(name).stem for name in checkpoints))
        raise InputError(f"styles of {names} cannot be painted together: choose those of one")
    # Where nothing else is asked of it, the command takes fast by itself.
    if checkpoints - {"fast"}:
        values["checkpoint"] = checkpoints.pop()
    return values


def restored(text: str, files: Files) -> dict[str, Any]:
    """Return the settings of a TOML file or of a result's record, as the page has them.

    Options that the page does not set are named under `left_out`.

    Raises:
        InputError: it is neither, or it names files that the page may not read.
    """
    values = _stored(text)
    options = {name: values.pop(name) for name in (*CONTROLS, *KEPT) if name in values}
    source = values.pop("input_video", None) or values.pop("content_path", None)
    values.pop("content_path", None)
    checkpoint = values.pop("checkpoint", None)
    if checkpoint and checkpoint not in SHIPPED:
        checkpoint = files.name(Path(checkpoint))

    def styles_of(spec: StyleSpec) -> list[tuple[str, float]]:
        return [(_named(style, checkpoint, files), weight) for style, weight in spec.weights]

    styles: list[tuple[str, float]] = []
    if paths := values.pop("style_path", None):
        weights = values.pop("blend", None) or [1.0] * len(paths)
        pairs = zip(paths, weights, strict=False)
        styles = [(f"{PICTURE}:{files.name(Path(path))}", float(w)) for path, w in pairs]
    elif style := values.pop("style", None):
        spec = parse_style(style)
        styles = styles_of(spec)
        options["strength"] = spec.strength * float(options.get("strength", 1.0))
    regions = []
    for region in values.pop("region", None) or ():
        classes, _, style = str(region).partition("=")
        regions += [(classes, name) for name, _ in styles_of(parse_style(style))[:1]]
    ignored = ("output", "output_video", "method", "device", "precision", "quiet", "resume")
    left_out = sorted(name for name, value in values.items() if name not in ignored and value)
    return {
        "source": files.name(Path(source)) if source else "",
        "styles": styles,
        "regions": regions,
        "options": options,
        "left_out": left_out,
    }


def _stored(text: str) -> dict[str, Any]:
    """Return the options in a TOML file, or in the JSON record beside an optimized picture."""
    try:
        if text.lstrip().startswith("{"):
            found = json.loads(text)["options"]
            defaults = {spec.name: spec.default for spec in fields(PictureConfig)}
            return {
                name: value
                for name, value in found.items()
                if name in ("style_path", "region")
                or name in defaults
                and not isinstance(value, list)
                and value not in (None, defaults[name])
            }
        return tomllib.loads(text)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"neither a TOML file nor a record of a result: {error}") from error


def _named(style: str | Path, checkpoint: str | None, files: Files) -> str:
    if isinstance(style, Path):
        return f"{PICTURE}:{files.name(style)}"
    return style if style == ORIGINAL else f"{checkpoint or 'fast'}:{style}"
