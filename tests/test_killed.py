"""SIGKILL at random moments: given again, the command comes to the same film."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from films import SHOTS, SIZE, assert_same
from killed import KINDS
from PIL import Image

from nst.stylize.videos import one_pass_video

pytestmark = [
    pytest.mark.usefixtures("short_parts"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="runs are made by forks"),
]
SCRIPT = Path(__file__).parent / "killed.py"


@pytest.mark.parametrize("count", [2, pytest.param(20, marks=pytest.mark.films)])
def test_killed_at_random_moments(film_config, film_clip, tiny_path, tmp_path, count):
    half = np.zeros(SIZE, np.uint8)
    half[:, 20:] = 255
    Image.fromarray(half).save(tmp_path / "mask.png")
    one_pass_video(film_config("whole.mp4"))
    masks = {"region": ("255=scream",), "masks": tmp_path / "mask.png"}
    one_pass_video(film_config("regions.mp4", **masks))
    command = [sys.executable, str(SCRIPT), str(film_clip), str(tiny_path), str(tmp_path)]
    command += ["--count", str(count)]
    here = os.pathsep.join([str(SCRIPT.parent), str(SCRIPT.parents[1])])
    environment = {**os.environ, "PYTHONPATH": here}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(KINDS) * (count + 1)
    for kind in KINDS:
        found = [result for result in results if result["kind"] == kind]
        assert any(result["killed"] for result in found)
        for result in found:
            whole = "regions.mp4" if kind == "regions" else "whole.mp4"
            assert_same(tmp_path / whole, Path(result["output"]))
            assert 0 <= result["twice"] <= max(SHOTS)
