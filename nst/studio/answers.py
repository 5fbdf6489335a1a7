"""Answers over HTTP: each request is worked on in a thread, and an error becomes one line."""

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from nst.errors import InputError

MOST_JSON = 1_000_000  # bytes of a request that is not an upload


def answered(ask: Callable[[Request], Any]) -> Callable:
    """Return what answers a request with what a function gives: a response, or JSON."""

    async def answer(request: Request) -> Response:
        found = await in_thread(_checked, ask, request)
        return found if isinstance(found, Response) else JSONResponse(found)

    return answer


def posted(ask: Callable[[Any], Any]) -> Callable:
    """Return what answers a request with what a function makes of its JSON."""

    async def answer(request: Request) -> Response:
        data = await read_json(request)
        return JSONResponse(await in_thread(_checked, ask, data))

    return answer


async def in_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what work that takes long gives, from a thread that Ctrl-C does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future = loop.create_future()

    def settle(answer: Any, error: Exception | None) -> None:
        if done.done():  # nobody waits any more
            return
        done.set_exception(error) if error else done.set_result(answer)

    def run() -> None:
        answer, error = None, None
        try:
            answer = work(*arguments)
        except Exception as raised:
            error = raised
        with suppress(RuntimeError):  # the program has ended meanwhile
            loop.call_soon_threadsafe(settle, answer, error)

    threading.Thread(target=run, daemon=True).start()
    return await done


async def read_json(request: Request) -> Any:
    """Return what a request says.

    Raises:
        InputError: it is too large, or no JSON.
    """
    text = b""
    async for chunk in request.stream():
        text += chunk
        if len(text) > MOST_JSON:
            raise InputError("this request is too large")
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"this request cannot be read: {error}") from error


def explain(request: Request, error: Exception) -> Response:
    """Answer with the line that the command line would print."""
    return JSONResponse({"error": " ".join(str(error).split())}, 422)


def _checked(ask: Callable[[Any], Any], data: Any) -> Any:
    """Return what was asked for; a request of another form than the page's is the asker's error."""
    try:
        return ask(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"this request cannot be read: {error!r}") from error
