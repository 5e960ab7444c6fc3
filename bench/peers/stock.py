"""A Faust agent with a table as its documentation shows one: one event at a time, all defaults."""

import os
from typing import Any

import faust
from faust.types import StreamT

from schemas import codec, handover, topics
from tables import entries
from tables.entries import Entry
from tables.intake import take
from tables.rulebook import Rulebook
from tables.rules import default

PARTITIONS = 4
app = faust.App(
    "stock",
    broker=f"kafka://{os.environ['KAFKA_BOOTSTRAP_SERVERS']}",
    store="memory://",
    topic_partitions=PARTITIONS,
    web_enabled=False,
    value_serializer="raw",
    key_serializer="raw",
)
source = app.topic(topics.TRANSITIONS, key_type=bytes, value_type=bytes)
notifications = app.topic(topics.NOTIFICATIONS, key_type=bytes, value_type=bytes)
table = app.Table("supply", key_type=bytes, value_type=bytes, partitions=PARTITIONS)
book = Rulebook(topics.TRANSITIONS, default())


@app.agent(source)
async def decide(stream: StreamT[Any]) -> None:
    """Decide on every event as it comes."""
    async for event in stream.events():
        key = event.key
        stored = table.get(key)
        entry = Entry() if stored is None else entries.read(stored)
        appended_ms = round(event.message.timestamp * 1_000)
        decoded = codec.supply_event.decode(event.value)
        after, outcomes = take(book, entry, decoded, appended_ms)
        table[key] = entries.written(after)
        for each in handover.decided(outcomes):
            await notifications.send(key=key, value=codec.encode(each))
