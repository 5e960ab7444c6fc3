"""The workers: ``faust -A app.worker:decide worker``, likewise ``route`` and ``deliver``."""

import gc
import sys
from typing import Any

import agents.email
import agents.liveness
import agents.outbox
import agents.probes
import agents.push
import agents.route
import agents.sms
import agents.transitions  # noqa: F401 - each registers itself with its app
from app import logs, providers
from app.receipts import links
from app.settings import SettingsError
from app.stream.apps import SETTINGS, decide, deliver, route
from app.stream.watch import EXIT_CONFIG

__all__ = ["decide", "deliver", "route"]

logs.to_stderr()  # as Faust's own
gc.freeze()  # what is imported stays: it need not be looked through again and again
gc.set_threshold(20_000)  # a batch makes some thousand objects, and none of them in a ring


@deliver.on_worker_init.connect
def check_providers(*_: Any, **__: Any) -> None:
    """End ``deliver`` at once, with the reason in one line, if it could not send as it is set."""
    try:
        providers.check(SETTINGS)
        links.of(SETTINGS)
    except SettingsError as error:
        sys.stderr.write(f"changeover: {error}\n")
        raise SystemExit(EXIT_CONFIG) from None
