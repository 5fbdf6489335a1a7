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

# Frames of a video that are painted at a time, at the most; and their pixels, for memory's sake.
MOST_FRAMES, MOST_LIVE_FRAMES, PIXELS_AT_A_TIME = 4, 2, 9_000_000

# Of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def choose_device(name: str) -> torch.device:
    """Return the device of a user's word: auto takes CUDA when it is there.

    Raises:
        InputError: no such device, or it is absent.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise InputError(f"--device is {name!r}; give auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(f"--device {name}: PyTorch sees no such GPU here; give auto or cpu")
    return device


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype to compute in: auto takes bfloat16 where it pays.

    On a GPU that is from compute capability 8 on. On a CPU its flags do not tell (bfloat16 is
    twice as fast on one AVX-512 machine and slower on another), so one convolution is timed.
    """
    if precision != "auto":
        return getattr(torch, precision)
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device)[0] >= 8
    else:
        fast = _convolution_seconds(torch.float32) > 1.3 * _convolution_seconds(torch.bfloat16)
    return torch.bfloat16 if fast else torch.float32


def free_memory(device: torch.device) -> int:
    """Return how many bytes can still be taken there; a large number where that is not known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
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
    """Return the least time of a small channels-last convolution on the CPU."""
    image = torch.ones(1, 64, 48, 48, dtype=dtype).contiguous(memory_format=torch.channels_last)
    kernel = torch.ones(64, 64, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(8):
            begin = time.perf_counter()
            F.conv2d(image, kernel, padding=1)
            times.append(time.perf_counter() - begin)
    return min(times)


@contextmanager
def frame_workers(device: torch.device, size: tuple[int, int], live: bool) -> Iterator[int]:
    """Share the processor's cores among frames; give how many are to be painted at a time.

    Threads that work on one frame wait for each other many times; those that work on a frame each
    do not. Until the context ends, threads that begin take their part of the cores.

    Args:
        live: each frame is wanted soon: two at a time are enough.
    """
    threads = torch.get_num_threads()
    room = max(1, PIXELS_AT_A_TIME // (size[0] * size[1]))
    most = MOST_LIVE_FRAMES if live else MOST_FRAMES
    workers = 1 if device.type != "cpu" else min(threads, most, room)
    torch.set_num_threads(max(1, threads // workers))
    try:
        yield workers
    finally:
        torch.set_num_threads(threads)
