"""The names of the topics, and how each is kept. Nothing else spells a topic's name."""

import msgspec

TRANSITIONS = "transitions"
PROBES = "probes"
WINDOWS = "windows"
ACTIVE = "active"
MALFORMED = "malformed"
LIVENESS = "liveness"
RULES = "rules"
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
LARGEST_RECORD = 4_194_304  # on `malformed`: the largest of any other topic, in base64, and more


class Topic(msgspec.Struct, frozen=True):
    """How a topic is created.

    retention_ms: how long records are kept; -1 is for ever.
    largest: how many bytes a batch of records may have; Kafka's default is 1,048,588.
    compacted: only the newest record of a key is kept (changelogs).
    """

    name: str
    retention_ms: int = FOR_EVER
    compacted: bool = False
    largest: int = 1_048_588

    @property
    def config(self) -> dict[str, str]:
        """Return the topic's configuration as Kafka names it."""
        common = {
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(self.largest),
        }
        if self.compacted:
            # A paused worker may still write after it lost its partition. Recovery keeps the
            # highest source offset of a key: compaction must leave that record alone for a while.
            lag = {"min.compaction.lag.ms": str(DAY_MS)}
            return {"cleanup.policy": "compact", **lag, **common}
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms), **common}


def changelog(group: str, table: str) -> str:
    """Return the name of a Faust table's changelog topic."""
    return f"{group}-{table}-changelog"


SUPPLY_TABLE = "supply"
ENERGY_TABLE = "energy"
LIVENESS_TABLE = "liveness"
RECIPIENTS_TABLE = "recipients"
OUTBOXES_TABLE = "outboxes"

TOPICS: tuple[Topic, ...] = (
    Topic(TRANSITIONS),
    Topic(PROBES),
    Topic(WINDOWS),
    Topic(ACTIVE),
    Topic(MALFORMED, largest=LARGEST_RECORD),
    Topic(LIVENESS),
    Topic(RULES, compacted=True),
    Topic(NOTIFICATIONS),
    Topic(EMAIL, retention_ms=WEEK_MS),
    Topic(SMS, retention_ms=WEEK_MS),
    Topic(PUSH, retention_ms=WEEK_MS),
    Topic(DELIVERIES),
    Topic(changelog(DECIDE, SUPPLY_TABLE), compacted=True),
    Topic(changelog(DECIDE, ENERGY_TABLE), compacted=True),
    Topic(changelog(DECIDE, LIVENESS_TABLE), compacted=True),
    Topic(changelog(ROUTE, RECIPIENTS_TABLE), compacted=True),
    Topic(changelog(DELIVER, OUTBOXES_TABLE), compacted=True),
)
