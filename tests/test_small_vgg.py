import os
from pathlib import Path

import pytest
import torch

from nst.errors import InputError
from nst.losses.perceptual import feature_moments, relative_error
from nst.models.small_vgg import BLOCKS, LAYERS, SmallVGGFeatures
from nst.models.vgg import VGGFeatures
from nst.models.weights import VGG19, load_vgg19


def picture(scale: float, size: int = 64) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    waves = [0.5 + 0.5 * torch.sin((x * a + y * b) / scale) for a, b in ((1, 0), (0.3, 1), (1, 1))]
    return torch.stack(waves)[None]


def test_features_have_vggs_names_and_sizes():
    features = SmallVGGFeatures()(picture(3.0), tuple(LAYERS))
    assert list(features) == LAYERS
    for name, values in features.items():
        block = int(name[4])
        assert values.shape == (1, BLOCKS[block][0], 64 >> block - 1, 64 >> block - 1)
        assert values.min() == 0 < values.max()


def test_gradient_reaches_the_image_and_nothing_else():
    net, image = SmallVGGFeatures(), picture(3.0).requires_grad_()
    net(image, ("relu5_1",))["relu5_1"].sum().backward()
    assert image.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in net.parameters())


def test_layers_it_does_not_have_are_refused():
    with pytest.raises(InputError, match="relu5_2"):
        SmallVGGFeatures()(picture(3.0), ("relu5_2",))


@pytest.mark.weights
def test_moments_tell_how_near_a_texture_is_as_vggs_do():
    path = Path(os.environ.get("NST_WEIGHTS", "")) / VGG19.file
    if not path.is_file():
        pytest.skip(f"NST_WEIGHTS names no folder with {VGG19.file}")
    scales = (1.5, 2.0, 3.0, 5.0, 8.0, 13.0)
    errors = []
    for net in (VGGFeatures(load_vgg19(path)), SmallVGGFeatures()):
        target = feature_moments(net(picture(2.5), ("relu3_1",))["relu3_1"])[1]
        moments = [feature_moments(net(picture(s), ("relu3_1",))["relu3_1"])[1] for s in scales]
        errors.append(torch.cat([relative_error(m, target) for m in moments]))
    assert torch.corrcoef(torch.stack(errors))[0, 1] > 0.9
    assert errors[1].argmin() in (1, 2)
