"""List the styles of a checkpoint, and show what they look like."""

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from nst.core.files import check_place
from nst.core.progress import bars, tracked
from nst.core.tensors import resize, size_of, to_float
from nst.errors import InputError
from nst.media.images import WRITABLE, read_picture, save_image
from nst.media.sheet import framed, grid, stacked, tile
from nst.models.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from nst.motion.grain import grain
from nst.options.recipes import included_looks
from nst.options.tools import CatalogueConfig
from nst.styles.codes import scale_at, style_code
from nst.styles.spec import names_of, parse_style
from nst.stylize.forward import stylize

COLUMNS = 7
SIDE = 256  # of a tile's pictures, in pixels
PAINTED_SIDE = 512  # of the photo: one of 256 is small for a brush


def catalogue(config: CatalogueConfig) -> str:
    """Return a line for each style, and write the sheet that `config` asks for.

    Raises:
        InputError: something the user gave is wrong; nothing is written then.
    """
    names = [config.checkpoint] if config.checkpoint else SHIPPED
    checkpoints = {Path(name).stem: load_checkpoint(name) for name in names}
    if config.output:
        check_place(config.output, "--output", WRITABLE)
        if not any(names_of(checkpoint) for checkpoint in checkpoints.values()):
            raise InputError(f"{config.checkpoint} has no styles of its own: there is none to show")
        save_image(sheet(checkpoints, _photo(config.content_path), config.quiet), config.output)
    lines = []
    for name, checkpoint in checkpoints.items():
        lines += [f"{name}: {style}" for style in names_of(checkpoint)]
        if checkpoint.encoder:
            lines.append(f"{name}: any picture at once, by --style-path with this checkpoint")
    if config.checkpoint is None:
        lines += [f"look: {name}: {words}" for name, words in included_looks().items()]
    return "\n".join(lines)


def sheet(checkpoints: dict[str, Checkpoint], content: Tensor, quiet: bool = True) -> Tensor:
    """Return an image (1, 3, H, W) of all styles, each checkpoint's from a new row on.

    Args:
        content: (1, 3, `PAINTED_SIDE`, `PAINTED_SIDE`).
    """
    jobs = [(name, style) for name, each in checkpoints.items() for style in names_of(each)]
    tiles: dict[str, list[Tensor]] = {name: [] for name, _ in jobs}
    with bars(quiet) as on_progress:
        for name, style in tracked(jobs, "painting", len(jobs), "style", on_progress):
            tiles[name].append(_tile(name, checkpoints[name], style, content))
    return framed(stacked([grid(row, COLUMNS) for row in tiles.values() if row]))


def _photo(path: Path | None) -> Tensor:
    if path:
        return thumbnail(read_picture(path), PAINTED_SIDE)
    from skimage import data  # late: it is slow to import

    return thumbnail(Image.fromarray(data.astronaut()[:400, 40:440]), PAINTED_SIDE)


def thumbnail(picture: Image.Image, side: int = SIDE) -> Tensor:
    """Return the middle of a picture as an image (1, 3, `side`, `side`)."""
    return to_float(np.array(ImageOps.fit(picture, (side, side))))


def _tile(name: str, checkpoint: Checkpoint, style: str, content: Tensor) -> Tensor:
    """Return name, style picture where there is one, and the photo in that style."""
    images = []
    if checkpoint.pictures:
        blank = Image.new("RGB", (SIDE, SIDE), "white")
        file = checkpoint.pictures.get(style)
        images.append(thumbnail(read_picture(BytesIO(file)) if file else blank))
    size = size_of(content)
    code = style_code(checkpoint, parse_style(style), scale=scale_at(checkpoint.scales, 1.0, size))
    noise = grain(size) * checkpoint.grain if checkpoint.grain else None
    painted = stylize(
        checkpoint.net, content, code, torch.float32, grain=noise, detail=checkpoint.detail
    )
    images.append(resize(painted, (SIDE, SIDE)))
    return tile(f"{name}: {style}", images)
