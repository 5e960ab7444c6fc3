"""How a broker knows us, where our records go, and how a producer is given up."""

import asyncio
import ssl
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.partitioner import DefaultPartitioner

from edge.config_sections import SecurityConfig

ANSWERED_WITHIN_S = 30.0
FOUND_WITHIN_S = 2.0  # a topic: aiokafka asks for one that is missing ten times a second
ABANDON_WITHIN_S = 0.5

log = structlog.get_logger()
partition_of = DefaultPartitioner()


def secured(security: SecurityConfig | None) -> dict[str, Any]:
    """Return aiokafka's settings of TLS and SASL.

    Raises:
        OSError: a file that they need cannot be read.
    """
    if security is None:
        return {}
    kind = ("SASL_" if security.username else "") + ("SSL" if security.tls else "PLAINTEXT")
    found: dict[str, Any] = {"security_protocol": kind}
    if security.tls:
        found["ssl_context"] = ssl.create_default_context(cafile=security.ca)
    if security.username is not None and security.password_file is not None:
        found["sasl_mechanism"] = security.mechanism
        found["sasl_plain_username"] = security.username
        password = security.password_file.read_text(encoding="utf-8").strip()
        found["sasl_plain_password"] = password
    return found


async def partition(producer: AIOKafkaProducer, topic: str, device: str) -> int:
    """Return the partition of ``device`` on ``topic``.

    Raises:
        UnknownTopicOrPartitionError: there is no such topic. TimeoutError: nobody answers.
    """
    try:
        async with asyncio.timeout(FOUND_WITHIN_S):
            found = await producer.partitions_for(topic)
    except TimeoutError:
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            if not await producer.client.force_metadata_update():
                raise
        found = producer.client.cluster.partitions_for_topic(topic)
        if found is None:
            raise UnknownTopicOrPartitionError(topic) from None
    partitions = sorted(found)
    return int(partition_of(device.encode(), partitions, partitions))


async def abandon(producer: AIOKafkaProducer) -> None:
    """Close ``producer`` without waiting for what is unacknowledged; whoever cancels this waits.

    Its own ``stop`` waits for that, and an idempotent producer tries for ever.
    """
    closing = asyncio.ensure_future(_close(producer))
    try:
        await asyncio.shield(closing)
    except asyncio.CancelledError:  # it must be gone before anything is claimed
        await closing
        raise


async def _close(producer: AIOKafkaProducer) -> None:
    producer._closed = True
    for close in (producer._sender.close, producer.client.close):
        try:
            async with asyncio.timeout(ABANDON_WITHIN_S):
                await close()
        except Exception as error:  # noqa: BLE001 - it ends by whatever a strange answer made of it
            log.debug("producer_ended", reason=repr(error))
