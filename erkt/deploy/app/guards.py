"""What every request passes before it is read, and every answer before it leaves."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from fastapi import HTTPException
from fastapi.responses import PlainTextResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Marked:
    """Adds ``headers`` to every answer."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app, self._headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers."""

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, marked if scope["type"] == "http" else send)


class OwnPageOnly:
    """Refuses what another site's page sends: browsers say where a request is from."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is this address's own, or from no page at all."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        origin = headers.get("origin")
        if origin is None or urlsplit(origin).netloc.lower() == headers.get("host", "").lower():
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse("this address answers its own page alone", 403)(scope, receive, send)


class Bounded:
    """Refuses requests of more than ``limit`` bytes, by what they say of themselves, or as they come."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit
        self._reason = f"a request of more than {limit / 1e6:g} MB; send fewer or smaller images at once"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is not too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = Headers(scope=scope).get("content-length", "")
        if said.isdecimal() and int(said) > self._limit:
            await PlainTextResponse(self._reason, 413)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, self._reason)
            return message

        await self._app(scope, counted, send)
