"""Ports of the loopback."""

import socket

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """Return a port on which nothing listens now; somebody may take it before you do."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def in_use(port: int) -> bool:
    """Return whether something listens on ``port``."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
        return False
