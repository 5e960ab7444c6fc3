"""What keeps rows from being shipped, said once a minute however often it happens."""

import logging
from collections.abc import Sequence
from time import monotonic

import structlog
from aiokafka.errors import BrokerResponseError, KafkaConnectionError, KafkaError

from edge.spool import SpoolError

COMPLAIN_EVERY_S = 60.0

log = structlog.get_logger()


class LastWords(logging.Handler):
    """Keeps what aiokafka logged last: why it cannot connect it tells nobody else."""

    def __init__(self) -> None:
        """Listen to aiokafka's errors; the complaint says them."""
        super().__init__(logging.ERROR)
        self.said = ""
        logger = logging.getLogger("aiokafka")
        logger.setLevel(logging.ERROR)
        logger.propagate = False
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.said = record.getMessage()


class Complaints:
    """What goes wrong with ``brokers``, and with single topics."""

    def __init__(self, brokers: Sequence[str], within_s: float) -> None:
        """Call it silence when nothing was answered ``within_s``."""
        self._brokers = brokers
        self._silence = f"no answer within {within_s:.0f} s"
        self._last = LastWords()
        self._said_s: dict[str, float] = {}  # by topic; empty is what all of them share
        self._open = set[str]()

    def complain(self, topic: str, error: Exception, waiting: int) -> str:
        """Say what keeps ``topic`` from being shipped, if it is time to; return it."""
        own = isinstance(error, BrokerResponseError | SpoolError)
        of, reason, now_s = topic if own else "", self._reason(topic, error), monotonic()
        if of not in self._said_s or now_s - self._said_s[of] >= COMPLAIN_EVERY_S:
            self._said_s[of] = now_s
            self._open.add(of)
            log.warning("shipping_failed", brokers=self._brokers, reason=reason, waiting=waiting)
        return reason

    def resolve(self, topic: str, waiting: int) -> None:
        """Say that ``topic`` goes again, if it was said that it does not."""
        ended = self._open & {"", topic}
        if ended:
            self._open -= ended
            log.info("shipping_resumed", topic=topic, waiting=waiting)

    def _reason(self, topic: str, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return self._silence
        if isinstance(error, KafkaConnectionError) and self._last.said:
            return self._last.said
        if not isinstance(error, KafkaError | SpoolError | OSError):
            return f"a strange answer made {error!r}"
        said = str(error) or repr(error)
        return f"{topic}: {said}" if isinstance(error, BrokerResponseError) else said
