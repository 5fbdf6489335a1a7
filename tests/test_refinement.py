"""Tuning a code: the losses fall, the net stays."""

import media
import torch

from nst.losses import gram_matrix, style_loss
from nst.refinement import STYLE_LAYERS, code_tuner
from nst.vgg import BLOCKS, VGGFeatures


def small_vgg() -> VGGFeatures:
    generator, state, channels_in = torch.Generator().manual_seed(0), {}, 3
    counts = [channels for channels, count in BLOCKS.values() for _ in range(count)]
    indices = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
    for index, channels in zip(indices, counts, strict=True):
        weight = torch.randn(channels, channels_in, 3, 3, generator=generator)
        state[f"features.{index}.weight"] = weight * (2 / (9 * channels_in)) ** 0.5
        state[f"features.{index}.bias"] = torch.zeros(channels)
        channels_in = channels
    return VGGFeatures(state)


def test_the_style_comes_nearer_and_the_net_stays(any_style):
    vgg, net = small_vgg(), any_style.net
    before = {name: value.clone() for name, value in net.state_dict().items()}
    content, style = (
        torch.from_numpy(media.picture(index, (32, 32))).permute(2, 0, 1)[None] / 255
        for index in (0, 9)
    )
    start = net.plain_code()[None]
    tuned = code_tuner(net, vgg, [content], 8, quiet=True)(style, start)
    assert tuned.shape == start.shape and not tuned.requires_grad
    with torch.no_grad():
        grams = {layer: gram_matrix(x) for layer, x in vgg(style, STYLE_LAYERS).items()}
        found = [
            style_loss(vgg(net(content, code, torch.ones(1, 1)), STYLE_LAYERS), grams).item()
            for code in (start, tuned)
        ]
    assert found[1] < found[0]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
