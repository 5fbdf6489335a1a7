"""The queue of shots that a Ray cluster paints, on a cluster that is pretended."""

import socket
import sys
from types import SimpleNamespace

import pytest
from films import SHOTS, assert_same
from pretend_ray import pretend_ray

import nst.stylize.ray_workers
from nst.api import run_video
from nst.errors import InputError
from nst.stylize.videos import one_pass_video

pytestmark = pytest.mark.usefixtures("short_parts")


@pytest.fixture
def cluster(monkeypatch):
    """Return what begins a pretended cluster."""
    monkeypatch.setattr(nst.stylize.ray_workers.torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(nst.stylize.ray_workers, "REPORT_SECONDS", 0.0)

    def begin(nodes: int = 2, lost=()) -> None:
        ray = pretend_ray(nodes, lost)
        monkeypatch.setattr(nst.stylize.ray_workers, "_ray", lambda: ray)

    return begin


@pytest.mark.parametrize("lost", [(), (0,), (1, 2)])
def test_a_lost_worker_s_shot_goes_to_another(film_config, tmp_path, cluster, lost):
    one_pass_video(film_config("whole.mp4"))
    cluster(lost=lost)
    told = []
    run_video(film_config(ray="auto"), on_progress=told.append)
    assert_same(tmp_path / "whole.mp4", tmp_path / "out.mp4")
    done = [p.done for p in told if p.stage == "stylizing"]
    assert done == sorted(done) and done[-1] == sum(SHOTS)


def test_workers_that_keep_being_lost_end_the_run(film_config, cluster):
    cluster(lost=range(100))
    with pytest.raises(InputError, match="keep being lost, .* the actor died; finished parts stay"):
        run_video(film_config(ray="auto"))


def test_a_worker_s_error_is_the_user_s(film_config, tmp_path, cluster, monkeypatch):
    cluster()
    monkeypatch.setattr(nst.stylize.ray_workers.os, "getcwd", lambda: str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="has no folder .*nowhere: all must have it"):
        run_video(film_config(ray="auto"))


def test_without_a_cluster_it_is_said(film_config, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False))
    with socket.create_server(("127.0.0.1", 0)) as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
    with pytest.raises(InputError, match=f"--ray {address}: no Ray cluster is there .*refused"):
        run_video(film_config(ray=address))


def test_without_ray_it_is_said(film_config, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="--ray needs Ray: pip install"):
        run_video(film_config(ray="auto"))
