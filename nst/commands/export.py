"""Write a net and a style as one ONNX file; `nst export --help` describes the model."""

import json
from pathlib import Path

from torch import Tensor

from nst.core.files import check_place, replacing
from nst.core.tensors import fit, resize, size_of, to_float
from nst.errors import InputError
from nst.models.checkpoint import DEFAULT, load_checkpoint
from nst.options.tools import ExportConfig
from nst.styles.codes import REFERENCE_SIDE, as_it_is, check_scale, scale_at, style_code
from nst.styles.spec import first_style, style_of
from nst.styles.tuning import tuner_of
from nst.stylize.forward import MIN_SIDE


def export(config: ExportConfig) -> str:
    """Write the file that `config` asks for, and return what it is, in one line.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    try:
        from nst.export.onnx import onnx_model  # late: onnx is an extra of the package
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: pip install onnx") from error
    check_place(config.output, "--output", [".onnx"])
    if config.fixed_size and len(config.fixed_size) != 2:
        count = len(config.fixed_size)
        raise InputError(f"--fixed-size has {count} numbers: give the height and the width")
    size = (config.fixed_size[0], config.fixed_size[1]) if config.fixed_size else None
    style = style_of(config)
    name = config.checkpoint or DEFAULT
    checkpoint = load_checkpoint(name)
    check_scale(checkpoint, config.style_scale)
    style = style or first_style(checkpoint)
    scale = config.style_scale
    if size and checkpoint.scaled_codes is not None:
        scale = scale_at(checkpoint.scales, scale, size)
    tune = None
    if style.pictures:
        checkpoint = checkpoint if checkpoint.encoder else checkpoint.learnable()
        style_code(checkpoint, style, tune=as_it_is)  # refuses what is wrong before it takes long
        side = max(size) if size else REFERENCE_SIDE
        tune = tuner_of(
            checkpoint, checkpoint.net, lambda: _sample(side), config.refine_steps,
            style_scale=config.style_scale, count=len(style.pictures),
        )  # fmt: skip
    code = style_code(checkpoint, style, config.strength, scale, tune)
    description = {
        "styles": {Path(name).name: weight for name, weight in style.weights},
        "strength": style.strength * config.strength,
        "style_scale": scale,
        "grain": checkpoint.grain,
        "detail": checkpoint.detail,
        "checkpoint": Path(name).name,
        "widths": checkpoint.net.widths,
        "training": checkpoint.training,
        "image": "RGB, float32 (N, 3, H, W) in [0, 1]; stylized is alike",
    }
    metadata = {"nst": json.dumps(description, default=str)}
    model, opset = onnx_model(
        checkpoint.net,
        code,
        checkpoint.code(0),
        style.identity_weight(config.strength),
        size,
        metadata,
    )
    content = model.SerializeToString()
    with replacing(config.output) as partial:
        partial.write_bytes(content)
    taken = f"{size[1]}x{size[0]} pixels" if size else f"any size from {MIN_SIDE} pixels"
    return f"{config.output}: {len(content) / 1e6:.1f} MB, opset {opset}, takes {taken}"


def _sample(long_side: int) -> list[Tensor]:
    """Return a photo that stands for what will be painted, as large as that."""
    from skimage import data  # late: it is slow to import

    photo = to_float(data.astronaut())
    return [resize(photo, fit(size_of(photo), long_side))]
