"""The page and its answers by HTTP. Nothing of it reaches beyond this machine, and nothing is kept."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, UploadFile
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import HTMLResponse, Response

from erkt import __version__
from erkt.deploy.app.examples import Example
from erkt.deploy.app.guards import Bounded, Marked, OwnPageOnly
from erkt.deploy.app.panel import Panel
from erkt.params.schema import as_dict

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""The names by which this machine calls itself; requests to them are always answered."""

TOP = 5


def service(
    panel: Panel, examples: Sequence[Example], *, hosts: Sequence[str] = (), threads: int = 1
) -> FastAPI:
    """Return the page and its endpoints as an ASGI application.

    ``hosts`` are more names or addresses by which it may be called; a request to another is answered 400, so
    that no foreign page can reach it under a name of its own. At most ``threads`` images are decoded and
    classified at once; the others wait.
    """
    # Without FastAPI's own pages, which load scripts from elsewhere.
    app = FastAPI(title="erkt", version=__version__, docs_url=None, redoc_url=None)
    page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    pool = ThreadPoolExecutor(threads, thread_name_prefix="erkt-app")
    about = _about(panel, examples)

    app.add_middleware(Bounded, limit=panel.limits.request)
    app.add_middleware(OwnPageOnly)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *hosts], www_redirect=False)
    app.add_middleware(Marked, headers=_headers(page))

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def show() -> str:
        return page

    @app.get("/about")
    async def tell() -> dict[str, Any]:
        """Say which model it is, its classes, what is sure, the limits, and the examples with pictures."""
        return about

    @app.get("/examples/{place}", response_class=Response)
    async def example(place: int) -> Response:
        """Return the file of an example, by its place in the list of ``/about``."""
        if not 0 <= place < len(examples):
            raise HTTPException(404, f"no example {place}")
        return Response(examples[place].data, media_type="application/octet-stream")

    @app.post("/predict")
    async def predict(
        images: list[UploadFile],
        top: Annotated[int, Query(ge=1)] = TOP,
        pictures: Annotated[bool, Query()] = False,
    ) -> dict[str, list[dict[str, Any]]]:
        """Classify image files, sent as a form with the field ``images``, which may be repeated.

        The answer has ``images``, an object for each in order; a file that is no image has an ``error``.
        """
        loop, found = asyncio.get_running_loop(), []
        for image in images:
            data = await image.read(panel.limits.file + 1)
            answer = partial(panel.answer, image.filename or "", data, top, pictures=pictures)
            found.append(await loop.run_in_executor(pool, answer))
        return {"images": found}

    return app


def _about(panel: Panel, examples: Sequence[Example]) -> dict[str, Any]:
    card, limits = panel.model.card, panel.limits
    return {
        "model": card.arch,
        "precision": card.precision,
        "parameters": card.parameters,
        "side": card.side,
        "classes": card.classes,
        "dataset": card.training.dataset if card.training else None,
        "calibration": None if card.calibration is None else as_dict(card.calibration),
        "teachers": len(panel.teachers),
        "heat": panel.looking is not None,
        "limits": {"file": limits.file, "request": limits.request, "pixels": limits.pixels},
        "examples": [{"name": example.name, "picture": example.picture} for example in examples],
    }


def _headers(page: str) -> dict[str, str]:
    """Return headers by which a browser runs what stands in the page itself, and nothing else.

    A content security policy names the script and the style by their digests.
    """
    (script,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    policy = {
        "default-src": "'none'",
        "script-src": _digest(script),
        "style-src": _digest(style),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-store",
    }


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
