"""Push messages by Firebase Cloud Messaging, with Google's own SDK.

What its requests go by is ours (``firebase_http``), and so is the sign-in: the SDK's own does it
within a batch, so that one failure is everybody's.
"""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self
from urllib.parse import urlsplit

import firebase_admin
import requests
from firebase_admin import exceptions, messaging
from google.auth.credentials import TokenState
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request

from app.providers.firebase_answers import became, failed
from app.providers.firebase_http import Http
from app.providers.firebase_message import written
from app.providers.firebase_project import Project, read_project
from app.providers.provider import Answer, Outgoing, Verdict, one_line

AT_ONCE = 20  # what a crash leaves unknown is no more than twice this, for each call
CALLS = 5


class Firebase:
    """Carries push messages to one project. One event loop uses it."""

    at_once = AT_ONCE
    calls = CALLS

    def __init__(self, project: Project) -> None:
        """Make one for ``project``."""
        self._project = project
        self._credential = project.key.get_credential()
        self._signing_in = asyncio.Lock()
        self._session = requests.Session()  # of the sign-in, which is Google's own
        self._session.verify = project.ca or True
        self._session.trust_env = not project.ca  # else a REQUESTS_CA_BUNDLE would come before it
        self._http = Http(project.timeout_s, project.ca)
        self._app = firebase_admin.initialize_app(
            project.key, {"projectId": project.name}, name=secrets.token_hex(8)
        )
        service: Any = messaging._get_messaging_service(self._app)
        service._async_client = self._http
        if project.api:
            service._fcm_url = project.api + urlsplit(service._fcm_url).path

    @classmethod
    def from_url(cls, url: str, secret: str | None) -> Self:
        """Return one for the project at ``url``: see ``firebase_project.read_project``.

        Raises:
            SettingsError: a part of it is wrong.
        """
        return cls(read_project(url, secret))

    async def send(self, texts: Sequence[Outgoing]) -> list[Answer]:
        """Return what became of each of ``texts``, in order, within four time-outs."""
        refused = await self._sign_in()
        if refused is not None:
            return [refused] * len(texts)
        return await asyncio.gather(*map(self._carried, texts))

    async def close(self) -> None:
        """Give up its connections."""
        await self._http.aclose()
        await asyncio.to_thread(firebase_admin.delete_app, self._app)  # it runs a loop of its own
        self._session.close()

    async def _carried(self, text: Outgoing) -> Answer:
        """Return what became of ``text``: a batch of its own, so that it spoils no other."""
        try:
            message = written(text, datetime.now(UTC))
            (response,) = (await messaging.send_each_async([message], app=self._app)).responses
        except exceptions.FirebaseError as error:
            return failed(error)
        except ValueError as error:  # nothing was sent
            return Answer(Verdict.REFUSED, reason=one_line(f"not written: {error}"))
        if isinstance(response.exception, exceptions.UnauthenticatedError):
            self._credential.token = None  # the next call signs in anew
        return became(response)

    async def _sign_in(self) -> Answer | None:
        """See to it that requests are signed in; return what it means for all if they cannot be."""
        async with self._signing_in:
            if self._credential.token_state is not TokenState.FRESH:
                ask = partial(Request(self._session), timeout=self._project.timeout_s)
                try:
                    await asyncio.to_thread(self._credential.refresh, ask)
                except GoogleAuthError as error:
                    down = isinstance(error, RefreshError) and not error.retryable
                    reason = one_line(f"not signed in: {error.args[0]}")
                    return Answer(Verdict.DOWN if down else Verdict.RETRY, reason=reason)
            self._http.token = self._credential.token
        return None
