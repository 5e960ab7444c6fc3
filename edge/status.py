"""What a running edge says of itself."""

from datetime import datetime

import msgspec

from edge.sim800.states import Status as ModemStatus


class Pending(msgspec.Struct, frozen=True):
    """A decision the servers do not have yet. due_s: until the device texts it; None: never."""

    rule: str
    kind: str
    at: datetime
    due_s: float | None


class EdgeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """waiting: records in the spool. texts: that are still to be sent.

    malformed: lines since its start. bad: the newest of them, where it stands and what is wrong.

    shipped: since its start; last_shipped: None is nothing yet. trouble: why nothing is shipped,
    or empty. online: None is unknown.
    firing: rules whose episodes last. soc_pct: the battery's state of charge.
    """

    device: str
    at: datetime
    source: str | None
    online: bool | None
    waiting: int
    bytes: int
    shipped: int
    last_shipped: datetime | None
    trouble: str
    pending: tuple[Pending, ...]
    malformed: int
    bad: str
    texts: int
    claims: int
    firing: tuple[str, ...]
    soc_pct: float | None
    modem: ModemStatus | None
    ignored_texts: int

    def text(self) -> str:
        """Return it as short as a text has to be."""
        firing = ", ".join(self.firing) or "nothing"
        battery = "" if self.soc_pct is None else f", battery {self.soc_pct:g} %"
        link = {True: "online", False: "offline", None: "link unknown"}[self.online]
        return (
            f"{self.device} {self.at:%H:%M} UTC: on {self.source or 'an unknown source'}{battery}; "
            f"{link}, {self.waiting} records wait; firing: {firing}"
        )
