"""The names of the topics, and how each is kept. Nothing else spells a topic's name."""

import msgspec

TRANSITIONS = "transitions"
PROBES = "probes"
WINDOWS = "windows"
ACTIVE = "active"
MALFORMED = "malformed"
NOTIFICATIONS = "notifications"
EMAIL = "email"
SMS = "sms"
PUSH = "push"
DELIVERIES = "deliveries"

DECIDE = "changeover-decide"
ROUTE = "changeover-route"
DELIVER = "changeover-deliver"

PARTITIONS = 4
FOR_EVER = -1
WEEK_MS = 7 * 24 * 3_600_000
DAY_MS = 24 * 3_600_000


class Topic(msgspec.Struct, frozen=True):
    """How a topic is created.

    retention_ms: how long records are kept; -1 is for ever.
    compacted: only the newest record of a key is kept (changelogs).
    """

    name: str
    retention_ms: int = FOR_EVER
    compacted: bool = False

    @property
    def config(self) -> dict[str, str]:
        """Return the topic's configuration as Kafka names it."""
        if self.compacted:
            # A paused worker may still write after it lost its partition. Recovery keeps the
            # highest source offset of a key: compaction must leave that record alone for a while.
            return {
                "cleanup.policy": "compact",
                "min.compaction.lag.ms": str(DAY_MS),
                "message.timestamp.type": "LogAppendTime",
            }
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_ms),
            "message.timestamp.type": "LogAppendTime",
        }


def changelog(group: str, table: str) -> str:
    """Return the name of a Faust table's changelog topic."""
    return f"{group}-{table}-changelog"


SUPPLY_TABLE = "supply"
ENERGY_TABLE = "energy"
RECIPIENTS_TABLE = "recipients"

TOPICS: tuple[Topic, ...] = (
    Topic(TRANSITIONS),
    Topic(PROBES),
    Topic(WINDOWS),
    Topic(ACTIVE),
    Topic(MALFORMED),
    Topic(NOTIFICATIONS),
    Topic(EMAIL, retention_ms=WEEK_MS),
    Topic(SMS, retention_ms=WEEK_MS),
    Topic(PUSH, retention_ms=WEEK_MS),
    Topic(DELIVERIES),
    Topic(changelog(DECIDE, SUPPLY_TABLE), compacted=True),
    Topic(changelog(DECIDE, ENERGY_TABLE), compacted=True),
    Topic(changelog(ROUTE, RECIPIENTS_TABLE), compacted=True),
)
