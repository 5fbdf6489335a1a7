"""Open the page: `nst studio`."""

import secrets
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable

from nst.core.forecast import tell
from nst.errors import InputError
from nst.options.tools import StudioConfig

ADDRESS = "127.0.0.1"
START_SECONDS = 60.0


def studio(config: StudioConfig, on_start: Callable[[str], None] | None = None) -> str | None:
    """Serve the page until Ctrl-C; return the line to print, None where quiet.

    Args:
        on_start: is told the page's address, key included, once it answers.

    Raises:
        InputError: the extra packages, a folder or the port are not to be had.
    """
    try:
        import uvicorn

        from nst.studio.server import Studio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise InputError(f"nst studio needs {error.name}: pip install nst[studio]") from None
    from nst.studio.files import Files
    from nst.studio.guard import Guard
    from nst.studio.jobs import RUNNING, WAITING, Queue
    from nst.studio.tries import Tries

    files = Files(config.output_dir, config.folder)
    with listening(config.port) as listener:
        port = listener.getsockname()[1]
        tries = Tries(config.device, config.precision)
        queue = Queue(files.output_dir / "queue")
        key = secrets.token_urlsafe(24)
        guard = Guard(Studio(files, tries, queue).app(), key, port)
        options = uvicorn.Config(
            guard,
            log_level="warning",
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(options)
        address = f"http://{ADDRESS}:{port}/?key={key}"

        def announce() -> None:
            deadline = time.monotonic() + START_SECONDS
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.02)
            tell(f"the studio is open at {address}", config.quiet and config.browser)
            tell(f"results go to {files.output_dir}; Ctrl-C ends it", config.quiet)
            if on_start:
                on_start(address)
            if config.browser:
                webbrowser.open(address)

        threading.Thread(target=announce, daemon=True).start()
        try:
            server.run([listener])
        except KeyboardInterrupt:
            pass
        finally:
            try:
                if any(job["state"] in (RUNNING, WAITING) for job in queue.jobs()):
                    line = "ending the jobs; they go on when the studio is opened again"
                    tell(line, config.quiet)
            finally:  # the terminal may be gone
                queue.close()
    return None if config.quiet else f"results are in {files.output_dir}"


def listening(port: int | None) -> socket.socket:
    """Return a socket of this machine alone, at a port, or at a free one."""
    listener = socket.socket()
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port or 0))
    except OSError as error:
        listener.close()
        raise InputError(
            f"--port {port}: {error.strerror}; leave it out to take a free one"
        ) from None
    return listener
