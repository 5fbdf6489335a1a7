"""A net learns the painted frames of a video."""

from copy import deepcopy

import torch
from torch import Tensor

from nst.core.device import choose_device, choose_dtype
from nst.core.progress import OnProgress
from nst.models.checkpoint import Checkpoint
from nst.options.stylize import VideoConfig
from nst.styles.key_tuning import Example, tune_net
from nst.stylize.key_paint import Keyframes, KeyPaint, carried
from nst.stylize.keyframes import frames_of, read_keyframes
from nst.stylize.paint import placed

# Distances from a keyframe, in frames, at which its paint along the motion teaches the net.
LESSONS = (2, 5, 9, 14, 20, 30)


def learned(
    config: VideoConfig,
    checkpoint: Checkpoint,
    known: dict[str, Tensor] | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[KeyPaint, dict[str, Tensor]]:
    """Return what to paint a video by its keyframes with, and the tensors that were learned.

    Args:
        checkpoint: its net is where learning begins.
        known: such tensors, of the same run: nothing is learned then.

    Raises:
        InputError: a keyframe cannot be used.
    """
    keys = read_keyframes(config, on_progress)
    if known is None:
        exact = placed(checkpoint.net, choose_device(config.device), torch.float32)
        examples = [
            Example(key.frame, key.image, key.known, keys.weights(key.number)) for key in keys.keys
        ]
        codes = torch.cat([checkpoint.code(row) for row in range(len(checkpoint.styles))])
        net, codes = tune_net(
            exact, codes, examples, _lessons(config, keys), config.keyframe_steps,
            on_progress=on_progress,
        )  # fmt: skip
        known = {f"net.{name}": value for name, value in net.state_dict().items()}
        known["codes"] = codes
    return key_paint(config, checkpoint, keys, known), known


def key_paint(
    config: VideoConfig, checkpoint: Checkpoint, keys: Keyframes, known: dict[str, Tensor]
) -> KeyPaint:
    """Return what to paint with, of the tensors that were learned."""
    device = choose_device(config.device)
    dtype = choose_dtype(config.precision, device)
    net = deepcopy(checkpoint.net)
    net.load_state_dict({k.removeprefix("net."): v for k, v in known.items() if k != "codes"})
    codes = known["codes"].to(device)
    return KeyPaint(keys.on(device), placed(net, device, dtype), codes, dtype)


def _lessons(config: VideoConfig, keys: Keyframes) -> list[Example]:
    """Return frames near the keys, with the keys' paint along the motion as what they become."""
    numbers = {
        key.number + sign * distance
        for i, key in enumerate(keys.keys)
        for distance in LESSONS
        for sign in (1, -1)
        if (i, key.number + sign * distance) in keys.motions
    }
    lessons = []
    for number, frame in frames_of(config, sorted(numbers)).items():
        paint, trusted = carried(keys, number, frame.image)
        if paint is not None:
            lessons.append(Example(frame.image, paint, trusted, keys.weights(number)))
    return lessons
