"""A SIM800 on a pty, for the demo and the tests. It shares no code with ``edge.sim800``."""

from app.sim800.pty import Simulator
from app.sim800.wire import Submitted

__all__ = ["Simulator", "Submitted"]
