"""Peak memory of a long and a short video: it must not grow with the length.

    python -m benchmarks.memory

Each run is a process of its own; it prints the peak of its memory.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.stylize import make_clip

ROOT = Path(__file__).parent.parent


def peak_megabytes(source: Path, target: Path) -> float:
    """Stylize in a process of its own and return the most memory it held."""
    command = [sys.executable, str(ROOT / "stylize_video.py"), "--quiet", "--long-side", "192"]
    command += ["--input-video", str(source), "--output-video", str(target)]
    process = subprocess.Popen(command, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"stylize_video.py failed with status {status}")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Print both peaks and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs=2, default=(200, 2000))
    options = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for frames in options.frames:
            source, target = Path(folder) / f"{frames}.mp4", Path(folder) / f"{frames}_out.mp4"
            make_clip(source, frames)
            peaks.append(peak_megabytes(source, target))
            print(f"{frames:5} frames: {peaks[-1]:.0f} MB at most")
    print(f"ratio {peaks[1] / peaks[0]:.3f}")


if __name__ == "__main__":
    main()
