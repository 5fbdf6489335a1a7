import os
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torchvision.models import vgg19

from nst.errors import InputError
from nst.models.vgg import BLOCKS, LAYERS, VGGFeatures
from nst.models.weights import VGG19, load_state, load_vgg19_front

# Rectifiers in torchvision's `features`, by its own printout.
TORCHVISION_RELUS = {
    "relu1_1": 1, "relu1_2": 3, "relu2_1": 6, "relu2_2": 8, "relu3_1": 11, "relu3_2": 13,
    "relu3_3": 15, "relu3_4": 17, "relu4_1": 20, "relu4_2": 22, "relu4_3": 24, "relu4_4": 26,
    "relu5_1": 29, "relu5_2": 31, "relu5_3": 33, "relu5_4": 35,
}  # fmt: skip
OXFORD_CONVOLUTIONS = (2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def convolutions() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weight and bias of each convolution, that keep the energy of what passes."""
    generator = torch.Generator().manual_seed(0)
    channels_in, found = 3, []
    for channels, count in BLOCKS.values():
        for _ in range(count):
            weight = torch.randn(channels, channels_in, 3, 3, generator=generator)
            bias = torch.randn(channels, generator=generator) * 0.1
            found.append((weight * (2 / (9 * channels_in)) ** 0.5, bias))
            channels_in = channels
    return found


@pytest.fixture(scope="module")
def torchvision_state(convolutions) -> dict[str, torch.Tensor]:
    state = {}
    for name, (weight, bias) in zip(TORCHVISION_RELUS, convolutions, strict=True):
        index = TORCHVISION_RELUS[name] - 1
        state |= {f"features.{index}.weight": weight, f"features.{index}.bias": bias}
    return state


@pytest.fixture(scope="module")
def oxford_state(convolutions) -> dict[str, torch.Tensor]:
    """The other file's layout: first RGB in [0, 1] into BGR levels less their mean."""
    swap = torch.eye(3).flip(0).view(3, 3, 1, 1) * 255
    state = {"0.weight": swap, "0.bias": -torch.tensor([103.939, 116.779, 123.68])}
    for index, (weight, bias) in zip(OXFORD_CONVOLUTIONS, convolutions, strict=True):
        state |= {f"{index}.weight": weight, f"{index}.bias": bias}
    return state


@pytest.fixture(scope="module")
def vgg(torchvision_state) -> VGGFeatures:
    return VGGFeatures(torchvision_state)


def picture(size: tuple[int, int] = (48, 35), batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(1))


def test_features_equal_torchvisions_own_net_hooked_by_hand(vgg, torchvision_state):
    with torch.device("meta"):
        net = vgg19(weights=None).features
    net = net.to_empty(device="cpu").eval()
    net.load_state_dict({k.removeprefix("features."): v for k, v in torchvision_state.items()})
    image = picture()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    x, expected = (image - mean) / std, {}
    with torch.no_grad():
        for index, module in enumerate(net):
            x = module(x)
            expected |= {k: x.clone() for k, i in TORCHVISION_RELUS.items() if i == index}
    found = vgg(image, tuple(TORCHVISION_RELUS))
    assert set(found) == set(expected) == set(LAYERS)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-3)


def test_oxfords_file_means_what_its_own_layers_compute(oxford_state):
    image, layers = picture(), ("relu1_1", "relu2_1", "relu3_2")
    x = F.conv2d(image, oxford_state["0.weight"], oxford_state["0.bias"])
    expected, names = {}, list(TORCHVISION_RELUS)
    for name, index in zip(names[:6], OXFORD_CONVOLUTIONS, strict=False):
        if name in ("relu2_1", "relu3_1"):
            x = F.max_pool2d(x, 2)
        weight, bias = oxford_state[f"{index}.weight"], oxford_state[f"{index}.bias"]
        x = expected[name] = F.conv2d(x, weight, bias, padding=1).relu()
    found = VGGFeatures(oxford_state)(image, layers)
    for name in layers:
        scale = expected[name].abs().max()
        torch.testing.assert_close(found[name] / scale, expected[name] / scale)


def test_a_picture_of_the_mean_color_is_all_that_the_net_takes_as_nothing(
    torchvision_state, oxford_state
):
    """Normalized once, and once only: without biases the mean's features are 0, others' not."""
    means = {"features.0.bias": IMAGENET_MEAN, "2.bias": (123.68 / 255, 116.779 / 255, 0.4076)}
    for state, (bias, mean) in zip((torchvision_state, oxford_state), means.items(), strict=True):
        vgg = VGGFeatures({**state, bias: torch.zeros(64)})
        gray = torch.tensor(mean).view(1, 3, 1, 1).expand(1, 3, 8, 8)
        of_mean, of_other = (vgg(x, ("relu1_1",))["relu1_1"] for x in (gray, gray + 0.1))
        assert of_mean.max() < 1e-3 * of_other.max()


def test_parameters_are_frozen_and_the_gradient_reaches_every_pixel(vgg):
    assert not any(p.requires_grad for p in vgg.parameters())
    image = picture((16, 16)).requires_grad_()
    vgg(image, ("relu2_1",))["relu2_1"].square().sum().backward()
    assert image.grad.isfinite().all() and (image.grad.abs().sum(1) > 0).all()
    assert all(p.grad is None for p in vgg.parameters())


def test_input_stays_as_it_was(vgg):
    image = picture()
    kept = image.clone()
    vgg(image, ("relu1_2",))
    assert torch.equal(image, kept)


def test_a_layer_is_the_same_whatever_else_is_asked_for(vgg):
    """A rectifier that worked in place, or a lost pooling, would show."""
    image = picture((16, 16))
    together = vgg(image, ("relu2_1", "relu1_1", "relu1_2"))
    assert set(together) == {"relu2_1", "relu1_1", "relu1_2"}
    for name, value in together.items():
        assert torch.equal(vgg(image, (name,))[name], value)


def test_bfloat16_weights_give_about_the_same(torchvision_state, vgg):
    image = picture((16, 16))
    half = VGGFeatures(torchvision_state).to(torch.bfloat16)(image, ("relu2_1",))["relu2_1"]
    full = vgg(image, ("relu2_1",))["relu2_1"]
    assert half.dtype == torch.bfloat16
    assert (half.float() - full).norm() < 0.02 * full.norm()


@pytest.mark.parametrize(
    ("layer", "least"), [("relu1_2", 1), ("relu2_1", 2), ("relu4_4", 8), ("relu5_1", 16)]
)
def test_a_picture_too_small_is_refused_with_both_sizes(vgg, layer, least):
    vgg(picture((least, least + 3), batch=1), (layer,))
    if least > 1:
        with pytest.raises(InputError) as caught:
            vgg(picture((least - 1, 40), batch=1), ("relu1_1", layer))
        assert f"40x{least - 1}" in str(caught.value)
        assert f"at least {least} pixels" in str(caught.value)


def test_unknown_layers_and_foreign_weights_are_refused(vgg):
    with pytest.raises(InputError, match="conv1_1.*relu1_1 to relu5_4"):
        vgg(picture(), ("relu1_1", "conv1_1"))
    for state in ({}, {"0.weight": torch.zeros(64, 3, 3, 3)}):
        with pytest.raises(InputError, match="not VGG-19 weights"):
            VGGFeatures(state)


def test_what_lies_beyond_the_front_of_the_net_is_refused():
    with pytest.raises(InputError, match="end before relu4_1"):
        VGGFeatures(load_vgg19_front())(picture(), ("relu1_1", "relu4_1"))


def photo() -> torch.Tensor:
    from skimage.data import astronaut

    return torch.from_numpy(astronaut()[:224, 120:344].copy()).permute(2, 0, 1)[None] / 255


@pytest.fixture(scope="module")
def real_vgg() -> VGGFeatures:
    path = Path(os.environ.get("NST_WEIGHTS", "")) / VGG19.file
    if "NST_WEIGHTS" not in os.environ or not path.is_file():
        pytest.skip(f"NST_WEIGHTS names no folder with {VGG19.file}")
    return VGGFeatures(load_state(path))


def has_mean_activation_of_about_one(vgg: VGGFeatures, layers: tuple[str, ...]) -> bool:
    """What the weights' rescaling promises; it holds only if colors and levels come in right."""
    means = [x.mean().item() for x in vgg(photo(), layers).values()]
    return all(0.5 < mean < 2 for mean in means)


@pytest.mark.weights
def test_real_weights_have_a_mean_activation_of_about_one(real_vgg):
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    assert has_mean_activation_of_about_one(real_vgg, layers)


FRONT = ("relu1_1", "relu2_1", "relu3_1")


def test_the_front_in_the_package_ends_at_relu3_1():
    front = VGGFeatures(load_vgg19_front())
    assert list(front.convolutions) == LAYERS[: LAYERS.index("relu3_1") + 1]
    assert has_mean_activation_of_about_one(front, FRONT)


@pytest.mark.weights
def test_the_front_in_the_package_is_that_of_the_real_weights(real_vgg):
    front, expected = VGGFeatures(load_vgg19_front())(photo(), FRONT), real_vgg(photo(), FRONT)
    for name, value in expected.items():
        assert (front[name] - value).norm() < 2e-3 * value.norm()
