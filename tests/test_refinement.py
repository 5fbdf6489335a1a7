"""Tuning a code: the losses fall, the net stays."""

import media
import pytest
import torch

from nst.losses.perceptual import gram_matrix, style_loss
from nst.models.vgg import VGGFeatures
from nst.models.weights import load_vgg19_front
from nst.styles.tuning import STYLE_LAYERS, code_tuner


def test_the_style_comes_nearer_and_the_net_stays(any_style):
    vgg, net = VGGFeatures(load_vgg19_front()), any_style.net
    before = {name: value.clone() for name, value in net.state_dict().items()}
    content, style = (
        torch.from_numpy(media.picture(index, (32, 32))).permute(2, 0, 1)[None] / 255
        for index in (0, 9)
    )
    start = net.plain_code()[None]
    tuned = code_tuner(net, lambda: [content], 8, "float32")(style, start)
    assert tuned.shape == start.shape and not tuned.requires_grad
    with torch.no_grad():
        grams = {layer: gram_matrix(x) for layer, x in vgg(style, STYLE_LAYERS).items()}
        found = [
            style_loss(vgg(net(content, code, torch.ones(1, 1)), STYLE_LAYERS), grams).item()
            for code in (start, tuned)
        ]
    assert found[1] < found[0]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("size", [(16, 16), (16, 700), (900, 20)])
def test_contents_of_any_shape_will_do(any_style, size):
    content, code = torch.rand(1, 3, *size), any_style.net.plain_code()[None]
    tuned = code_tuner(any_style.net, lambda: [content], 1, "float32")(
        torch.rand(1, 3, 40, 40), code
    )
    assert tuned.isfinite().all() and not torch.equal(tuned, code)


def test_no_steps_leave_the_code_and_ask_for_nothing(any_style):
    def contents():
        raise AssertionError("nothing is to be painted")

    code = torch.rand(1, any_style.net.code_length)
    assert code_tuner(any_style.net, contents, 0)(torch.rand(1, 3, 32, 32), code) is code
