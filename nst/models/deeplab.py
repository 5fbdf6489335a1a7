"""What is where in a picture: DeepLabV3 (Chen et al. 2017), for the 20 classes of Pascal VOC."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nst.core.progress import warn
from nst.core.tensors import resize, size_of
from nst.errors import InputError
from nst.models.mobile_deeplab import STRIDE, SmallDeepLab
from nst.models.tflite import read_tensors
from nst.models.vgg import IMAGENET_MEAN, IMAGENET_STD
from nst.models.weights import DEEPLAB_FILES, SMALL_DEEPLAB, find, load_deeplab, load_small_deeplab

CLASSES = tuple(
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor".split()
)
# Pixels of the longer side that the nets look at. Theirs were trained at about this size; the
# small one finds people better than at its own 257.
LONG_SIDE = 513


class Segmenter:
    """Finds the probability of each class for each pixel.

    Args:
        kind: resnet101, resnet50 or mobilenet, which are torchvision's, or small. auto takes the
            best of torchvision's at hand; else small when that is at hand; else it tries to
            download torchvision's; else it fetches small. It says so when it has to take small.
            What it took is the attribute `kind`.
        dtype: to compute in.
        long_side: pixels of the longer side at which pictures are looked at.

    Raises:
        InputError: the weights were not to be had.
    """

    def __init__(
        self,
        kind: str = "auto",
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        long_side: int = LONG_SIDE,
    ):
        self.long_side, self.dtype = long_side, dtype
        self.device = device or torch.device("cpu")
        self.kind, net = _auto(self.device) if kind == "auto" else (kind, _build(kind))
        self._net = net.eval().requires_grad_(False).to(self.device, dtype)

    @torch.inference_mode()
    def probabilities(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        """Return (1, 21, *size), on the segmenter's device, which sums to 1 over `CLASSES`.

        Args:
            image: (1, 3, H, W).
            size: of the result.
        """
        image = resize(image.to(self.device), _input_size(size_of(image), self.long_side))
        logits = self._net(image) if self.kind == "small" else self._torchvision(image)
        aligned = self.kind == "small"  # TensorFlow's grids have their corner pixels in common
        logits = F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=aligned)
        return logits.softmax(1)

    def _torchvision(self, image: Tensor) -> Tensor:
        mean, std = (
            torch.tensor(v, device=image.device).view(1, 3, 1, 1)
            for v in (IMAGENET_MEAN, IMAGENET_STD)
        )
        normal = ((image - mean) / std).to(self.dtype)
        net: Any = self._net
        return net.classifier(net.backbone(normal)["out"])


def _input_size(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """Return the size nearest to this longer side and aspect whose sides are multiples of 8 + 1.

    >>> _input_size((360, 640), 513), _input_size((3000, 20), 257)
    ((289, 513), (257, 33))
    """
    scale = (long_side - 1) / max(size) / STRIDE
    height, width = (STRIDE * max(4, round(side * scale)) + 1 for side in size)
    return height, width


def _auto(device: torch.device) -> tuple[str, nn.Module]:
    best = "resnet101" if device.type == "cuda" else "mobilenet"  # what keeps up with the painting
    ready = [best, *(kind for kind in DEEPLAB_FILES if kind != best)]
    ready = [kind for kind in ready if find((DEEPLAB_FILES[kind],))]
    if ready or not find((SMALL_DEEPLAB.file,)):
        kind = ready[0] if ready else best
        try:
            return kind, _build(kind)
        except InputError:
            if ready:
                raise
    known = find((SMALL_DEEPLAB.file,))
    net = _build("small")
    if not known:  # said once
        warn(
            "torchvision's DeepLabV3 could not be downloaded: masks come from the small one; "
            f"--segmenter {best} tries again"
        )
    return "small", net


def _build(kind: str) -> nn.Module:
    if kind == "small":
        return SmallDeepLab(read_tensors(load_small_deeplab()))
    from torchvision.models import segmentation  # late: the small one needs none of it

    builders = {
        "resnet101": segmentation.deeplabv3_resnet101,
        "resnet50": segmentation.deeplabv3_resnet50,
        "mobilenet": segmentation.deeplabv3_mobilenet_v3_large,
    }
    state = load_deeplab(kind)
    net = builders[kind](weights=None, weights_backbone=None, num_classes=len(CLASSES))
    # A second head, at half depth, was of use in training only.
    state = {k: v for k, v in state.items() if not k.startswith("aux_classifier.")}
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(
            f"{DEEPLAB_FILES[kind]} does not hold DeepLabV3 {kind}: fetch it again"
        ) from error
    return net.to(memory_format=torch.channels_last)
