"""Who carries a message away. Without credentials: a folder on this machine."""

import importlib
from typing import Any

from app.providers.folder import Folder
from app.providers.provider import Provider
from app.settings import FOLDER, Settings, SettingsError
from schemas.delivery import Channel

# By the scheme of a provider's URL: its module and its class, loaded when it is used.
PROVIDERS = {
    Channel.EMAIL: {"smtp": ("smtp", "Smtp"), "smtps": ("smtp", "Smtp")},
    Channel.SMS: {"twilio": ("twilio", "Twilio")},
    Channel.PUSH: {"firebase": ("firebase", "Firebase")},
}


def create(channel: Channel, settings: Settings) -> Provider:
    """Return the provider of ``channel`` that ``settings`` name.

    Raises:
        SettingsError: there is no such provider, or what it needs is not there.
    """
    url, variable = settings.provider(channel), f"CHANGEOVER_{channel.name}"
    if url == FOLDER:
        return Folder(settings.outbox_dir)
    scheme = url.partition(":")[0]
    if scheme not in PROVIDERS[channel]:
        known = ", ".join((FOLDER, *(f"{each}://…" for each in PROVIDERS[channel])))
        raise SettingsError(f"environment: {variable}: {url!r} is none of {known}")
    module, name = PROVIDERS[channel][scheme]
    provider: Any = getattr(importlib.import_module(f"app.providers.{module}"), name)
    made: Provider = provider.from_url(url, settings.secret(channel))
    return made


def check(settings: Settings) -> None:
    """Return if the provider of every channel can be made.

    Raises:
        SettingsError: one cannot; the sentence says which, and what would be right.
    """
    for channel in Channel:
        create(channel, settings)
