"""The simulated module behind a pty, on a thread of its own; it can be unplugged and plugged."""

import heapq
import os
import selectors
import threading
import time
import tty
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import NamedTuple, Self

from app.sim800.core import Core
from app.sim800.wire import Submitted

READ = 4_096


class Sent(NamedTuple):
    """A text that went out. at: monotonic seconds when Ctrl-Z came."""

    at: float
    text: Submitted


class Simulator:
    """A module at ``path``, a link to a pty that is another after each plugging.

    core: what it is to do, and to do wrong. sent: texts that went out, oldest first.
    asked_at: monotonic seconds of each AT+CMGS.
    """

    def __init__(self, path: Path, told: Callable[[Sent], None] = lambda _sent: None) -> None:
        """Stand ready at ``path``; ``told`` is called with each text, on the thread."""
        self.path = path
        self.sent: list[Sent] = []
        self.asked_at: list[float] = []
        self._told = told
        self.core = Core(self._say, self._note)
        self._due: list[tuple[float, int, bytes]] = []
        self._order = count()
        self._master = -1
        self._slave = -1
        self._wake_out, self._wake_in = os.pipe()
        self._lock = threading.RLock()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="sim800", daemon=True)

    def __enter__(self) -> Self:
        """Plug it in and let it run; it was switched on long ago."""
        self.plug(silent=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._ending = True
        self._wake()
        self._thread.join()
        self.unplug()
        os.close(self._wake_out)
        os.close(self._wake_in)

    def plug(self, *, silent: bool = False) -> None:
        """Let the port be there, with a module that has just been switched on.

        silent: it does not say so, as one that finds out its speed by itself.
        """
        with self._lock:
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self.core.reset(silent=silent)
            link = self.path.with_name(f".{self.path.name}.new")
            link.unlink(missing_ok=True)
            link.symlink_to(os.ttyname(self._slave))
            link.replace(self.path)
        self._wake()

    def unplug(self) -> None:
        """Let the port be gone: whoever has it open sees a hang-up."""
        with self._lock:
            self.path.unlink(missing_ok=True)
            self._due.clear()
            if self._master >= 0:
                os.close(self._master)
                os.close(self._slave)
                self._master = self._slave = -1
        self._wake()

    def reset(self, *, silent: bool = False) -> None:
        """Let the module start anew, as after a moment without power; ``silent``: unsaid."""
        with self._lock:
            self._due.clear()
            self.core.reset(silent=silent)
        self._wake()

    def receive(self, number: str, text: str) -> None:
        """Let a text come in."""
        with self._lock:
            self.core.receive(number, text)
        self._wake()

    def _say(self, delay_s: float, data: bytes) -> None:
        heapq.heappush(self._due, (time.monotonic() + delay_s, next(self._order), data))

    def _note(self, text: Submitted) -> None:
        sent = Sent(time.monotonic(), text)
        self.sent.append(sent)
        self._told(sent)

    def _wake(self) -> None:
        os.write(self._wake_in, b"x")

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_out, selectors.EVENT_READ)
            watched = -1
            while not self._ending:
                with self._lock:
                    if watched != self._master:
                        watched = self._rewatch(selector, watched)
                    wait_s = self._speak()
                for key, _ in selector.select(wait_s):
                    if key.fd == self._wake_out:
                        os.read(self._wake_out, READ)
                    else:
                        self._listen()

    def _rewatch(self, selector: selectors.BaseSelector, watched: int) -> int:
        if watched >= 0:
            selector.unregister(watched)
        if self._master >= 0:
            selector.register(self._master, selectors.EVENT_READ)
        return self._master

    def _speak(self) -> float | None:
        """Say what is due; return in how many seconds there is more, None if there is nothing."""
        while self._due:
            wait_s = self._due[0][0] - time.monotonic()
            if wait_s > 0:
                return wait_s
            data = heapq.heappop(self._due)[2]
            try:
                os.write(self._master, data)
            except OSError:
                continue  # unplugged, or nobody reads: it is lost, as on a wire
        return None

    def _listen(self) -> None:
        with self._lock:
            try:
                data = os.read(self._master, READ)
            except BlockingIOError:
                return
            except OSError:  # it was unplugged meanwhile
                return
            if b"AT+CMGS" in data.upper():
                self.asked_at.append(time.monotonic())
            self.core.feed(data)
