"""The serial port, on a thread of its own that sleeps until something comes."""

import asyncio
import os
import termios
import threading
from collections.abc import Callable
from contextlib import suppress

import serial

WRITE_WITHIN_S = 1.0  # a command is shorter than any buffer: this means that nobody takes it
BROKEN = (serial.SerialException, OSError, termios.error)  # an unplugged one raises all three


class PortLostError(Exception):
    """The port cannot be opened, or is gone."""


def _reason(error: BaseException) -> str:
    """Return why a port does not open, without what pyserial says around it."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error)


class Port:
    """An open port. ``heard`` is called in the event loop with what comes, None when it is gone."""

    def __init__(self, path: str, baud: int, heard: Callable[[bytes | None], None]) -> None:
        """Open the port at ``path``, for this process alone.

        Raises:
            PortLostError: it is not there, in use, or no port.
        """
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._closing = False
        try:
            self._serial = serial.Serial(
                path, baud, timeout=None, write_timeout=WRITE_WITHIN_S, exclusive=True
            )
        except (*BROKEN, ValueError) as error:
            raise PortLostError(f"{path} cannot be opened: {_reason(error)}") from None
        self._thread = threading.Thread(target=self._read, name="modem", daemon=True)
        self._thread.start()

    def write(self, data: bytes) -> None:
        """Write ``data``.

        Raises:
            PortLostError: it is gone, or nobody takes it.
        """
        try:
            self._serial.write(data)
        except BROKEN as error:
            raise PortLostError(str(error)) from None

    def close(self) -> None:
        """Give the port back; ``heard`` is not called any more."""
        self._closing = True
        with suppress(*BROKEN):  # when it is gone the thread has noticed, or will
            self._serial.cancel_read()
        self._thread.join(WRITE_WITHIN_S)
        with suppress(*BROKEN):
            self._serial.close()

    def _read(self) -> None:
        while not self._closing:
            try:
                data = self._serial.read(max(1, self._serial.in_waiting))
            except (*BROKEN, TypeError):  # pyserial compares a closed port's None with a number
                data = None
            if not self._closing:
                self._tell(data or None)
            if not data:
                return

    def _tell(self, data: bytes | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._tell_now, data)
        except RuntimeError:
            self._closing = True  # the loop is closed: nobody listens

    def _tell_now(self, data: bytes | None) -> None:
        if not self._closing:
            self._heard(data)
