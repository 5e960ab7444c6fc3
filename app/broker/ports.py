"""Ports of the loopback."""

import secrets
import socket

from app.broker.errors import PortInUseError

LOOPBACK = "127.0.0.1"
# Below those that Linux gives to outgoing connections, which would take one at any moment:
# ip(7), ip_local_port_range, 32768 to 60999.
FIRST, LAST = 10_000, 32_000


def free_port(*but: int) -> int:
    """Return a port on which nothing listens now, none of ``but``.

    Somebody may take it before you do.
    """
    while in_use(port := FIRST + secrets.randbelow(LAST - FIRST)) or port in but:
        pass
    return port


def check_free(port: int, setting: str) -> None:
    """Return if nothing listens on ``port``, which ``setting`` names.

    Raises:
        PortInUseError: something does.
    """
    if in_use(port):
        raise PortInUseError(
            f"port {port} of {LOOPBACK} is in use: "
            f"end what listens there, or set {setting} to another"
        )


def in_use(port: int) -> bool:
    """Return whether something listens on ``port``."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
        return False
