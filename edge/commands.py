"""What people text to the device: ``STATUS`` and ``ACK n``, from the numbers it texts itself."""

import re
import time
from collections import Counter
from collections.abc import Callable, Collection

import structlog

from edge.active_log import masked
from edge.sim800.received import Deliver, Joiner, PduError, StatusReport, decode

ACK = re.compile(r"ACK\s+(\d{1,9})", re.IGNORECASE)
HELP = "I know STATUS and ACK n, where n is the number after # in a text."
HELP_EVERY_S = 86_400.0  # to one number: what texts may be a program

log = structlog.get_logger()


class Commands:
    """Answers texts. ignored: how many came from numbers nobody named."""

    def __init__(
        self,
        numbers: Collection[str],
        reply: Callable[[str, str], None],
        acknowledge: Callable[[int], bool],
        status: Callable[[], str],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Obey ``numbers``; ``reply`` texts, ``acknowledge`` a claim, ``status`` says how it is."""
        self.ignored = 0
        self.reports: Counter[str] = Counter()
        self._numbers = frozenset(numbers)
        self._reply = reply
        self._acknowledge = acknowledge
        self._status = status
        self._now_s = now_s
        self._helped_s: dict[str, float] = {}
        self._joiner = Joiner()

    def heard(self, pdu: str) -> None:
        """Do what ``pdu``, as it came from the modem, asks for."""
        try:
            came = decode(pdu)
        except PduError as error:
            log.warning("text_unreadable", reason=str(error))
            return
        if isinstance(came, StatusReport):
            self.reports[str(came.outcome)] += 1
            log.info("text_reported", reference=came.reference, outcome=str(came.outcome))
            return
        whole = self._joiner.join(came)
        if whole is not None:
            self._obey(whole)

    def _obey(self, text: Deliver) -> None:
        if text.sender not in self._numbers:
            self.ignored += 1
            log.warning("text_ignored", sender=masked(text.sender), ignored=self.ignored)
            return
        said = text.text.strip()
        log.info("text_came", sender=masked(text.sender))
        if found := ACK.fullmatch(said):
            known = self._acknowledge(int(found[1]))
            self._reply(text.sender, f"{found[0]}: noted." if known else f"{found[0]}: not known.")
        elif said.upper() == "STATUS":
            self._reply(text.sender, self._status())
        else:
            self._help(text.sender, said)

    def _help(self, number: str, said: str) -> None:
        """Say once a day what there is to say; never to what says it to us."""
        now_s, helped_s = self._now_s(), self._helped_s.get(number)
        if said != HELP and (helped_s is None or now_s - helped_s >= HELP_EVERY_S):
            self._helped_s[number] = now_s
            self._reply(number, HELP)
