"""A painting brought onto its frame: moved by a known way, resized, or refused."""

import media
import numpy as np
import pytest
import torch

from nst.core.tensors import resize, to_float
from nst.errors import InputError
from nst.motion.align import align, moved

SIZE = (120, 160)


def photo(seed: int = 0, size: tuple[int, int] = SIZE) -> torch.Tensor:
    """Return an image (1, 3, H, W) of soft blobs."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(1, 3, 30, 40, generator=generator)
    return resize(small, size)


def painted(frame: torch.Tensor) -> torch.Tensor:
    """Return flat colors that are nothing like the frame's own."""
    return 1 - (frame * 4).round().flip(1) / 4


@pytest.mark.parametrize("way", [(6, -4), (-9, 3), (0, 7)])
def test_a_moved_painting_is_moved_back(way):
    frame = photo()
    there = torch.roll(painted(frame), way, (3, 2))
    picture, shift = align(there, frame, "key")
    assert shift == pytest.approx((-way[0], -way[1]), abs=0.8)
    inner = (..., slice(16, -16), slice(16, -16))
    gap = (moved(picture, shift) - painted(frame))[inner].abs()
    assert gap.mean() < 0.25 * (there - painted(frame))[inner].abs().mean()


def test_what_lies_in_its_place_stays_there():
    frame = photo()
    picture, shift = align(painted(frame), frame, "key")
    assert shift == (0.0, 0.0)
    assert torch.equal(moved(picture, shift), painted(frame))


def test_another_size_of_one_aspect_is_resized():
    frame = photo()
    picture, shift = align(painted(resize(frame, (240, 320))), frame, "key")
    assert picture.shape == frame.shape
    assert shift == (0.0, 0.0)


def test_another_aspect_is_refused():
    with pytest.raises(InputError, match="key is 160x160 and its frame 160x120"):
        align(photo(size=(160, 160)), photo(), "key")


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_painting_of_something_else_is_refused(seed):
    with pytest.raises(InputError, match="key does not show its frame"):
        align(painted(photo(seed)), photo(), "key")


def test_a_painting_too_far_away_is_refused():
    there = torch.roll(painted(photo()), 20, 3)
    with pytest.raises(InputError, match="not show its frame in its place but 20 pixels"):
        align(there, photo(), "key")


def test_a_move_by_half_a_pixel_is_the_mean_of_two():
    levels = to_float(media.picture(0, (32, 48)))
    half = moved(levels, (0.5, 0.0))
    by_hand = (levels + torch.roll(levels, 1, 3)) / 2
    assert np.abs((half - by_hand)[..., 1:].numpy()).max() < 0.02
