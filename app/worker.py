"""The workers: ``faust -A app.worker:decide worker``, likewise ``route`` and ``deliver``."""

import gc

import agents.email
import agents.liveness
import agents.outbox
import agents.probes
import agents.push
import agents.route
import agents.sms
import agents.transitions  # noqa: F401 - each registers itself with its app
from app import logs
from app.stream.apps import decide, deliver, route

__all__ = ["decide", "deliver", "route"]

logs.to_stderr()  # as Faust's own
gc.freeze()  # what is imported stays: it need not be looked through again and again
gc.set_threshold(20_000)  # a batch makes some thousand objects, and none of them in a ring
