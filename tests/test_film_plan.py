"""A film planned, painted in parts by processes of their own, and joined: that of one run."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from films import FIRSTS, SHOTS, SIZE, assert_same
from PIL import Image

import nst.stylize.film
import nst.stylize.shots
import nst.stylize.workers
from nst.api import run_video
from nst.commands.summary import video_summary
from nst.errors import InputError
from nst.media.video_reader import VideoReader
from nst.stylize.parts import PartWriter, parts_folder
from nst.stylize.shots import Shot, divide, divide_freely, part_number, shots_of_part
from nst.stylize.videos import one_pass_video
from nst.stylize.workers import worker_count

pytestmark = pytest.mark.usefixtures("short_parts")
STOPS = (*FIRSTS[1:], sum(SHOTS))


@pytest.fixture
def whole(film_config, tmp_path) -> Path:
    one_pass_video(film_config("whole.mp4"))
    return tmp_path / "whole.mp4"


class TestShots:
    def test_short_ones_are_joined_and_long_ones_divided(self, monkeypatch):
        monkeypatch.setattr(nst.stylize.shots, "MAX_FRAMES", 40)
        monkeypatch.setattr(nst.stylize.shots, "RUN_IN", 5)
        assert divide([0, 2, 30, 33, 60], 160, 10) == [
            Shot(0, 30), Shot(30, 60), Shot(60, 93), Shot(93, 126, 5), Shot(126, 160, 5),
        ]  # fmt: skip

    def test_of_no_frames_there_are_no_shots(self):
        assert divide([0], 0, 10) == divide_freely(0) == []

    @pytest.mark.parametrize("total", [1, 240, 241, 1000])
    def test_frames_that_stand_alone_are_divided_evenly(self, total):
        shots = divide_freely(total)
        assert [n for s in shots for n in range(s.first, s.stop)] == list(range(total))

    @pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
    def test_parts_have_each_shot_once_and_about_equal_work(self, count):
        shots = divide_freely(10_001)
        parts = [shots_of_part(shots, number, count) for number in range(1, count + 1)]
        assert sum(parts, []) == shots
        frames = [sum(shot.stop - shot.first for shot in part) for part in parts]
        assert max(frames) <= 10_001 / count + 240

    @pytest.mark.parametrize(
        "environment, numbers",
        [
            ({"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "8"}, (1, 8)),
            (
                {
                    "SLURM_ARRAY_TASK_ID": "7",
                    "SLURM_ARRAY_TASK_COUNT": "4",
                    "SLURM_ARRAY_TASK_MIN": "1",
                    "SLURM_ARRAY_TASK_STEP": "2",
                },
                (4, 4),
            ),
            ({"RANK": "3", "WORLD_SIZE": "4"}, (4, 4)),
        ],
    )
    def test_the_part_is_found_in_the_environment(self, environment, numbers):
        assert part_number("auto", environment) == numbers

    @pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "auto", "-1/2", ""])
    def test_a_part_that_is_none_is_refused(self, text):
        with pytest.raises(InputError, match="--part"):
            part_number(text, {})


class TestPlan:
    def test_parts_in_any_order_are_joined_to_the_whole(
        self,
        film_config,
        whole,
        tmp_path,
    ):
        plan = tmp_path / "film.json"
        report = run_video(film_config(plan=plan))
        record = json.loads(plan.read_text())
        assert record["shots"] == [[a, b, 0] for a, b in zip(FIRSTS, STOPS, strict=True)]
        assert f"{sum(SHOTS)} frames in 3 shots" in video_summary(report)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["film.json", "whole.mp4"]
        for part in ("1/3", "3/3", "2/3"):
            with pytest.raises(InputError, match="--join"):
                run_video(film_config(plan=plan, join=True))
            report = run_video(film_config(plan=plan, part=part))
            assert f"part {part}: 1 of 1 shots" in video_summary(report)
        assert run_video(film_config(plan=plan, part="2/3")).frames == 0  # it is there
        kept = parts_folder(film_config().output_video)
        assert sum(p.stat().st_size for p in kept.glob("*.mkv")) < record["temporary_bytes"]
        run_video(film_config(plan=plan, join=True))
        assert_same(whole, tmp_path / "out.mp4")
        assert not kept.exists() and plan.exists()

    def test_what_does_not_belong_together_is_refused(self, film_config, tmp_path):
        plan = tmp_path / "film.json"
        run_video(film_config(plan=plan))
        with pytest.raises(InputError, match="is there already"):
            run_video(film_config(plan=plan))
        with pytest.raises(InputError, match="--part: --strength was 1.0 and is 0.5"):
            run_video(film_config(plan=plan, part="1/2", strength=0.5))
        run_video(film_config(plan=plan, part="1/2"))
        with pytest.raises(InputError, match="--join: --strength was 1.0 and is 0.5"):
            run_video(film_config(plan=plan, join=True, strength=0.5))
        with pytest.raises(InputError, match=r"not painted yet are frames \d+ to"):
            run_video(film_config(plan=plan, join=True))
        with pytest.raises(InputError, match="need the video's --plan"):
            run_video(film_config(join=True))
        with pytest.raises(InputError, match="--resume is for a run without --plan"):
            run_video(film_config(plan=plan, part="1/2", resume=True))
        with pytest.raises(InputError, match="leave out --plan"):
            run_video(film_config(plan=plan, part="1/2", ray="auto"))
        other = tmp_path / "other.json"
        for change in ({"frames": 17}, {"shots": [[0, sum(SHOTS), 0]]}):
            other.write_text(json.dumps(json.loads(plan.read_text()) | change))
            with pytest.raises(InputError, match="incomplete or was changed"):
                run_video(film_config(plan=other, part="1/2"))

    def test_the_space_of_all_that_is_kept_is_stated(self, film_config, tmp_path):
        """Eight bits take 2.5 bytes a pixel, sixteen 6: the video, the masks, the frames alone."""
        Image.fromarray(np.zeros(SIZE, np.uint8)).save(tmp_path / "mask.png")
        options = {"region": ("255=scream",), "masks": tmp_path / "mask.png"}
        options |= {"mask_output": tmp_path / "masks.mp4", "report": tmp_path / "report.json"}
        plan = tmp_path / "film.json"
        run_video(film_config(plan=plan, pix_fmt="yuv420p10le", codec="libx265", **options))
        stated = json.loads(plan.read_text())["temporary_bytes"]
        assert stated == (6 + 2.5 + 6) * SIZE[0] * SIZE[1] * sum(SHOTS)

    def test_frames_that_stand_alone_are_counted_unpainted(
        self, film_config, tmp_path, monkeypatch
    ):
        """No image is made of them."""
        monkeypatch.setattr(VideoReader, "_frame", None)
        report = run_video(film_config(plan=tmp_path / "film.json", temporal_blend=0.0))
        assert report.frames == sum(SHOTS)

    def test_a_long_shot_is_divided_with_a_run_in(self, film_config, tmp_path, monkeypatch):
        """The memory is full again where a piece begins: less is off than without a run-in."""
        monkeypatch.setattr(nst.stylize.shots, "MAX_FRAMES", 4)
        plan = tmp_path / "film.json"
        with pytest.warns(UserWarning, match="are divided"):
            run_video(film_config(plan=plan))
        shots = [Shot(*shot) for shot in json.loads(plan.read_text())["shots"]]
        assert [s.run_in for s in shots] == [0, 3, 0, 2, 0, 3]
        for part in ("1/2", "2/2"):
            run_video(film_config(plan=plan, part=part))
        assert run_video(film_config(plan=plan, join=True)).frames == sum(SHOTS)


def test_each_gpu_has_a_worker_unless_it_is_said(film_config, monkeypatch):
    assert worker_count(film_config()) == 1 and worker_count(film_config(workers=3)) == 3
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert worker_count(film_config(device="auto")) == 4
    assert worker_count(film_config(device="cuda:1")) == 1


class TestWorkers:
    def test_two_paint_what_one_paints(self, film_config, whole, tmp_path):
        told = []
        run_video(film_config(workers=2), on_progress=told.append)
        assert_same(whole, tmp_path / "out.mp4")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "whole.mp4"]
        done = [p.done for p in told if p.stage == "stylizing"]
        assert done[0] == 0 and done[-1] == sum(SHOTS) and done == sorted(done)

    def test_a_lost_one_is_replaced_and_its_shot_painted(
        self,
        film_config,
        whole,
        tmp_path,
        monkeypatch,
    ):
        """The first worker is killed as soon as it has begun a part."""
        started = nst.stylize.workers._started
        folder, killed = parts_folder(film_config().output_video), []

        def kill(worker):
            while not any(folder.glob(".*.part.mkv")):
                time.sleep(0.01)
            os.kill(worker.process.pid, signal.SIGKILL)

        def starting(*args):
            worker = started(*args)
            if not killed:
                killed.append(threading.Thread(target=kill, args=(worker,)))
                killed[0].start()
            return worker

        monkeypatch.setattr(nst.stylize.workers, "_started", starting)
        run_video(film_config(workers=2))
        killed[0].join()
        assert_same(whole, tmp_path / "out.mp4")

    def test_an_interrupted_run_is_gone_on_with_by_any_number(
        self,
        film_config,
        whole,
        tmp_path,
        monkeypatch,
    ):
        with monkeypatch.context() as patch:
            write, done = PartWriter.write, []

            def stopping(self, images):
                done.append(1)
                if len(done) == 9:
                    raise InputError("stop")
                write(self, images)

            patch.setattr(PartWriter, "write", stopping)
            with pytest.raises(InputError, match="stop"):
                run_video(film_config(resume=True))
        run_video(film_config(resume=True, workers=2))
        assert_same(whole, tmp_path / "out.mp4")

    def test_an_error_is_said_once(self, film_config, tmp_path, monkeypatch):
        with pytest.raises(InputError, match="no style 'nobody'"):
            run_video(film_config(workers=2, style="nobody"))
