"""Pictures of the pages in Chromium: ``python -m tests.browser.screenshots FOLDER``.

Headless Chromium has no window narrower than 500 px, so a phone is a frame of 375 px in a page.
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from app import database
from app.broker.ports import LOOPBACK, free_port
from app.dashboard import projector, reading, server
from tests.dashboard.records import recently

CHROMIUM = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
PHONE = (375, 1400)
DESKTOP = (1280, 1400)


def take(folder: Path) -> None:
    """Write a picture of each page, wide and narrow, light and dark, into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        engine = database.engine(f"sqlite:///{scratch}/read.db")
        projector.prepare(engine)
        projector.apply(engine, recently())
        fired = [each for each in reading.fleet(engine).latest if each.rule == "grid_lost"]
        paths = {"fleet": "/", "story": f"/notifications/{fired[-1].id}"}
        port = free_port()
        config = uvicorn.Config(_framed(server.create(engine)), port=port, log_level="warning")
        pages = uvicorn.Server(config)
        thread = threading.Thread(target=pages.run)
        thread.start()
        while not pages.started:
            time.sleep(0.05)  # uvicorn sets a flag and wakes nobody
        for name, path in paths.items():
            for theme in ("light", "dark"):
                address = f"http://{LOOPBACK}:{port}"
                wide, narrow = folder / f"{name}-{theme}.png", folder / f"{name}-{theme}-phone.png"
                _picture(Path(scratch), address + path, wide, DESKTOP, theme)
                _picture(Path(scratch), f"{address}/frame?path={path}", narrow, PHONE, theme)
        pages.should_exit = True
        thread.join()
        engine.dispose()


def _framed(app: FastAPI) -> FastAPI:
    parent = FastAPI()

    @parent.get("/frame", response_class=HTMLResponse)
    def frame(path: str) -> str:
        width, height = PHONE
        style = f"border:0;width:{width}px;height:{height}px"
        return f'<body style="margin:0"><iframe style="{style}" src="{path}"></iframe>'

    parent.mount("/", app)
    return parent


def _picture(scratch: Path, url: str, file: Path, size: tuple[int, int], theme: str) -> None:
    dark = ("--blink-settings=preferredColorScheme=0",) if theme == "dark" else ()
    options = (
        f"--user-data-dir={scratch / 'profile'}",
        f"--window-size={size[0]},{size[1]}",
        f"--screenshot={file}",
    )
    command = (*CHROMIUM, *dark, *options, url)
    subprocess.run(command, check=True, capture_output=True, timeout=60)


if __name__ == "__main__":
    take(Path(sys.argv[1]))
