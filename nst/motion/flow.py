"""Optical flow between frames: RAFT, or OpenCV's DIS, which needs no weights.

Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", 2020; Kroeger et al.,
"Fast Optical Flow using Dense Inverse Search", 2016.
"""

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.color import luminance
from nst.core.tensors import fit_within, resize
from nst.errors import InputError
from nst.models.weights import RAFT_FILES, find, load_raft

CPU = torch.device("cpu")
# Frames are brought to this before, never enlarged; flow this small is quick and, smooth as it is,
# loses little.
LONG_SIDE = {"raft": 512, "dis": 320}
# DIS looks for patches on several scales and wants room for them.
DIS_MIN_SIDE = 32
# RAFT's features are an eighth of the picture and its pyramid halves those three times.
RAFT_MIN_SIDE = 128


class FlowEstimator:
    """Estimates flow at a working size.

    Args:
        method: auto takes RAFT on a GPU when its weights are at hand, else DIS; what it took is
            the attribute `method`.
        long_side: pixels of the working size's longer side; None takes that of the method.
        device: RAFT runs there; DIS runs on the CPU.

    Raises:
        InputError: RAFT was asked for and its weights were not to be had.
    """

    def __init__(
        self,
        method: str = "dis",
        long_side: int | None = None,
        device: torch.device = CPU,
    ):
        if method == "auto":
            method = "raft" if device.type == "cuda" and find(RAFT_FILES) else "dis"
        self.method, self.device = method, device
        self.long_side = long_side or LONG_SIDE[method]
        if method == "raft":
            self._raft = _build_raft(device)
        else:
            self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def prepare(self, image: Tensor) -> Tensor:
        """Return what `estimate` compares of an image (1, 3, H, W).

        Returns:
            (1, C, h, w) in [0, 1], made small: its lightness for DIS, its colors for RAFT.
        """
        height, width = image.shape[-2:]
        size = fit_within((height, width), self.long_side)
        if self.method == "raft":
            return resize(image.to(self.device), size)
        height, width = (max(DIS_MIN_SIDE, side) for side in size)
        return resize(luminance(image), (height, width)).cpu()

    def estimate(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the flow (N, 2, h, w) from prepared images to others, on the sources' grid.

        Args:
            source, target: (N, C, h, w), from `prepare`.
        """
        if self.method == "raft":
            return self._raft_flow(source, target)
        pairs = zip(*(_levels(images) for images in (source, target)), strict=True)
        flows = [torch.from_numpy(self._dis.calc(a, b, None)) for a, b in pairs]
        return torch.stack(flows).permute(0, 3, 1, 2)

    def refine(self, source: Tensor, target: Tensor, flow: Tensor) -> Tensor:
        """Return the flow (1, 2, h, w) that is found when DIS begins its search at another.

        Args:
            source, target: (1, 1, h, w), from `prepare` for DIS.
            flow: (1, 2, h, w), on the source's grid.
        """
        begin = flow[0].permute(1, 2, 0).contiguous().numpy().copy()
        found = self._dis.calc(_levels(source)[0], _levels(target)[0], begin)
        return torch.from_numpy(found).permute(2, 0, 1)[None].contiguous()

    def both_ways(self, now: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Return the flow from `now` back to `before`, and that from `before` on to `now`."""
        there, back = torch.cat([now, before]), torch.cat([before, now])
        return self.estimate(there, back).split(len(now))

    @torch.inference_mode()
    def _raft_flow(self, source: Tensor, target: Tensor) -> Tensor:
        height, width = source.shape[-2:]
        # It takes multiples of 8 only.
        bottom, right = (max(RAFT_MIN_SIDE - n, -n % 8) for n in (height, width))
        margins = (0, right, 0, bottom)
        padded = [F.pad(x * 2 - 1, margins, mode="replicate") for x in (source, target)]
        return self._raft(*padded)[-1][..., :height, :width]


def _levels(images: Tensor):
    return images[:, 0].mul(255).round().to(torch.uint8).numpy()


def _build_raft(device: torch.device) -> torch.nn.Module:
    from torchvision.models.optical_flow import raft_large, raft_small  # late: DIS needs none of it

    state = load_raft()
    # The two sizes differ in how wide their first convolution is.
    small = state["feature_encoder.convnormrelu.0.weight"].shape[0] == 32
    net = (raft_small if small else raft_large)()
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise InputError("RAFT's weights are not torchvision's: fetch them again") from error
    return net.eval().requires_grad_(False).to(device)
