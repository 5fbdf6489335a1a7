from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from nst.__main__ import main
from nst.core import device as module
from nst.core.device import choose_device, choose_dtype, frame_workers
from nst.errors import InputError

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that there are so many GPUs."""

    def pretend(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return pretend


def test_auto_takes_a_gpu_when_there_is_one(gpus):
    gpus(0)
    assert choose_device("auto") == CPU
    gpus(1)
    assert choose_device("auto") == GPU


def test_a_named_device_is_taken_as_it_is(gpus):
    gpus(2)
    assert choose_device("cpu") == CPU
    assert choose_device("cuda") == GPU
    assert choose_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("count", "name"), [(0, "cuda"), (0, "cuda:0"), (1, "cuda:1"), (2, "cuda:2")]
)
def test_a_gpu_that_is_absent_is_refused(gpus, count, name):
    gpus(count)
    with pytest.raises(InputError, match="PyTorch (finds|was built)") as caught:
        choose_device(name)
    assert f"--device {name}" in str(caught.value) and "give auto or cpu" in str(caught.value)


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda:-1", "CPU "])
def test_a_word_that_is_no_device_is_refused(gpus, name):
    gpus(1)
    with pytest.raises(InputError, match="give auto, cpu, cuda, cuda:N, mps or xpu") as caught:
        choose_device(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["meta", "hpu", "vulkan", "cpu:1"])
def test_a_device_of_pytorch_that_is_not_here_is_refused(name):
    with pytest.raises(InputError, match=f"--device {name}: .*; give auto or cpu"):
        choose_device(name)


@pytest.mark.parametrize("name", ["mps", "xpu"])
@pytest.mark.parametrize(
    ("built", "available", "problem"),
    [(False, False, "was built without"), (True, False, "finds no"), (True, True, None)],
)
def test_other_accelerators_are_asked_for(monkeypatch, name, built, available, problem):
    monkeypatch.setattr(getattr(torch, name), "is_available", lambda: available, raising=False)
    monkeypatch.setattr(getattr(torch, name), "device_count", lambda: 1)
    backend = SimpleNamespace(is_built=lambda: built)
    monkeypatch.setattr(torch.backends, name, backend, raising=False)
    if problem is None:
        assert choose_device(name) == torch.device(name)
        assert choose_dtype("auto", choose_device(name)) == torch.float32
        return
    with pytest.raises(InputError, match=f"--device {name}: .*{problem}"):
        choose_device(name)


def test_an_absent_device_is_refused_before_anything_is_read(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    nowhere = ["--device", "cuda", "--quiet"]
    picture = ["--content-path", "in.png", "--style-path", "no.png", "--output", "out.png"]
    Image.new("RGB", (32, 32)).save(tmp_path / "in.png")
    monkeypatch.chdir(tmp_path)
    for command in (
        ["video", "--input-video", "no.mp4", "--output-video", "out.mp4"],
        ["video", "--input-video", "no.mp4", "--output-video", "o.mp4", "--method", "optimize"],
        ["picture", *picture],
        ["picture", *picture, "--method", "one-pass"],
        ["train", "--content-dir", "no", "--style-dir", "no", "--output", "out.safetensors"],
        ["evaluate", "--original", "no.mp4", "--stylized", "no.mp4"],
    ):
        assert main([*command, *nowhere[: 2 if command[0] == "evaluate" else 3]]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: --device cuda: ")


@pytest.mark.parametrize("device", [CPU, GPU])
def test_a_named_precision_is_taken_without_a_look(monkeypatch, device):
    monkeypatch.setattr(module, "_convolution_seconds", lambda _: pytest.fail("timed"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: pytest.fail("asked"))
    assert choose_dtype("float32", device) == torch.float32
    assert choose_dtype("bfloat16", device) == torch.bfloat16


@pytest.mark.parametrize(
    ("speedup", "dtype"), [(5.0, torch.bfloat16), (1.05, torch.float32), (0.3, torch.float32)]
)
def test_auto_on_a_cpu_takes_bfloat16_where_it_is_clearly_faster(monkeypatch, speedup, dtype):
    seconds = {torch.float32: speedup, torch.bfloat16: 1.0}
    monkeypatch.setattr(module, "_convolution_seconds", seconds.get)
    assert choose_dtype("auto", CPU) == dtype


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [
        ((6, 1), (torch.float32, torch.float32)),
        ((7, 5), (torch.float16, torch.float32)),
        ((8, 0), (torch.bfloat16, torch.bfloat16)),
        ((9, 0), (torch.bfloat16, torch.bfloat16)),
    ],
)
def test_auto_on_a_gpu_goes_by_its_capability(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert choose_dtype("auto", GPU) == dtype[0]
    assert choose_dtype("auto", GPU, gradients=True) == dtype[1]


def test_float16_is_for_one_pass_on_a_gpu():
    assert choose_dtype("float16", GPU) == torch.float16
    with pytest.raises(InputError, match="gradients: give bfloat16 or float32"):
        choose_dtype("float16", GPU, gradients=True)
    with pytest.raises(InputError, match="slow on a CPU: give"):
        choose_dtype("float16", CPU)


def test_auto_on_this_cpu_is_quick_and_one_of_the_two():
    assert choose_dtype("auto", CPU) in (torch.float32, torch.bfloat16)
    assert 0 < module._convolution_seconds(torch.float32) < 1


@pytest.mark.gpu
def test_auto_computes_on_a_real_gpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    device = choose_device("auto")
    x = torch.ones(4, 4, device=device, dtype=choose_dtype("auto", device))
    assert (x @ x).sum().item() == 64


@pytest.mark.parametrize(
    "threads, size, live, expected",
    [
        (1, (360, 640), False, (1, 1)),
        (2, (360, 640), False, (2, 1)),
        (6, (360, 640), False, (4, 1)),
        (8, (360, 640), False, (4, 2)),
        (8, (1080, 1920), False, (4, 2)),
        (8, (2160, 3840), False, (1, 8)),  # memory
        (8, (360, 640), True, (2, 4)),
    ],
)
def test_frames_share_the_cores_until_the_context_ends(threads, size, live, expected):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with frame_workers(torch.device("cpu"), size, live) as workers:
            with ThreadPoolExecutor(1) as pool:
                inside = pool.submit(torch.get_num_threads).result()
            assert (workers, inside) == expected
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
