"""Folds ``deliveries``, and wakes the outboxes when it is time."""

import asyncio
import os
import time
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP
from sqlalchemy.exc import SQLAlchemyError

from agents.people import people
from agents.posting import Post
from app.settings import SettingsError
from app.stream import apps
from app.stream.batches import each_batch
from app.stream.producer import Send, send_all
from app.stream.watch import EXIT_CONFIG, EXIT_UNFINISHED, end
from schemas import topics
from tables.states import outboxes

log = structlog.get_logger()
SOURCE = frozenset((topics.DELIVERIES,))
LOOK_S = 1.0


async def ends() -> dict[int, int]:
    """Return where the partitions of ``deliveries`` that are ours end."""
    return {tp.partition: end for tp, end in (await apps.deliver.ends(SOURCE)).items()}


post = Post(ends, people.suppress)


@apps.deliver.agent(apps.source(apps.deliver, topics.DELIVERIES), concurrency=1)
async def deliveries(stream: Any) -> None:
    """Fold every batch of what became of messages."""
    await each_batch(stream, post)


async def recovered() -> None:
    """Begin anew: the partitions may be others."""
    post.rebuild()


async def send() -> None:
    """Send for ever what may be sent; an error ends the process, which begins anew."""
    with suppress(
        SQLAlchemyError
    ):  # who wants no more is asked of it; it is read as soon as it can be
        await people.snapshot()
    try:
        async with asyncio.TaskGroup() as group:
            for courier in post.couriers.values():
                group.create_task(courier.run())
    except SettingsError as error:
        end(EXIT_CONFIG, "provider_refused", reason=str(error))
    except ExceptionGroup:  # above all a record that could not be written
        log.critical("courier_failed", exc_info=True)
        os._exit(EXIT_UNFINISHED)


async def unsilenced(ours: Collection[int]) -> list[Send]:
    """Return what is to be written because a silence was ended early. ours: the partitions."""
    if not post.silencing:
        return []
    try:
        directory = await people.snapshot()
    except SQLAlchemyError as error:
        log.warning("silences_unknown", reason=str(error).splitlines()[0])
        return []
    return post.silencing.look(directory, ours, datetime.now(UTC))


async def watch() -> None:
    """Look once a second, for ever."""
    while True:
        await asyncio.sleep(LOOK_S)
        if apps.deliver.rebalancing or apps.deliver.in_recovery:
            continue
        try:
            ours = await ends()
        except KafkaError as error:
            log.warning("ends_unknown", error=str(error))
            continue
        handled = {each: apps.deliver.handled(TP(topics.DELIVERIES, each)) for each in ours}
        found = post.look(ours, handled, time.time())
        await send_all(apps.deliver, found + await unsilenced(ours))


outboxes.on_recover(recovered)
apps.deliver.task(send)
apps.deliver.task(watch)
