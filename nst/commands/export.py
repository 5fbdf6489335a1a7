"""Write a net and a style as one ONNX file.

    nst export --checkpoint fast --style great_wave --output wave.onnx

It takes `image`, float32 RGB (N, 3, H, W) in [0, 1], and gives `stylized`, alike: any batch, any
size from 16 pixels. ONNX Runtime paints with it what we paint. At full strength OpenCV 5 does too,
and OpenCV 4 with --fixed-size; less takes a smoothing resize that they do not have. The code of a
--style-path is tuned on a photo of scikit-image's, since what will be painted is not known.
"""

import json
from pathlib import Path

from torch import Tensor

from nst.core.files import check_place, replacing
from nst.core.tensors import to_float
from nst.errors import InputError
from nst.models.checkpoint import load_checkpoint
from nst.options.tools import ExportConfig
from nst.styles.codes import style_code
from nst.styles.spec import choose_checkpoint, first_style, style_of
from nst.styles.tuning import code_tuner
from nst.stylize.forward import LEAST_SIDE


def export(config: ExportConfig) -> str:
    """Write the file that `config` asks for, and return what it is, in one line.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    try:
        from nst.export.onnx import onnx_model  # late: onnx is an extra of the package
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: pip install onnx") from error
    if config.output.suffix.lower() != ".onnx":
        raise InputError(f"--output is {config.output}: its ending must be .onnx")
    check_place(config.output, "--output")
    if config.fixed_size and len(config.fixed_size) != 2:
        count = len(config.fixed_size)
        raise InputError(f"--fixed-size has {count} numbers: give the height and the width")
    size = (config.fixed_size[0], config.fixed_size[1]) if config.fixed_size else None
    style = style_of(config)
    name = choose_checkpoint(config.checkpoint, (style,), "fast")
    checkpoint = load_checkpoint(name).at_scale(config.style_scale)
    style = style or first_style(checkpoint)
    tune = code_tuner(checkpoint.net, _sample, config.refine_steps)
    code = style_code(checkpoint, style, config.strength, config.style_scale, tune)
    description = {
        "styles": {Path(name).name: weight for name, weight in style.weights},
        "strength": style.strength * config.strength,
        "checkpoint": Path(name).name,
        "widths": checkpoint.net.widths,
        "training": checkpoint.training,
        "image": "RGB, float32 (N, 3, H, W) in [0, 1]; stylized is alike",
    }
    metadata = {"nst": json.dumps(description, default=str)}
    model, opset = onnx_model(
        checkpoint.net,
        code,
        checkpoint.codes[:1],
        style.identity_weight(config.strength),
        size,
        metadata,
    )
    content = model.SerializeToString()
    with replacing(config.output) as partial:
        partial.write_bytes(content)
    taken = f"{size[1]}x{size[0]} pixels" if size else f"any size from {LEAST_SIDE} pixels"
    return f"{config.output}: {len(content) / 1e6:.1f} MB, opset {opset}, takes {taken}"


def _sample() -> list[Tensor]:
    """Return a photo that stands for what will be painted."""
    from skimage import data  # late: it is slow to import

    return [to_float(data.astronaut())]
