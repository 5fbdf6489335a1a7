"""The true flow of rendered or measured videos, from files."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nst.core.tensors import resize
from nst.errors import InputError
from nst.media.folders import list_pictures
from nst.media.images import load_image
from nst.motion.warp import resize_flow

FLO_MAGIC = 202021.25  # Middlebury's .flo files begin with it


def read_flow(path: Path) -> Tensor:
    """Read a flow (1, 2, H, W) from a .flo file.

    Raises:
        InputError: not such a file.
    """
    try:
        numbers = np.fromfile(path, "<f4")
        width, height = numbers[1:3].view("<i4")
        if numbers[0] != FLO_MAGIC:
            raise ValueError
        flow = numbers[3:].reshape(height, width, 2)
    except (OSError, ValueError, IndexError) as error:
        raise InputError(f"{path} is not a flow file: give Middlebury's .flo") from error
    return torch.from_numpy(flow.copy()).permute(2, 0, 1)[None]


def read_true_flow(
    flow_dir: Path, occlusion_dir: Path | None, frames: int, size: tuple[int, int]
) -> tuple[list[Tensor], list[Tensor]]:
    """Read the forward flow of a video and where it holds, at this size.

    Args:
        flow_dir: has one .flo file from each frame to the next.
        occlusion_dir: pictures, white where a frame's pixel is not seen in the next one.
        frames: how many the video has.

    Returns:
        Flows (1, 2, H, W) and masks (1, 1, H, W), 1 where the flow holds, for `metrics.e_stab`.

    Raises:
        InputError: a file cannot be read, or there are too few or too many.
    """
    files = sorted(flow_dir.glob("*.flo"))
    if len(files) != frames - 1:
        raise InputError(
            f"--flow-dir {flow_dir} has {len(files)} .flo files for {frames} frames: "
            "it needs one from each frame to the next"
        )
    flows = [read_flow(file) for file in files]
    masks = [torch.ones_like(flow[:, :1]) for flow in flows]
    if occlusion_dir:
        pictures = list_pictures(occlusion_dir)
        if len(pictures) != len(flows):
            raise InputError(
                f"--occlusion-dir {occlusion_dir} has {len(pictures)} pictures for "
                f"{len(flows)} flows"
            )
        masks = [(load_image(picture)[:, :1] < 0.5).float() for picture in pictures]
    flows = [resize_flow(flow, size) for flow in flows]
    return flows, [(resize(mask, size) > 0.99).float() for mask in masks]
