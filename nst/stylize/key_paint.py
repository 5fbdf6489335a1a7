"""Painting a video by keyframes: a net that has learned them, and their paint along the motion."""

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from nst.core.tensors import size_of
from nst.models.transformer_net import TransformerNet
from nst.motion.coherence import Motion
from nst.motion.warp import quick_warp, resize_flow, sharp_warp

# Frames on each side of a keyframe, at most, to which its paint is carried along the motion.
REACH = 48
# The part of the way between two keyframes over which the paint of one gives way to the other's.
CHANGE = (0.25, 0.75)


@dataclass(frozen=True)
class Keyframe:
    """A painted frame.

    Args:
        number: of the frame, from 0 on.
        frame, image: as it was and as it was painted, (1, 3, H, W).
        known: (1, 1, H, W), 1 where it is painted.
    """

    number: int
    frame: Tensor
    image: Tensor
    known: Tensor


@dataclass(frozen=True)
class Keyframes:
    """All painted frames of a video.

    Args:
        keys: in the order of their numbers.
        cuts: numbers of frames at which shots begin, as far as the video was looked through.
        motions: (key's index, frame's number) -> the motion from that frame to the key.
    """

    keys: tuple[Keyframe, ...]
    cuts: tuple[int, ...] = ()
    motions: dict[tuple[int, int], Motion] = field(default_factory=dict)

    def neighbors(self, number: int) -> tuple[int, int, float]:
        """Return the keys before and after a frame, by index, and how far it is to the second.

        Both are the same where there is one on one side only. Those of the frame's own shot come
        first; a shot without any takes the nearest of all.
        """
        numbers = [key.number for key in self.keys]
        begin = max((cut for cut in self.cuts if cut <= number), default=0)
        end = min((cut for cut in self.cuts if cut > number), default=None)
        own = [i for i, n in enumerate(numbers) if n >= begin and (end is None or n < end)]
        if not own:
            nearest = min(range(len(numbers)), key=lambda i: abs(numbers[i] - number))
            return nearest, nearest, 0.0
        before = max((i for i in own if numbers[i] <= number), default=own[0])
        after = min((i for i in own if numbers[i] >= number), default=own[-1])
        if before == after:
            return before, before, 0.0
        length = numbers[after] - numbers[before]
        return before, after, (number - numbers[before]) / length

    def weights(self, number: int) -> Tensor:
        """Return the weights (1, K) of the keys' codes in a frame."""
        before, after, place = self.neighbors(number)
        weights = torch.zeros(1, len(self.keys))
        weights[0, before] += 1 - place
        weights[0, after] += place
        return weights

    def on(self, device: torch.device) -> "Keyframes":
        """Return them with what is painted on a device."""
        keys = tuple(
            replace(key, image=key.image.to(device), known=key.known.to(device))
            for key in self.keys
        )
        return replace(self, keys=keys)


@dataclass(frozen=True)
class KeyPaint:
    """What the frames of a video are painted with.

    Args:
        keys: the painted frames, on the net's device.
        net: what has learned them.
        codes: (K, D), one for each key, folded.
        dtype: to compute in.
    """

    keys: Keyframes
    net: TransformerNet
    codes: Tensor
    dtype: torch.dtype

    @torch.inference_mode()
    def painted(self, number: int, image: Tensor) -> Tensor:
        """Return a frame (1, 3, H, W) as the net paints it."""
        weights = self.keys.weights(number).to(self.codes)[..., None, None]
        weights = weights.expand(-1, -1, *size_of(image))
        return self.net(image.to(self.dtype), self.codes, weights).float()

    def guided(
        self, number: int, image: Tensor, motion: Motion | None
    ) -> tuple[Tensor, Motion | None]:
        """Return what a net has painted with the keyframes' own paint in it, where that is known.

        Args:
            image: (1, 3, H, W).
            motion: from the last frame.

        Returns:
            The image, and the motion with less validity where the paint is known: it is steady by
            itself, and nothing of earlier frames is to be mixed in.
        """
        paint, trusted = carried(self.keys, number, image)
        if paint is None:
            return image, motion
        image = torch.lerp(image, paint, trusted)
        if motion is not None:
            size = size_of(motion.validity)
            less = F.interpolate(1 - trusted, size=size, mode="area")
            motion = replace(motion, validity=motion.validity * less.to(motion.validity))
        return image, motion


def carried(keys: Keyframes, number: int, like: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return the keyframes' paint as it lies in a frame, (1, 3, H, W), and a mask of its trust.

    Near to a keyframe it is that one's; half way to the next one it changes into the other's.

    Args:
        like: an image (1, 3, H, W) of the size wanted.
    """
    before, after, place = keys.neighbors(number)
    one, trust_one = _carried(keys, before, number, like)
    if before == after:
        return one, trust_one
    two, trust_two = _carried(keys, after, number, like)
    if one is None or two is None:
        return (two, trust_two) if one is None else (one, trust_one)
    low, high = CHANGE
    change = min(1.0, max(0.0, (place - low) / (high - low)))
    # Where one is not known the other takes its place.
    weight_one = trust_one * (1 - change * trust_two)
    weight_two = trust_two * (1 - (1 - change) * trust_one)
    total = weight_one + weight_two
    return (one * weight_one + two * weight_two) / total.clamp_min(1e-6), total.clamp(0, 1)


def _carried(
    keys: Keyframes, index: int, number: int, like: Tensor
) -> tuple[Tensor | None, Tensor]:
    key = keys.keys[index]
    if key.number == number:
        return key.image, key.known
    motion = keys.motions.get((index, number))
    if motion is None:
        return None, like.new_zeros(1, 1, *size_of(like))
    motion = Motion(motion.flow.float(), motion.validity.float()).to(like.device)
    flow = resize_flow(motion.flow, size_of(like))
    trusted = motion.trusted(size_of(like)) * quick_warp(key.known, flow)
    near = min(1.0, 2 - 2 * abs(number - key.number) / (REACH + 1))
    return sharp_warp(key.image, flow).clamp(0, 1), trusted * near
