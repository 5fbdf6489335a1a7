"""L-BFGS and Adam over the pixels of an image, kept in [0, 1]."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Preconditioner: each coarser pyramid level is weighted EASE times more. VGG gradients are mostly
# high-frequency; without it large areas of color would converge last.
EASE, LEVELS = 1.5, 4

Loss = Callable[[Tensor], tuple[dict[str, float], Tensor]]


@dataclass(frozen=True)
class Step:
    """The state after a step.

    Args:
        image: the best so far (L-BFGS) or the average of the trajectory (Adam).
        terms: of the loss at the last point evaluated.
    """

    image: Tensor
    terms: dict[str, float]

    @property
    def total(self) -> float:
        """The loss."""
        return sum(self.terms.values())


def lbfgs(loss: Loss, image: Tensor, history: int = 20) -> Iterator[Step]:
    """Minimize by limited-memory BFGS; each step evaluates the loss once.

    Liu and Nocedal, "On the Limited Memory BFGS Method for Large Scale Optimization", 1989. A step
    is taken in full where the loss falls, halved where it rises; points outside [0, 1] are
    clamped to it. The initial inverse Hessian favors low frequencies, see `EASE`. It never ends by
    itself.

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
            if not pairs:  # the first step: a hundredth of the range where the gradient is largest
                direction = direction * (0.01 / direction.abs().max().clamp_min(1e-30))
        candidate = (x + length * direction).clamp(0, 1)
        terms, new_gradient = loss(candidate)
        found = sum(terms.values())
        if found < value:
            move, change = candidate - x, new_gradient - gradient
            curvature = _dot(move, change)
            if curvature > 1e-10 * (_dot(move, move) * _dot(change, change)) ** 0.5:
                pairs.append((move, change, curvature))
            x, gradient, value = candidate, new_gradient, found
            length, direction = 1.0, None
        elif length > 0.1:
            length /= 2
        else:  # the stored curvature misleads: drop it
            length, direction = 1.0, None
            pairs.clear()
        yield Step(x, terms)


def _inverse_hessian_times(vector: Tensor, pairs) -> Tensor:
    """Return H^-1 v by the two-loop recursion."""
    factors = []
    for move, change, curvature in reversed(pairs):
        factors.append(_dot(move, vector) / curvature)
        vector = vector.sub(change, alpha=factors[-1])
    vector = _broadened(vector)
    if pairs:
        _, change, curvature = pairs[-1]
        vector = vector * (curvature / _dot(change, _broadened(change)))
    for (move, change, curvature), factor in zip(pairs, reversed(factors), strict=True):
        vector = vector.add(move, alpha=factor - _dot(change, vector) / curvature)
    return vector


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.flatten(), b.flatten()))


def _broadened(vector: Tensor) -> Tensor:
    """Return a vector (1, C, H, W) with coarser and coarser copies of it added."""
    total, coarse = vector, vector
    for level in range(1, LEVELS + 1):
        if min(coarse.shape[-2:]) < 4:
            break
        coarse = F.avg_pool2d(coarse, 2, ceil_mode=True, count_include_pad=False)
        broad = F.interpolate(coarse, size=vector.shape[-2:], mode="bilinear", align_corners=False)
        total = total + EASE**level * broad
    return total


def adam(loss: Loss, image: Tensor, rate: float = 0.02, decay: float = 0.9) -> Iterator[Step]:
    """Minimize by Adam (Kingma and Ba, 2015); the image of a step is the average of the trajectory.

    Args:
        rate: learning rate, about the length of a step in each pixel.
        decay: of the average, over about 1 / (1 - decay) steps.
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
