"""What to compute on, and in which precision."""

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F

from nst.errors import InputError

# Maximum of a video's frames that are painted at a time, and of their pixels, to limit memory.
MAX_FRAMES, MAX_LIVE_FRAMES, PIXELS_AT_A_TIME = 4, 2, 9_000_000
# Maximum of frames in one pass on a GPU, and about what a pass takes for a pixel.
MAX_TOGETHER, BYTES_A_PIXEL = 8, 1000

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def choose_device(name: str) -> torch.device:
    """Return the device that --device names: auto takes CUDA where it is available.

    Whatever this PyTorch can compute on is taken under PyTorch's own name: cpu, cuda, mps, xpu.

    Raises:
        InputError: no such device, or it is absent.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(
            f"--device is {name!r}; give auto, cpu, cuda, cuda:N, mps or xpu"
        ) from error
    if problem := _what_is_missing(device):
        raise InputError(f"--device {name}: {problem}; give auto or cpu")
    return device


def _what_is_missing(device: torch.device) -> str | None:
    """Return why PyTorch cannot compute there, None where it can."""
    kind = device.type
    module, backend = getattr(torch, kind, None), getattr(torch.backends, kind, None)
    if not hasattr(module, "is_available"):
        return "PyTorch does not compute on such a device"
    if not module.is_available():
        if hasattr(backend, "is_built") and not backend.is_built():
            return f"this PyTorch was built without {kind.upper()}"
        return f"PyTorch finds no {kind.upper()} device here"
    count = module.device_count() if hasattr(module, "device_count") else 1
    if (device.index or 0) >= count:
        return f"PyTorch finds {count} of these devices here, numbered from 0"
    return None


def choose_dtype(precision: str, device: torch.device, gradients: bool = False) -> torch.dtype:
    """Return the dtype to compute in: auto takes half precision where it pays.

    On CUDA that is bfloat16 from compute capability 8 on, and float16 on 7, which has no other. On
    a CPU its flags do not tell (bfloat16 is twice as fast on one AVX-512 machine and slower on
    another), so one convolution is timed. Other devices compute in float32.

    Args:
        gradients: they are needed; float16 has too small a range for them.

    Raises:
        InputError: float16 was asked for, with gradients or on a CPU.
    """
    if precision == "float16" and gradients:
        raise InputError(
            "--precision float16 has too small a range for gradients: give bfloat16 or float32"
        )
    if precision == "float16" and device.type == "cpu":
        raise InputError("--precision float16 is slow on a CPU: give auto, bfloat16 or float32")
    if precision != "auto":
        return getattr(torch, precision)
    if device.type == "cuda":
        generation = torch.cuda.get_device_capability(device)[0]
        if generation == 7 and not gradients:
            return torch.float16
        return torch.bfloat16 if generation >= 8 else torch.float32
    if device.type != "cpu":
        return torch.float32
    fast = _convolution_seconds(torch.float32) > 1.3 * _convolution_seconds(torch.bfloat16)
    return torch.bfloat16 if fast else torch.float32


def dtype_name(dtype: torch.dtype) -> str:
    """Return a dtype's name as --precision has it.

    >>> dtype_name(torch.bfloat16)
    'bfloat16'
    """
    return str(dtype).removeprefix("torch.")


def free_memory(device: torch.device) -> int:
    """Return how many bytes can still be taken there; a large number where that is not known."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
        return free * 1024
    except (OSError, StopIteration, ValueError):  # not Linux: half of what is built in
        names = getattr(os, "sysconf_names", {})
        if "SC_PHYS_PAGES" not in names:
            return 2**63
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def keep_memory() -> None:
    """Let the process keep memory that it will soon take again, where the C library is glibc.

    The maps of large nets come and go with every step. Otherwise each is given back to the system
    and taken anew page by page, for a tenth of a step's time on a CPU.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1)):
        mallopt(option, value)


def _convolution_seconds(dtype: torch.dtype) -> float:
    """Return the shortest time of a small channels-last convolution on the CPU."""
    image = torch.ones(1, 64, 48, 48, dtype=dtype).contiguous(memory_format=torch.channels_last)
    kernel = torch.ones(64, 64, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(8):
            begin = time.perf_counter()
            F.conv2d(image, kernel, padding=1)
            times.append(time.perf_counter() - begin)
    return min(times)


def frames_together(device: torch.device, size: tuple[int, int], live: bool) -> int:
    """Return how many frames are to pass a net at once: one on a CPU, where it gains nothing.

    Args:
        live: each frame is wanted soon.
    """
    if device.type != "cuda" or live:
        return 1
    pixels = size[0] * size[1]
    room = free_memory(device) // 2 // (pixels * BYTES_A_PIXEL)
    return max(1, min(MAX_TOGETHER, PIXELS_AT_A_TIME // pixels, room))


@contextmanager
def frame_workers(device: torch.device, size: tuple[int, int], live: bool) -> Iterator[int]:
    """Divide the processor's cores among frames; give how many are to be painted at a time.

    Threads that work on one frame wait for each other many times; those that work on a frame each
    do not. Threads that start before the context ends get their part of the cores.

    Args:
        live: each frame is wanted soon: two at a time are enough.
    """
    threads = torch.get_num_threads()
    room = max(1, PIXELS_AT_A_TIME // (size[0] * size[1]))
    maximum = MAX_LIVE_FRAMES if live else MAX_FRAMES
    workers = 1 if device.type != "cpu" else min(threads, maximum, room)
    torch.set_num_threads(max(1, threads // workers))
    try:
        yield workers
    finally:
        torch.set_num_threads(threads)
