import pytest
import torch

import nst.optimize.memory
from nst.errors import InputError
from nst.optimize.memory import MIN_HISTORY, TILE, Plan, plan_memory
from nst.options.optimize import OptimizeOptions

CPU = torch.device("cpu")


def plan(monkeypatch, gigabytes, size=(3000, 4000), **options):
    monkeypatch.setattr(nst.optimize.memory, "free_memory", lambda device: gigabytes * 2**30)
    return plan_memory(size, OptimizeOptions(**options), CPU, torch.float32)


def test_less_memory_means_computing_twice_then_tiles_then_an_error(monkeypatch):
    found = [plan(monkeypatch, g) for g in (100, 44, 24)]
    assert found[0] == Plan(None, False, 20)
    assert found[1].recompute and found[1].tile is None
    assert found[2].tile == TILE and found[2].history >= MIN_HISTORY
    with pytest.raises(InputError, match=r"4000x3000.*1.0 GB.*--long-side"):
        plan(monkeypatch, 1)


def test_adam_needs_less(monkeypatch):
    with pytest.raises(InputError):
        plan(monkeypatch, 5)
    assert plan(monkeypatch, 5, optimizer="adam").tile == TILE


def test_the_users_tile_is_taken_and_one_larger_than_the_picture_is_none(monkeypatch):
    assert plan(monkeypatch, 100, tile=256).tile == 256
    assert plan(monkeypatch, 100, (300, 400), tile=512).tile is None
