"""Masks of classes and faces, frame by frame: found every few frames and warped between."""

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.tensors import fit_within, size_of, stretch
from nst.models.blazeface import FaceFinder
from nst.models.deeplab import CLASSES, Segmenter
from nst.motion.coherence import Motion
from nst.regions.edges import decided, feathered, guided_filter, without_islands
from nst.regions.faces import face_mask
from nst.regions.spec import FACES, Regions, warn_of_unused

# Longer side, in pixels, of the segmenter's probabilities, and of the masks that are warped and
# then upsampled along the edges of the full frame. The segmenter's own grid has some 65 cells.
SEGMENTED_SIDE, LONG_SIDE = 128, 256
# Weight of the earlier masks in the new ones, where the motion can be trusted: errors that come and
# go from one search to the next are averaged, and no search makes a mask jump.
MEMORY = 0.8
# Fraction of that weight where the motion cannot be trusted: those are mostly limbs.
DOUBTED = 0.5
# A class was seen if it covers at least this fraction of a frame.
MIN_SEEN = 0.002


class SegmentedMasks:
    """Masks of classes, found every few frames and warped along the motion between.

    A face is a part of a person, so it takes the style of `faces` whatever that of people is.

    Args:
        segmenter: None where no region is one of its classes: all is background.
        finder: of faces; None where they are no region.
        every: frames from one search to the next; the first frame of a shot is always searched.
        feather: pixels over which regions fade into each other.

    `searched` tells whether the segmenter saw the last frame.
    """

    def __init__(
        self,
        regions: Regions,
        segmenter: Segmenter | None,
        every: int,
        feather: float,
        finder: FaceFinder | None = None,
    ):
        self.regions, self.segmenter, self.every, self.feather = regions, segmenter, every, feather
        self.finder = finder
        self._members = regions.membership()
        self._last: Tensor | None = None  # of the last search, warped to this frame
        self._masks: Tensor | None = None  # the running mean of all searches
        self._age, self.searched = 0, False
        self._seen = torch.zeros(len(CLASSES), dtype=torch.bool)
        self._face_seen = False

    def follow(self, frame: Tensor, motion: Motion | None = None) -> Tensor:
        """Return the style weights (1, K, H, W) of the next frame.

        Args:
            frame: (1, 3, H, W).
            motion: from the last frame to this one; None begins anew.
        """
        frame = frame.cpu()
        size = fit_within(size_of(frame), LONG_SIDE)
        self._age += 1
        self.searched = motion is None or self._age >= self.every
        if motion is None:
            masks = last = self._found(frame, size)
        else:
            last, masks = motion.warp(torch.cat([self._last, self._masks])).chunk(2)
            last = self._found(frame, size) if self.searched else last
            trusted = DOUBTED + (1 - DOUBTED) * motion.trusted(size).to(masks.device)
            masks = torch.lerp(last, masks, MEMORY * trusted)
        if self.searched:
            self._age = 0
        self._last, self._masks = last, masks
        small = F.interpolate(frame, size=size, mode="bilinear", antialias=True)
        if self.finder is None:
            return feathered(decided(guided_filter(masks, small, frame)), self.feather)
        # Faces are soft as they are; the edges within them are none of the mask's.
        classes = decided(guided_filter(masks[:, :-1].contiguous(), small, frame))
        faces = stretch(masks[:, -1:], size_of(frame)).clamp(0, 1)
        classes = classes * (1 - faces)
        classes[:, self.regions.rows[FACES]] += faces[:, 0]
        return feathered(classes, self.feather)

    def report(self) -> None:
        """Say which styles were never used."""
        names = ", ".join(name for name, seen in zip(CLASSES, self._seen, strict=True) if seen)
        used = self._members @ self._seen.float() > 0
        if self._face_seen:
            used[self.regions.rows[FACES]] = True
        elif self.finder and not used[self.regions.rows[FACES]]:
            names += ", and no face"
        warn_of_unused(self.regions, used, f"seen were {names}")

    def _found(self, frame: Tensor, size: tuple[int, int]) -> Tensor:
        """Return masks (1, K, *size), with one more for the faces where they are looked for."""
        coarse = fit_within(size, SEGMENTED_SIDE)
        if self.segmenter:
            classes = self.segmenter.probabilities(frame, coarse).cpu()
        else:
            classes = F.one_hot(torch.zeros(coarse, dtype=torch.long), len(CLASSES)).float()
            classes = classes.permute(2, 0, 1)[None]
        counts = classes.argmax(1).flatten().bincount(minlength=len(CLASSES))
        self._seen |= counts >= MIN_SEEN * coarse[0] * coarse[1]
        masks = (self._members @ classes.flatten(2)).view(1, -1, *coarse)
        masks = stretch(without_islands(masks), size)
        if self.finder is None:
            return masks
        found = self.finder.find(frame)
        self._face_seen |= bool(found)
        return torch.cat([masks, face_mask(found, size)], 1)
