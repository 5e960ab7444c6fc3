"""The pages and the same as JSON. They work before any script runs: there is none."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException as StarletteHTTPException

from app.dashboard import reading
from tables.wording import lasting, plain

HERE = Path(__file__).parent
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
MEANING = {
    "fired": "It held for as long as the rule asks: people are told.",
    "repeated": "It still holds when the reset has passed: people are told again.",
    "resolved": "It is over, and stayed over: those who were told are told so.",
    "suppressed": "It held, but the last message is too recent: nobody is told now.",
    "suppressed_resolved": "It is over, and nobody had been told of it: nobody is told now.",
}
templates = Jinja2Templates(directory=HERE / "templates")


def age(instant: datetime | None) -> str:
    """Return how long ago ``instant`` was, to its two largest units."""
    if instant is None:
        return "never"
    span = datetime.now(UTC) - instant
    return f"{lasting(span)} ago" if span.total_seconds() >= 1 else "now"


def clock(instant: datetime | None) -> str:
    """Return ``instant`` as it is shown: UTC, to the second."""
    return "" if instant is None else f"{instant:%Y-%m-%d %H:%M:%S} UTC"


def fact(value: Any) -> str:
    """Return a value of a decision's cause in words."""
    return plain(tuple(value) if isinstance(value, list) else value)


templates.env.filters.update(age=age, clock=clock, fact=fact)
templates.env.globals["meaning"] = MEANING


def create(engine: Engine) -> FastAPI:
    """Return the application that shows the read models in ``engine``'s database."""
    app = FastAPI(title="Changeover", docs_url=None, redoc_url=None)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    _guard(app)
    _pages(app, engine)
    _api(app, engine)
    return app


def _guard(app: FastAPI) -> None:
    @app.middleware("http")
    async def headers(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        response = await call_next(request)
        response.headers.update(HEADERS)
        return response

    @app.exception_handler(StarletteHTTPException)
    async def failed(request: Request, error: StarletteHTTPException) -> Response:
        return _failed(request, error.detail, error.status_code)

    @app.exception_handler(OperationalError)
    async def without_database(request: Request, _: OperationalError) -> Response:
        return _failed(
            request, "the database does not answer; what is told goes on without it", 503
        )


def _failed(request: Request, reason: str, status: int) -> Response:
    if request.url.path.startswith("/api/"):
        return _json({"error": reason}, status)
    return templates.TemplateResponse(request, "error.html", {"reason": reason}, status_code=status)


def _pages(app: FastAPI, engine: Engine) -> None:
    @app.get("/", response_class=HTMLResponse)
    def fleet(request: Request) -> Response:
        return templates.TemplateResponse(request, "fleet.html", {"fleet": reading.fleet(engine)})

    @app.get("/devices/{name:path}", response_class=HTMLResponse)
    def device(request: Request, name: str) -> Response:
        found, notifications = _found(reading.device(engine, name), f"no device {name}")
        context = {"device": found, "notifications": notifications}
        return templates.TemplateResponse(request, "device.html", context)

    @app.get("/notifications/{identity}", response_class=HTMLResponse)
    def notification(request: Request, identity: str) -> Response:
        story = _found(reading.story(engine, identity), f"no notification {identity}")
        return templates.TemplateResponse(request, "story.html", {"story": story})


def _api(app: FastAPI, engine: Engine) -> None:
    @app.get("/api/v1/fleet")
    def fleet() -> Response:
        """Return every device, the latest notifications and what could not be read."""
        return _json(reading.fleet(engine))

    @app.get("/api/v1/devices/{name:path}")
    def device(name: str) -> Response:
        """Return a device and its notifications."""
        found, notifications = _found(reading.device(engine, name), f"no device {name}")
        return _json({"device": found, "notifications": notifications})

    @app.get("/api/v1/notifications/{identity}")
    def notification(identity: str) -> Response:
        """Return the story of a notification, from log line to outcome."""
        return _json(_found(reading.story(engine, identity), f"no notification {identity}"))

    @app.get("/healthz")
    def healthz() -> Response:
        """Return that the server answers."""
        return _json({"status": "ok"})


def _found(value: Any, otherwise: str) -> Any:
    if value is None:
        raise HTTPException(404, f"there is {otherwise}")
    return value


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
