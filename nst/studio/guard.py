"""Who may ask: this page alone, in a browser on this machine that was given the key."""

import secrets
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing but what this server gives is loaded, run, framed or asked.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' "
    "blob:; style-src 'self'; script-src 'self'; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses requests of other pages, of other names of this machine, and without the key.

    The key comes with the address that is opened, `/?key=...`, and is then kept in a cookie that
    other sites' pages do not send. The Host header is checked because another site's name can be
    made to point to this machine (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, key: str, port: int):
        self.app, self.key = app, key
        self.cookie = f"nst-studio-{port}"  # cookies do not tell ports apart
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        response = PlainTextResponse(refusal, 403) if refusal else None
        given = self._given_key(scope)
        if not refusal and scope["path"] == "/" and given:
            if secrets.compare_digest(given.encode(), self.key.encode()):
                response = RedirectResponse("/", 303)
                response.set_cookie(self.cookie, self.key, httponly=True, samesite="strict")
            else:
                response = PlainTextResponse("this key is of another run: see the terminal", 403)
        elif not refusal and not self._has_cookie(headers):
            response = PlainTextResponse("open the address that nst studio has printed", 403)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    found.setdefault(name, value)
            await send(message)

        await (response or self.app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        if scope["type"] != "http":
            return "only HTTP"
        if headers.get("host") not in self.hosts:
            return "this page is at 127.0.0.1 only"
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins:
            return "pages of other sites may not ask"
        site = headers.get("sec-fetch-site")
        opened = scope["path"] == "/" and headers.get("sec-fetch-mode", "navigate") == "navigate"
        if site not in (None, "same-origin", "none") and not opened:
            return "pages of other sites may not ask"
        if scope["method"] not in ("GET", "HEAD") and headers.get("x-nst-studio") != "1":
            return "only this page may change something"
        return None

    def _given_key(self, scope: Scope) -> str:
        query = scope.get("query_string", b"").decode("latin-1")
        parts: Iterable[str] = query.split("&")
        return next((part[4:] for part in parts if part.startswith("key=")), "")

    def _has_cookie(self, headers: Headers) -> bool:
        found = cookie_parser(headers.get("cookie", "")).get(self.cookie, "")
        return secrets.compare_digest(found.encode(), self.key.encode())
