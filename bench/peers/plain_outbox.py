"""An outbox as it is usually built: a table in SQL, here SQLite in memory, without a disk."""

import sqlite3
from collections.abc import Sequence

from schemas import codec
from schemas.delivery import Message

SCHEMA = """
create table message (
    id text primary key, recipient text, channel text, address text, body blob,
    queued real, useful_until real, state text, tries integer, next real
);
create index due on message (recipient, channel, state);
create table sent (recipient text, channel text, at real);
create index at on sent (recipient, channel, at);
"""


def decide(messages: Sequence[Message]) -> None:
    """Take each of ``messages`` from its queueing to its outcome: three transactions."""
    store = sqlite3.connect(":memory:", isolation_level=None)
    store.executescript(SCHEMA)
    for each in messages:
        key = (each.recipient, each.channel.value)
        store.execute("begin")
        store.execute(
            "insert or ignore into message values (?, ?, ?, ?, ?, 0, ?, 'waiting', 0, 0)",
            (each.id, *key, each.address, codec.encode(each), each.useful_until.timestamp()),
        )
        (recent,) = store.execute(
            "select count(*) from sent where recipient = ? and channel = ? and at > ?", (*key, -60)
        ).fetchone()
        store.execute("commit")
        if recent:
            continue
        store.execute("begin")
        due = store.execute(
            "select id, body from message where recipient = ? and channel = ? "
            "and state = 'waiting' and next <= 0 order by queued",
            key,
        ).fetchall()
        for identity, _ in due:
            store.execute(
                "update message set state = 'sending', tries = tries + 1 where id = ?", (identity,)
            )
        store.execute("commit")
        store.execute("begin")
        for identity, _ in due:
            store.execute("update message set state = 'sent' where id = ?", (identity,))
        store.execute("insert into sent values (?, ?, 0)", key)
        store.execute("commit")
