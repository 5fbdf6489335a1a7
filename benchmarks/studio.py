"""How soon a draft is there after a slider of `nst studio` was moved.

    python -m benchmarks.studio

A photo of 1280 pixels is opened as on the page, and the strength is moved 20 times. What is timed
is what the page waits for: the request over HTTP, the picture painted at 640 pixels, its JPEG file
back. Beside it stand the processor's time for it, which other work on the machine changes little,
and one pass of the net alone on the same image, by turns.
"""

import argparse
import json
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

import torch
import uvicorn
from PIL import Image
from skimage import data

from nst.core.tensors import fit, resize
from nst.media.images import load_image
from nst.models.checkpoint import load_checkpoint
from nst.studio.files import DROPPED, Files
from nst.studio.guard import Guard
from nst.studio.jobs import Queue
from nst.studio.serve import listening
from nst.studio.server import Studio
from nst.studio.tries import DRAFT_SIDE, Tries
from nst.stylize.forward import stylize

SIZE, KEY = (1280, 720), "benchmark"


def main(moves: int) -> None:
    """Print the median time of a draft, and of a pass of the net."""
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder))
        (files.roots[DROPPED] / "a").mkdir()
        photo = files.roots[DROPPED] / "a" / "photo.jpg"
        Image.fromarray(data.astronaut()).resize(SIZE).save(photo)
        queue = Queue(files.output_dir / "queue")
        with listening(None) as listener:
            port = listener.getsockname()[1]
            tries = Tries("cpu")
            app = Guard(Studio(files, tries, queue).app(), KEY, port)
            server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            while not server.started:
                time.sleep(0.01)
            try:
                measure(moves, port, files.name(photo), photo, tries)
            finally:
                server.should_exit = True
                thread.join()
                queue.close()


def measure(moves: int, port: int, name: str, photo: Path, tries: Tries) -> None:
    """Move the strength and print what it took."""
    checkpoint = load_checkpoint("fast")
    image = resize(load_image(photo), fit(SIZE[::-1], DRAFT_SIDE))
    net, code = tries.loaded("fast")[1], checkpoint.code(1)
    drafts, passes, busy = [], [], []
    draft(port, name, 1.0)  # opens the photo
    for move in range(moves):
        before = time.process_time()
        drafts.append(draft(port, name, 0.5 + 0.5 * move / moves))
        busy.append(time.process_time() - before)
        begun = time.perf_counter()
        stylize(net, image, code, tries.dtype)
        passes.append(time.perf_counter() - begun)
    threads = torch.get_num_threads()
    print(f"{moves} drafts at {DRAFT_SIDE} pixels, {tries.machine['precision']}, {threads} threads")
    print(f"draft      median {1000 * median(drafts):.0f} ms, slowest {1000 * max(drafts):.0f} ms")
    print(f"           of that a core is busy for {1000 * median(busy):.0f} ms in all")
    print(f"net alone  median {1000 * median(passes):.0f} ms")
    print(f"a draft is {median(drafts) / median(passes):.1f} passes of the net")


def draft(port: int, name: str, strength: float) -> float:
    """Return the seconds until a draft is there."""
    settings = {"source": name, "styles": [["fast:great_wave", 1]], "regions": []}
    body = json.dumps(settings | {"options": {"strength": strength}})
    headers = {"Cookie": f"nst-studio-{port}={KEY}", "X-NST-Studio": "1"}
    connection = HTTPConnection("127.0.0.1", port, timeout=600)
    begun = time.perf_counter()
    connection.request("POST", "/api/try", body, headers)
    answer = connection.getresponse()
    content = answer.read()
    seconds = time.perf_counter() - begun
    connection.close()
    if answer.status != 200:
        raise RuntimeError(content.decode())
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=20, help="moves of the slider [20]")
    main(parser.parse_args().moves)
