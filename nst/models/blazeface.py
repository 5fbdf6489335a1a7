"""Where faces are in a picture: BlazeFace, MediaPipe's short-range net.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019, with
Google's weights (Apache-2.0). The net sees squares of 128 pixels and finds faces that fill a tenth
of them or more; so a picture is looked at whole and in overlapping squares of two smaller sizes.
"""

from dataclasses import dataclass
from math import atan2, ceil

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nst.core.tensors import fit, resize, size_of
from nst.models.tflite import convolution, read_tensors
from nst.models.weights import load_blazeface

SIDE = 128  # of the square that the net sees
HALVING = (2, 5, 11)  # which of the sixteen blocks halve the size
MIDDLE = 10  # the block whose maps the finer of two heads looks at
# Anchors of the two heads: (maps' side, anchors a place).
HEADS = ((16, 2), (8, 6))
# A face counts from this score on; boxes that overlap by more are one face, see `_merged`.
SCORE, OVERLAP = 0.7, 0.3


@dataclass(frozen=True)
class Face:
    """A face in a picture.

    Args:
        x, y: its middle, in fractions of the picture's width and height.
        width, height: of its box, from brow to chin, in the same.
        tilt: angle of the line from eye to eye, in radians, clockwise.
        score: 0 to 1.
    """

    x: float
    y: float
    width: float
    height: float
    tilt: float
    score: float


class BlazeFace(nn.Module):
    """Image (N, 3, 128, 128) -> scores (N, 896) and values (N, 896, 16) at the anchors.

    Args:
        tensors: the constants of its TensorFlow Lite file, by their names.

    Raises:
        KeyError: one is missing.
    """

    def __init__(self, tensors: dict[str, Tensor]):
        super().__init__()
        self.stem = _convolution(tensors, "conv2d", stride=2)
        self.depthwise, self.pointwise = nn.ModuleList(), nn.ModuleList()
        for i in range(16):
            stride = 2 if i in HALVING else 1
            name = f"depthwise_conv2d_{i}" if i else "depthwise_conv2d"
            self.depthwise.append(_convolution(tensors, name, stride, depthwise=True))
            self.pointwise.append(_convolution(tensors, f"conv2d_{i + 1}"))
        self.scores = nn.ModuleList(_convolution(tensors, f"classificator_{n}") for n in (8, 16))
        self.values = nn.ModuleList(_convolution(tensors, f"regressor_{n}") for n in (8, 16))
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores before their sigmoid, and the values, in pixels from the anchors."""
        x = F.relu(_same(self.stem, image * 2 - 1))
        maps = []
        for i, (depthwise, pointwise) in enumerate(
            zip(self.depthwise, self.pointwise, strict=True)
        ):
            y = pointwise(_same(depthwise, x))
            x = F.max_pool2d(x, 2) if i in HALVING else x
            x = F.relu(F.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1])) + y)
            if i in (MIDDLE, 15):
                maps.append(x)
        found = []
        for heads, width in ((self.scores, 1), (self.values, 16)):
            parts = [head(x).permute(0, 2, 3, 1) for head, x in zip(heads, maps, strict=True)]
            found.append(torch.cat([part.reshape(len(image), -1, width) for part in parts], 1))
        return found[0][..., 0], found[1]


def anchors() -> Tensor:
    """Return the anchors' middles (896, 2), x and y in fractions of the square."""
    parts = []
    for side, count in HEADS:
        line = (torch.arange(side) + 0.5) / side
        y, x = torch.meshgrid(line, line, indexing="ij")
        parts.append(torch.stack([x, y], -1).reshape(-1, 1, 2).expand(-1, count, 2).flatten(0, 1))
    return torch.cat(parts)


class FaceFinder:
    """Finds the faces in a picture.

    Raises:
        InputError: the net's weights cannot be found.
    """

    def __init__(self) -> None:
        self._net = BlazeFace(read_tensors(load_blazeface()))
        self._anchors = anchors()

    @torch.inference_mode()
    def find(self, image: Tensor) -> list[Face]:
        """Return the faces in an image (1, 3, H, W), each once."""
        image = image.cpu().float()
        views = _views(size_of(image))
        squares = torch.cat([_seen(image, view) for view in views])
        scores, values = self._net(squares)
        scores = scores.clamp(-80, 80).sigmoid()
        return _merged(
            [
                _face(values[n, a] / SIDE, self._anchors[a], float(scores[n, a]), views[n], image)
                for n, a in (scores >= SCORE).nonzero().tolist()
            ]
        )


# Left, top and side of a square, in pixels of the picture; it may reach beyond its edges.
View = tuple[int, int, int]


def _views(size: tuple[int, int]) -> list[View]:
    """Return the squares to look at: one around all, and more of the short side and its half."""
    height, width = size
    around = max(size)
    views = [((width - around) // 2, (height - around) // 2, around)]
    short = min(size)
    for side in (short, short // 2):
        if side < SIDE // 2 or side == around:
            continue
        tops, lefts = (_starts(length, side) for length in size)
        views += [(left, top, side) for top in tops for left in lefts]
    return views


def _starts(length: int, side: int) -> list[int]:
    """Return where squares begin that overlap by a third or more and cover a length."""
    count = max(1, ceil((length - side) / (side * 2 / 3)) + 1)
    return [round((length - side) * i / max(1, count - 1)) for i in range(count)]


def _seen(image: Tensor, view: View) -> Tensor:
    """Return a square of an image as the net sees it (1, 3, SIDE, SIDE), black beyond its edges."""
    left, top, side = view
    height, width = size_of(image)
    inside = image[..., max(0, top) : top + side, max(0, left) : left + side]
    small = resize(inside, fit(size_of(inside), SIDE))
    rows, columns = size_of(small)
    above = round(max(0, -top) * SIDE / side)
    before = round(max(0, -left) * SIDE / side)
    return F.pad(small, (before, SIDE - columns - before, above, SIDE - rows - above))


def _face(values: Tensor, anchor: Tensor, score: float, view: View, image: Tensor) -> Face:
    """Return the face that values (16,) at an anchor say, in fractions of the square."""
    left, top, side = view
    height, width = size_of(image)
    x, y = (anchor + values[:2]).tolist()
    eyes = values[4:8].view(2, 2)
    across = (eyes[1] - eyes[0]).tolist()
    return Face(
        (left + x * side) / width,
        (top + y * side) / height,
        float(values[2]) * side / width,
        float(values[3]) * side / height,
        atan2(across[1], across[0]),
        score,
    )


def _merged(faces: list[Face]) -> list[Face]:
    """Return each face once: the mean of the boxes that overlap the best one, by their scores."""
    boxes = [face for face in faces if face.width > 0 and face.height > 0]
    left, merged = sorted(boxes, key=lambda face: -face.score), []
    while left:
        best, *left = left
        group = [best, *(face for face in left if _overlap(best, face) > OVERLAP)]
        left = [face for face in left if _overlap(best, face) <= OVERLAP]
        total = sum(face.score for face in group)
        x, y, width, height, tilt = (
            sum(getattr(face, name) * face.score for face in group) / total
            for name in ("x", "y", "width", "height", "tilt")
        )
        merged.append(Face(x, y, width, height, tilt, group[0].score))
    return merged


def _overlap(one: Face, other: Face) -> float:
    """Return the area that two boxes have in common, as a part of the smaller one."""
    area = 1.0
    for at, size in (("x", "width"), ("y", "height")):
        begin = max(getattr(f, at) - getattr(f, size) / 2 for f in (one, other))
        end = min(getattr(f, at) + getattr(f, size) / 2 for f in (one, other))
        area *= max(0.0, end - begin)
    return area / max(1e-9, min(one.width * one.height, other.width * other.height))


def _convolution(
    tensors: dict[str, Tensor], name: str, stride: int = 1, depthwise: bool = False
) -> nn.Conv2d:
    weight, bias = tensors[f"{name}/Kernel"], tensors[f"{name}/Bias"]
    return convolution(weight, bias, stride, depthwise=depthwise)


def _same(layer: nn.Module, x: Tensor) -> Tensor:
    """Convolve with TensorFlow's padding: where it is odd, the larger part is right and below."""
    side, stride = layer.kernel_size[0], layer.stride[0]  # type: ignore[union-attr,index]
    padding = int(side - stride)  # of even sides
    return layer(F.pad(x, (padding // 2, padding - padding // 2) * 2))
