"""Who carries a message away. Without credentials: a folder on this machine."""

from app.providers.folder import Folder
from app.providers.provider import Provider
from app.settings import FOLDER, Settings, SettingsError
from schemas.delivery import Channel


def create(channel: Channel, settings: Settings) -> Provider:
    """Return the provider of ``channel`` that ``settings`` name.

    Raises:
        SettingsError: there is no such provider, or what it needs is not there.
    """
    url = {
        Channel.EMAIL: settings.email,
        Channel.SMS: settings.sms,
        Channel.PUSH: settings.push,
    }[channel]
    if url == FOLDER:
        return Folder(settings.outbox_dir)
    variable = f"CHANGEOVER_{channel.name}"
    raise SettingsError(f"environment: {variable}: {url!r} is not `folder` or a provider's URL")
