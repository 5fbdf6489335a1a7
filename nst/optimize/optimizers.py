"""Ways down a loss: L-BFGS and Adam over the pixels of an image, kept in [0, 1]."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# How much easier a move of twice as broad a patch is taken to be, and how often it is doubled.
EASE, DOUBLINGS = 1.5, 4

Loss = Callable[[Tensor], tuple[dict[str, float], Tensor]]


@dataclass(frozen=True)
class Step:
    """Where a way down has come to.

    Args:
        image: the best so far (L-BFGS) or the average of the way (Adam).
        terms: of the last point looked at.
    """

    image: Tensor
    terms: dict[str, float]

    @property
    def total(self) -> float:
        """The loss."""
        return sum(self.terms.values())


def lbfgs(loss: Loss, image: Tensor, history: int = 20) -> Iterator[Step]:
    """Go down by limited-memory BFGS; each step looks once at the loss.

    Liu and Nocedal, "On the Limited Memory BFGS Method for Large Scale Optimization", 1989. A step
    is taken in full where the loss falls, halved where it rises; points outside [0, 1] are brought
    back to it. Before anything is known, broad changes are taken to be easier than fine ones: a
    slope of features is mostly fine, and without that colors of large areas come last. It never
    ends by itself.

    Args:
        history: pairs of vectors kept, each twice as large as the image.
    """
    x = image.clamp(0, 1)
    terms, gradient = loss(x)
    value = sum(terms.values())
    pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=history)
    length, direction = 1.0, None
    yield Step(x, terms)
    while True:
        if direction is None:
            direction = -_inverse_hessian_times(gradient, pairs)
            if not pairs:  # a first step of a hundredth of the range where the slope is greatest
                direction = direction * (0.01 / direction.abs().max().clamp_min(1e-30))
        candidate = (x + length * direction).clamp(0, 1)
        terms, slope = loss(candidate)
        found = sum(terms.values())
        if found < value:
            move, turn = candidate - x, slope - gradient
            curvature = _dot(move, turn)
            if curvature > 1e-10 * (_dot(move, move) * _dot(turn, turn)) ** 0.5:
                pairs.append((move, turn, curvature))
            x, gradient, value = candidate, slope, found
            length, direction = 1.0, None
        elif length > 0.1:
            length /= 2
        else:  # the remembered curvature misleads: forget it
            length, direction = 1.0, None
            pairs.clear()
        yield Step(x, terms)


def _inverse_hessian_times(vector: Tensor, pairs) -> Tensor:
    """Return H^-1 v by the two-loop recursion."""
    shares = []
    for move, turn, curvature in reversed(pairs):
        shares.append(_dot(move, vector) / curvature)
        vector = vector.sub(turn, alpha=shares[-1])
    vector = _broadened(vector)
    if pairs:
        _, turn, curvature = pairs[-1]
        vector = vector * (curvature / _dot(turn, _broadened(turn)))
    for (move, turn, curvature), share in zip(pairs, reversed(shares), strict=True):
        vector = vector.add(move, alpha=share - _dot(turn, vector) / curvature)
    return vector


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.flatten(), b.flatten()))


def _broadened(vector: Tensor) -> Tensor:
    """Return a vector (1, C, H, W) with coarser and coarser copies of it added."""
    total, coarse = vector, vector
    for level in range(1, DOUBLINGS + 1):
        if min(coarse.shape[-2:]) < 4:
            break
        coarse = F.avg_pool2d(coarse, 2, ceil_mode=True, count_include_pad=False)
        broad = F.interpolate(coarse, size=vector.shape[-2:], mode="bilinear", align_corners=False)
        total = total + EASE**level * broad
    return total


def adam(loss: Loss, image: Tensor, rate: float = 0.02, decay: float = 0.9) -> Iterator[Step]:
    """Go down by Adam (Kingma and Ba, 2015); the image given is the average of the way.

    Args:
        rate: the length of a step, in units of the range.
        decay: of the average; it forgets a point after about 1 / (1 - decay) steps.
    """
    x = image.clamp(0, 1).clone()
    optimizer = torch.optim.Adam([x], lr=rate, betas=(0.9, 0.99))
    average, weight = torch.zeros_like(x), 0.0
    while True:
        terms, x.grad = loss(x)
        optimizer.step()
        x.clamp_(0, 1)
        average = decay * average + (1 - decay) * x
        weight = decay * weight + 1 - decay
        yield Step(average / weight, terms)
