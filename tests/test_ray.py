"""A film painted on a Ray cluster of two nodes on this machine: that of one run."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from films import SHOTS, assert_same

from nst.api import run_video
from nst.errors import InputError
from nst.stylize.parts import parts_folder
from nst.stylize.videos import one_pass_video

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("short_parts"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own
]
PORTS = (
    "dashboard_agent_listen_port",
    "metrics_agent_port",
    "metrics_export_port",
    "runtime_env_agent_port",
)


def node_options() -> dict:
    """Return what a node of the cluster is begun with: one core, and little memory for objects."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    ports = dict(zip(PORTS, ports, strict=True))
    return {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 2**27, **ports}


@pytest.fixture(scope="module")
def cluster():
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=node_options())
    try:
        cluster.add_node(**node_options())
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture
def whole(film_config, tmp_path) -> Path:
    one_pass_video(film_config("whole.mp4"))
    return tmp_path / "whole.mp4"


def painters() -> list[int]:
    """Return the processes that paint."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::Painter"):
                found.append(int(path.parent.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


def test_two_nodes_paint_what_one_run_paints(film_config, cluster, whole, tmp_path):
    told = []
    report = run_video(film_config(ray=cluster.address), on_progress=told.append)
    assert report.frames == sum(SHOTS)
    assert_same(whole, tmp_path / "out.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.mp4", "whole.mp4"]
    done = [p.done for p in told if p.stage == "stylizing"]
    assert done[0] == 0 and done[-1] == sum(SHOTS) and done == sorted(done)


def test_a_killed_worker_s_shot_goes_to_another(film_config, cluster, whole, tmp_path):
    folder, killed = parts_folder(film_config().output_video), []

    def kill() -> None:
        while not any(folder.glob(".*.part.mkv")):
            time.sleep(0.01)
        for pid in painters():
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    run_video(film_config(ray=cluster.address))
    killer.join()
    assert killed
    assert_same(whole, tmp_path / "out.mp4")


def test_a_worker_s_error_is_one_line(film_config, cluster, tmp_path):
    config = film_config(ray=cluster.address, style="nobody")
    with pytest.raises(InputError, match="no style 'nobody'"):
        run_video(config)
