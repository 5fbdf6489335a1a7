"""Optical flow between two frames, by OpenCV's DIS, which needs no weights.

Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016.
"""

import cv2
import numpy as np
import torch
from torch import Tensor

from nst.tensors import fit, luminance, resize

# DIS looks for patches on several scales and wants room for them.
LEAST_SIDE = 32


class FlowEstimator:
    """Estimates flow at a working size of `long_side` pixels.

    Args:
        long_side: frames are brought to this before, never enlarged; flow this small is quick and,
            smooth as it is, loses little.
    """

    def __init__(self, long_side: int = 320):
        self.long_side = long_side
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def prepare(self, image: Tensor) -> np.ndarray:
        """Return what `estimate` compares of an image (1, 3, H, W): its lightness, made small."""
        height, width = image.shape[-2:]
        size = fit((height, width), min(self.long_side, max(height, width)))
        size = tuple(max(LEAST_SIDE, side) for side in size)
        grey = resize(luminance(image), size)
        return grey[0, 0].mul(255).round().to(torch.uint8).cpu().numpy()

    def estimate(self, source: np.ndarray, target: np.ndarray) -> Tensor:
        """Return the flow (1, 2, h, w) from one prepared image to another, on the source's grid."""
        flow = self._dis.calc(source, target, None)
        return torch.from_numpy(flow).permute(2, 0, 1)[None]
