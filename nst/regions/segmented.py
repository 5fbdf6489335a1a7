"""Masks of classes, frame by frame: found by a segmenter and carried along the motion."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.tensors import fit, size_of, stretch
from nst.models.deeplab import CLASSES, Segmenter
from nst.motion.coherence import Motion
from nst.regions.edges import decided, feathered, guided_filter, without_islands
from nst.regions.spec import Regions, warn_of_unused

# Masks are found and carried at so many pixels, then drawn to the edges of the full frame. What
# a segmenter sees is coarser: its own grid has some 65.
LOOK_SIDE, LONG_SIDE = 128, 256
# Share of what was known of a place that a frame's news does not change, where it can be followed:
# what comes and goes from one look to the next is averaged, and no look makes a mask jump.
MEMORY = 0.8
# As much of that is kept even where the motion cannot be trusted: limbs are mostly there.
DOUBTED = 0.5
# A class is there from this share of the frame on.
LEAST_SEEN = 0.002


class SegmentedMasks:
    """Masks of classes, found every few frames and carried along the motion between.

    Args:
        every: frames from one look to the next; a new shot is looked at at once.
        feather: pixels over which regions fade into each other.

    Whether the last frame was looked at is the attribute `looked`.
    """

    def __init__(self, regions: Regions, segmenter: Segmenter, every: int, feather: float):
        self.regions, self.segmenter, self.every, self.feather = regions, segmenter, every, feather
        self._members = regions.membership()
        self._last: Tensor | None = None  # the last look, carried on
        self._masks: Tensor | None = None  # the mean of all looks, carried on
        self._age, self.looked = 0, False
        self._seen = torch.zeros(len(CLASSES), dtype=torch.bool)

    def follow(self, frame: Tensor, motion: Motion | None = None) -> Tensor:
        """Return the style weights (1, K, H, W) of the next frame.

        Args:
            frame: (1, 3, H, W).
            motion: from the last frame to this one; None begins anew.
        """
        frame = frame.cpu()
        size = size_of(frame)
        size = fit(size, min(LONG_SIDE, max(size)))
        self._age += 1
        self.looked = motion is None or self._age >= self.every
        if motion is None:
            masks = last = self._look(frame, size)
        else:
            last, masks = motion.warp(torch.cat([self._last, self._masks])).chunk(2)
            last = self._look(frame, size) if self.looked else last
            trusted = DOUBTED + (1 - DOUBTED) * motion.trusted(size).to(masks.device)
            masks = torch.lerp(last, masks, MEMORY * trusted)
        if self.looked:
            self._age = 0
        self._last, self._masks = last, masks
        small = F.interpolate(frame, size=size, mode="bilinear", antialias=True)
        return feathered(decided(guided_filter(masks, small, frame)), self.feather)

    def report(self) -> None:
        """Say which styles were never used."""
        names = ", ".join(name for name, seen in zip(CLASSES, self._seen, strict=True) if seen)
        used = self._members @ self._seen.float()
        warn_of_unused(self.regions, used > 0, f"seen were {names}")

    def _look(self, frame: Tensor, size: tuple[int, int]) -> Tensor:
        coarse = fit(size, min(LOOK_SIDE, max(size)))
        classes = self.segmenter.probabilities(frame, coarse).cpu()
        counts = classes.argmax(1).flatten().bincount(minlength=len(CLASSES))
        self._seen |= counts >= LEAST_SEEN * coarse[0] * coarse[1]
        masks = (self._members @ classes.flatten(2)).view(1, -1, *coarse)
        return stretch(without_islands(masks), size)
