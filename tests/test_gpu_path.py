"""What makes a video quick on a GPU, with a GPU that is only pretended: see `pretend_gpu`."""

from fractions import Fraction
from pathlib import Path

import av
import media
import numpy as np
import pytest
import torch
from pretend_gpu import GPU, PretendTensor, pretended_gpu

from nst.core.device import frames_together
from nst.core.tensors import Download, to_float, to_uint8
from nst.media import video_writer
from nst.media.decoder import Decoder
from nst.media.encoder import working_codec
from nst.media.frames import Frame, StreamInfo
from nst.media.video_reader import open_video
from nst.media.video_writer import create_video
from nst.motion.coherence import MotionTracker
from nst.motion.flow import FlowEstimator
from nst.stylize import recorded
from nst.stylize.batches import ShrinkingBatches, in_groups
from nst.stylize.frames import Paint, Scene, followed, stylize_frames
from nst.stylize.recorded import RecordedNet

CPU = torch.device("cpu")
SIZE = (48, 64)


@pytest.fixture
def gpu(monkeypatch):
    with pretended_gpu(monkeypatch) as waits:
        yield waits


def frames(count: int, device: torch.device = CPU) -> list[Frame]:
    return [Frame(to_float(media.picture(n, SIZE), device), n) for n in range(count)]


class TestTransfers:
    def test_frames_go_up_and_down_without_waiting(self, gpu):
        levels = media.picture(0, SIZE)
        image = to_float(levels, GPU)
        assert isinstance(image, PretendTensor) and image.dtype == torch.float32
        assert image.is_contiguous(memory_format=torch.channels_last)
        coming = Download(image)
        assert not gpu
        assert np.array_equal(coming.array(), levels) and gpu == {"event": 1}
        assert np.array_equal(to_uint8(to_float(levels)), levels)

    @pytest.mark.parametrize("suffix", ["", ".gif"])
    def test_a_writer_keeps_the_order_of_what_is_still_coming(self, gpu, tmp_path, suffix):
        info = StreamInfo(SIZE, Fraction(10), Fraction(1, 10))
        paths = [tmp_path / f"{name}{suffix}" for name in ("there", "here")]
        for path, device in zip(paths, (GPU, CPU), strict=True):
            with create_video(path, info) as writer:
                for frame in frames(5, device):
                    writer.write(frame)
        read = [[f.image for f in open_video(path, rate=Fraction(10))] for path in paths]
        assert len(read[0]) == 5 and all(map(torch.equal, *read))

    def test_a_file_is_read_onto_the_gpu(self, gpu, tmp_path):
        clip = media.make_clip(tmp_path / "clip.mp4", size=SIZE)
        with open_video(clip) as reader, open_video(clip, device=GPU) as there:
            for expected, found in zip(reader, there, strict=True):
                assert isinstance(found.image, PretendTensor) and found.pts == expected.pts
                assert torch.equal(found.image.cpu(), expected.image)


class TestPainting:
    @pytest.fixture
    def paint(self, tiny):
        from copy import deepcopy

        net = deepcopy(tiny.net).to(GPU)
        return Paint(net, tiny.codes[1:2].to(GPU), torch.float32, tiny.codes[:1].to(GPU), 0.4)

    @pytest.mark.parametrize("together", [1, 2])
    def test_nothing_waits_in_the_loop(self, gpu, paint, together):
        tracker = MotionTracker(FlowEstimator("dis", 64))
        scenes = list(followed(frames(5, GPU), GPU, tracker))
        assert sum(scene.motion is not None for scene in scenes) == 4
        gpu.clear()
        painted = stylize_frames(scenes, paint, 0.8, "luminance", together=together)
        assert len(list(painted)) == 5
        assert not gpu

    @pytest.mark.parametrize("mapped", [False, True])
    def test_frames_together_are_those_alone(self, gpu, tiny, paint, mapped):
        from dataclasses import replace

        scenes = [Scene(frame) for frame in frames(7, GPU)]
        if mapped:
            paint = replace(paint, codes=tiny.codes.to(GPU))
            steps = torch.linspace(0, 1, SIZE[1]).expand(1, 1, *SIZE)
            weights = torch.cat([steps, 1 - steps, 0 * steps], 1).to(GPU)
            scenes = [
                replace(scene, weights=weights)
                for scene in followed(frames(7, GPU), GPU, MotionTracker(FlowEstimator("dis", 64)))
            ]
        sizes = []
        forward = paint.net.forward
        paint.net.forward = lambda image, *rest: sizes.append(len(image)) or forward(image, *rest)
        alone = [f.result.image.cpu() for f in stylize_frames(scenes, paint)]
        sizes.clear()
        together = [f.result.image.cpu() for f in stylize_frames(scenes, paint, together=3)]
        assert max(sizes) == 3
        assert [f.result.pts for f in stylize_frames(scenes, paint, together=3)] == list(range(7))
        for found, expected in zip(together, alone, strict=True):
            # A batch may go through another kernel than one image does.
            assert torch.allclose(found, expected, atol=1e-3)

    def test_groups_are_of_neighbors_that_are_alike(self):
        groups = in_groups([1, 1, 1, 1, 2, 1, 3, 3], 3, lambda a, b: a == b)
        assert list(groups) == [[1, 1, 1], [1], [2], [1], [3, 3]]

    @pytest.mark.filterwarnings("ignore:the GPU's memory is too small for 4")
    def test_batches_shrink_when_memory_is_too_small(self, gpu):
        tried = []

        def work(jobs: list[int]) -> list[int]:
            tried.append(len(jobs))
            if len(jobs) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return [10 * job for job in jobs]

        batches = ShrinkingBatches(work)
        with pytest.warns(UserWarning, match="too small for 8 frames at a time: 4 from here on"):
            assert batches(list(range(8))) == [10 * n for n in range(8)]
        assert tried == [8, 4, 2, 2, 2, 2]
        assert batches([7, 8, 9]) == [70, 80, 90] and tried[6:] == [2, 1]
        with pytest.raises(torch.OutOfMemoryError):
            ShrinkingBatches(lambda jobs: work([0] * 4))([1])

    def test_frames_together_go_by_size_and_memory(self, gpu, monkeypatch):
        assert frames_together(CPU, SIZE, False) == frames_together(GPU, SIZE, True) == 1
        assert frames_together(GPU, (360, 640), False) == 8
        assert frames_together(GPU, (2160, 3840), False) == 1
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2**30, 2**34))
        assert frames_together(GPU, (360, 640), False) == 2


class TestRecordedNet:
    @pytest.fixture
    def net(self, gpu, tiny):
        from copy import deepcopy

        return deepcopy(tiny.net).to(GPU)

    def inputs(self, tiny, height: int = 16) -> tuple[torch.Tensor, ...]:
        values = torch.rand(1, 3, height, 20), tiny.codes[1:2], torch.ones(1, 1)
        return tuple(value.to(GPU) for value in values)

    def test_a_shape_is_recorded_when_it_comes_again(self, gpu, net, tiny, monkeypatch):
        shapes = []

        def record(net, inputs):
            shapes.append(inputs[0].shape[2])
            return lambda *values: net(*values) + 1

        monkeypatch.setattr(recorded, "record", record)
        called = RecordedNet(net)
        for height, played in ((16, 0), (16, 1), (24, 0), (16, 1), (24, 1)):
            given = self.inputs(tiny, height)
            assert torch.equal(called(*given), net(*given) + played)
        assert shapes == [16, 24]

    @pytest.mark.parametrize(
        ("error", "warned"),
        [(RuntimeError("no capture\nhere"), True), (torch.OutOfMemoryError("full"), False)],
    )
    def test_the_net_is_called_where_it_cannot_be(self, net, tiny, monkeypatch, error, warned):
        tried = []

        def record(*_):
            tried.append(True)
            raise error

        monkeypatch.setattr(recorded, "record", record)
        called, given = RecordedNet(net), self.inputs(tiny)
        called(*given)
        if warned:
            with pytest.warns(UserWarning, match="not recorded on this GPU: no capture$"):
                called(*given)
        for _ in range(2):
            assert torch.equal(called(*given), net(*given))
        assert len(tried) == 1

    def test_a_large_picture_or_a_cpu_needs_none(self, net, tiny, monkeypatch):
        monkeypatch.setattr(recorded, "record", lambda *_: pytest.fail("recorded"))
        monkeypatch.setattr(recorded, "MAX_PIXELS", 16 * 20 - 1)
        called = RecordedNet(net)
        on_cpu = RecordedNet(tiny.net)
        for _ in range(3):
            called(*self.inputs(tiny))
            on_cpu(*(x.cpu() for x in self.inputs(tiny)))


class TestHardwareCodecs:
    def test_a_codec_that_opens_works(self):
        assert working_codec("libx264") == "libx264"
        assert working_codec("no_such_codec") is None

    @pytest.mark.parametrize("works", [True, False])
    def test_a_gpu_encoder_is_taken_where_it_works(self, tmp_path, monkeypatch, works):
        asked = []

        class Encoder:
            def __init__(self, path: Path, info, codec, options, *rest):
                asked.append((codec, options))

            def abort(self) -> None:
                pass

        monkeypatch.setattr(video_writer, "FileEncoder", Encoder)
        monkeypatch.setattr(video_writer, "working_codec", lambda codec: codec if works else None)
        info = StreamInfo(SIZE, Fraction(25), Fraction(1, 25))
        given = [(".mp4", True, None), (".mp4", False, None), (".webm", True, None)]
        for suffix, on_gpu, codec in [*given, (".mkv", True, "libx265")]:
            path = tmp_path / f"out{suffix}"
            create_video(path, info, codec, crf=20, on_gpu=on_gpu).discard()
        nvenc = ("h264_nvenc", {"rc": "vbr", "cq": "20", "b": "0"})
        x264 = ("libx264", {"crf": "20", "preset": "veryfast"})
        assert asked[:2] == [nvenc if works else x264, x264]
        assert [codec for codec, _ in asked[2:]] == ["libvpx-vp9", "libx265"]

    def test_decoding_without_the_hardware_is_as_ever(self, tmp_path):
        """Here the hardware is missing; on a machine that has it both must agree as well."""
        clip = media.make_clip(tmp_path / "clip.mp4", size=SIZE)
        read = []
        for gpu in (None, 0):
            decoder = Decoder(clip, Fraction(0), None, gpu)
            read.append([p.to_ndarray(format="rgb24") for p in decoder.pictures()])
            decoder.close()
        assert len(read[0]) == 12 and all(map(np.array_equal, *read))

    def test_hardware_is_asked_for_where_ffmpeg_knows_it(self, tmp_path, monkeypatch):
        clip = media.make_clip(tmp_path / "clip.mp4", size=SIZE)
        asked, real = [], av.open

        def spy(path, *rest, **options):
            asked.append(options)
            return real(path)

        monkeypatch.setattr(av, "open", spy)
        for device, hwaccel in ((GPU, "auto"), (GPU, "none"), (CPU, "auto"), (None, "auto")):
            open_video(clip, device=device, hwaccel=hwaccel).close()
        known = "cuda" in av.codec.hwaccel.hwdevices_available()
        assert ["hwaccel" in options for options in asked] == [known, False, False, False]
