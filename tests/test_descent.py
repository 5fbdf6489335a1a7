from itertools import islice

import pytest
import torch
from scipy.optimize import minimize

from nst.optimize.optimizers import adam, lbfgs


class Quadratic:
    """A bowl, steep in some directions and flat in others, whose floor is known."""

    def __init__(self, floor=None, condition=1e3):
        generator = torch.Generator().manual_seed(0)
        basis = torch.linalg.qr(torch.randn(48, 48, generator=generator).double())[0]
        self.matrix = basis @ torch.diag(torch.logspace(0, -torch.tensor(condition).log10(), 48,
                                                        dtype=torch.float64)) @ basis.T  # fmt: skip
        self.floor = torch.full((48,), 0.5).double() if floor is None else floor
        self.looks = 0

    def __call__(self, image):
        self.looks += 1
        gap = image.flatten().double() - self.floor
        gradient = self.matrix @ gap
        value = 0.5 * (gap @ gradient).item()
        return {"bowl": value}, gradient.view(image.shape).to(image.dtype)


def start():
    return torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(1)).double()


def test_lbfgs_finds_the_floor_of_a_quadratic():
    bowl = Quadratic()
    steps = list(islice(lbfgs(bowl, start()), 150))
    assert (steps[-1].image - 0.5).abs().max() < 1e-4
    assert bowl.looks == 150  # each step looks once


def test_lbfgs_never_gives_a_worse_image():
    bowl = Quadratic(condition=1e5)
    totals = [
        Quadratic(condition=1e5)(s.image)[0]["bowl"] for s in islice(lbfgs(bowl, start()), 60)
    ]
    assert all(b <= a for a, b in zip(totals, totals[1:], strict=False))
    assert totals[-1] < totals[0] / 100


def test_lbfgs_finds_broad_changes_sooner_than_a_library():
    """Slopes between neighbors say little of what is broad; SciPy takes all moves for equal."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 4, 4, generator=generator)
    wanted = torch.nn.functional.interpolate(coarse, size=(48, 48), mode="bilinear").double()
    begun, looks = torch.full_like(wanted, 0.5), 25

    def loss(image):
        gap = (image - wanted).requires_grad_()
        value = gap.diff(dim=2).square().sum() + gap.diff(dim=3).square().sum()
        value = value + 1e-3 * gap.square().sum()
        (slope,) = torch.autograd.grad(value, gap)
        return {"slopes": value.item()}, slope

    def flat(values):
        terms, slope = loss(torch.from_numpy(values).view_as(begun))
        return terms["slopes"], slope.flatten().numpy()

    theirs = minimize(
        flat, begun.flatten().numpy(), jac=True, method="L-BFGS-B", bounds=[(0, 1)] * begun.numel(),
        options={"maxfun": looks, "maxcor": 20, "ftol": 0, "gtol": 0},
    )  # fmt: skip
    *_, last = islice(lbfgs(loss, begun), looks)
    assert loss(last.image)[0]["slopes"] < 0.5 * theirs.fun


def test_lbfgs_is_far_ahead_of_the_steepest_descent():
    bowl = Quadratic()
    image = start()
    for _ in range(60):
        image = image - bowl(image)[1]  # the best constant step for eigenvalues up to 1
    steepest = bowl(image)[0]["bowl"]
    *_, last = islice(lbfgs(bowl, start()), 60)
    assert last.total < steepest / 10


@pytest.mark.parametrize("way", [lbfgs, adam])
def test_images_stay_in_range_and_reach_its_edge(way):
    bowl = Quadratic(floor=torch.linspace(-1, 2, 48).double(), condition=1)
    *_, last = islice(way(bowl, start()), 300)
    assert last.image.min() >= 0 and last.image.max() <= 1
    expected = torch.linspace(-1, 2, 48).clamp(0, 1).double()
    torch.testing.assert_close(last.image.flatten(), expected, rtol=0, atol=0.02)


def test_adam_averages_its_way():
    """Two points, by hand, where every slope is 1: each step is as long as the rate."""
    steps = list(islice(adam(lambda x: ({"a": 1.0}, torch.ones_like(x)), torch.ones(1, 3, 1, 1),
                             rate=0.1, decay=0.5), 2))  # fmt: skip
    torch.testing.assert_close(steps[0].image, torch.full((1, 3, 1, 1), 0.9))
    torch.testing.assert_close(steps[1].image, torch.full((1, 3, 1, 1), (0.9 + 2 * 0.8) / 3))


def test_the_image_given_is_not_changed():
    for way in (lbfgs, adam):
        image = start()
        list(islice(way(Quadratic(), image), 5))
        assert torch.equal(image, start())


def test_a_loss_that_is_no_number_leaves_the_last_good_image():
    bowl = Quadratic()

    def broken(image):
        terms, gradient = bowl(image)
        return ({"bowl": float("nan")} if bowl.looks > 5 else terms), gradient

    steps = list(islice(lbfgs(broken, start()), 7))
    assert steps[-1].total != steps[-1].total
    assert torch.equal(steps[-1].image, steps[4].image) and steps[-1].image.isfinite().all()
