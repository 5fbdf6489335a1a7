"""Our own checkpoint file: a net, its styles' codes and how they were made, as safetensors.

An any-style checkpoint also holds the encoder that turns a picture into a code of its net.

Data only: nothing in the file can run. The metadata entry `nst` is JSON.
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nst.core.files import replacing
from nst.errors import InputError
from nst.models.style_encoder import StyleEncoder
from nst.models.transformer_net import TransformerNet

DEFAULT, ANY_STYLE = SHIPPED = ("fast", "any_style")
IDENTITY = "identity"
# The default of --detail, by the net's `unshuffle`: at half the resolution lines get lost.
DETAIL = {1: 0.0, 2: 0.5}


@dataclass
class Checkpoint:
    """A net with its styles.

    Args:
        net: the transformer.
        codes: (K, D), one row a style, at style scale 1.
        styles: the K names; the first is `identity`, "leave it alone".
        training: how it was made: options, steps, versions.
        pictures: style's name -> the picture it was learned from, a small JPEG file.
        encoder: predicts the code of any picture; None where none was trained.
        scales: the style scales that codes were learned at, rising: 2 is a brush twice as wide.
        scaled_codes: (S, K, D), the codes at each of `scales`; None where 1 is the only one.
        kernels: (K, W), what each style adds to the net's convolutions, at every scale; None where
            all styles have the same.
    """

    net: TransformerNet
    codes: Tensor
    styles: tuple[str, ...]
    training: dict = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    encoder: StyleEncoder | None = None
    scales: tuple[float, ...] = (1.0,)
    scaled_codes: Tensor | None = None
    kernels: Tensor | None = None

    def code(self, row: int) -> Tensor:
        """Return all that a style is painted with: its code (1, D), or (1, D + W) with kernels."""
        return self.whole(
            self.codes[row][None], None if self.kernels is None else self.kernels[row]
        )

    def whole(self, code: Tensor, kernels: Tensor | None = None) -> Tensor:
        """Return a code (1, D) as long as all of this checkpoint: with kernels (W,), or zeros."""
        if self.kernels is None:
            return code
        kernels = torch.zeros_like(self.kernels[0]) if kernels is None else kernels
        return torch.cat([code, kernels[None]], 1)

    def learnable(self) -> "Checkpoint":
        """Return the checkpoint with kernels, zeros where it has none: room for a new style's."""
        if self.kernels is not None:
            return self
        return replace(self, kernels=torch.zeros(len(self.styles), self.net.kernels_length))

    @property
    def middle(self) -> Tensor:
        """The mean of the styles' codes, from which a new one is learned."""
        count = len(self.styles)
        rows = range(min(1, count - 1), count)
        return torch.stack([self.code(row) for row in rows]).mean(0)

    @property
    def detail(self) -> float:
        """How much of a photo's lines and shading painting adds, which the net leaves out."""
        return DETAIL[self.net.unshuffle]

    @property
    def grain(self) -> float:
        """The amplitude of the grain in the net's input when it was trained; 0 is none."""
        return float(self.training.get("options", {}).get("grain", 0))

    def at_scale(self, scale: float) -> "Checkpoint":
        """Return the checkpoint with the codes of a style scale, itself where it has only one.

        Between two scales that were learned the codes are interpolated along the logarithm of the
        scale; beyond the first and the last they are those.
        """
        if self.scaled_codes is None:
            return self
        return replace(self, codes=interpolated_codes(self.scaled_codes, self.scales, scale))


def interpolated_codes(codes: Tensor, scales: tuple[float, ...], scale: float) -> Tensor:
    """Return the codes (K, D) of a style scale.

    Args:
        codes: (S, K, D), at each of the `scales`, which rise.
    """
    place = float(np.interp(math.log(scale), np.log(scales), range(len(scales))))
    below = min(int(place), len(scales) - 2) if len(scales) > 1 else 0
    return torch.lerp(codes[below], codes[min(below + 1, len(scales) - 1)], place - below)


def save_checkpoint(path: Path, checkpoint: Checkpoint, dtype=torch.float32) -> None:
    """Write a checkpoint beside `path` and rename it, so that no half of one is ever seen."""
    net = checkpoint.net
    tensors = {f"net.{name}": value for name, value in net.state_dict().items()}
    tensors["codes"] = checkpoint.codes
    if checkpoint.scaled_codes is not None:
        tensors["scaled_codes"] = checkpoint.scaled_codes
    if checkpoint.kernels is not None:
        tensors["kernels"] = checkpoint.kernels
    encoder = checkpoint.encoder
    if encoder:
        tensors |= {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    tensors = {k: v.detach().to("cpu", dtype, copy=True).contiguous() for k, v in tensors.items()}
    description = {
        "kind": "any-style" if encoder else "transformer",
        "widths": net.widths,
        "blocks": net.blocks,
        "unshuffle": net.unshuffle,
        "scales": checkpoint.scales,
        "styles": checkpoint.styles,
        "training": checkpoint.training,
    }
    if encoder:
        description["encoder"] = {"widths": encoder.widths, "hidden": encoder.hidden}
    pictures = {name: np.frombuffer(file, np.uint8) for name, file in checkpoint.pictures.items()}
    tensors |= {f"picture.{name}": torch.tensor(file) for name, file in pictures.items()}
    with replacing(path) as partial:
        partial.write_bytes(save(tensors, {"nst": json.dumps(description, default=str)}))


def checkpoint_file(path: str | Path) -> Path:
    """Return the file of a checkpoint that is named by its path, or by its name in the package."""
    if str(path) in SHIPPED:
        return Path(str(resources.files("nst") / "models" / "pretrained" / f"{path}.safetensors"))
    return Path(path)


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint; 'fast' and 'any_style' are those shipped with the package.

    The net is in float32 and in evaluation mode, without gradients.

    Raises:
        InputError: no such file, cut short, of another kind, or one that could hold code.
    """
    with _opened(path) as (archive, description):
        tensors = {key: archive.get_tensor(key) for key in archive.keys()}
        pictures = {
            name: tensors.pop(f"picture.{name}").numpy().tobytes()
            for name in description["styles"]
            if f"picture.{name}" in tensors
        }
        tensors = {key: value.float() for key, value in tensors.items()}
        # Files of version 0.1 have neither `unshuffle` nor `scales`.
        net = TransformerNet(
            tuple(description["widths"]), description["blocks"], description.get("unshuffle", 1)
        )
        codes, scaled = tensors.pop("codes"), tensors.pop("scaled_codes", None)
        kernels = tensors.pop("kernels", None)
        scales = tuple(description.get("scales", (1.0,)))
        net.load_state_dict(_part(tensors, "net."))
        encoder = None
        if description["kind"] == "any-style":
            encoder = StyleEncoder(net.code_length, **description["encoder"])
            encoder.load_state_dict(_part(tensors, "encoder."))
            encoder.eval().requires_grad_(False)
        styles, training = tuple(description["styles"]), description["training"]
    shapes = [codes.shape] if scaled is None else [codes.shape, *(part.shape for part in scaled)]
    fits = all(shape == (len(styles), net.code_length) for shape in shapes)
    fits = fits and len(scales) == (1 if scaled is None else len(scaled))
    fits = fits and list(scales) == sorted(set(scales)) and scales[0] > 0
    fits = fits and (kernels is None or kernels.shape == (len(styles), net.kernels_length))
    if not fits or styles[:1] != (IDENTITY,):
        raise InputError(f"{path} has codes that do not fit its styles: train it again")
    net.eval().requires_grad_(False)
    return Checkpoint(net, codes, styles, training, pictures, encoder, scales, scaled, kernels)


def styles_in(path: str | Path) -> list[str]:
    """Return the names of a checkpoint's own styles, without the identity and without loading it.

    Raises:
        InputError: see `load_checkpoint`.
    """
    with _opened(path) as (_, description):
        return [str(name) for name in description["styles"] if name != IDENTITY]


def picture_in(path: str | Path, style: str) -> bytes | None:
    """Return the JPEG file that a style was learned from, without loading the net; None if none.

    Raises:
        InputError: see `load_checkpoint`.
    """
    name = f"picture.{style}"
    with _opened(path) as (archive, _):
        return archive.get_tensor(name).numpy().tobytes() if name in archive.keys() else None


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[safe_open, dict]]:
    """Give a checkpoint's file and its description; what is wrong with them becomes an InputError.

    Args:
        path: see `load_checkpoint`.
    """
    file = checkpoint_file(path)
    if not file.is_file():
        shipped = f"{', '.join(SHIPPED[:-1])} or {SHIPPED[-1]}"
        raise InputError(f"no checkpoint {file}: give a file that train.py made, or {shipped}")
    try:
        with safe_open(file, "pt") as archive:
            yield archive, json.loads((archive.metadata() or {})["nst"])
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, OSError) as error:
        raise InputError(
            f"{file} is not a checkpoint of this tool, or is cut short: "
            "give a .safetensors file that train.py made"
        ) from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
