"""Push messages by Firebase Cloud Messaging, with Google's own SDK.

The SDK's own session tries 500 and 503 four times more, sleeps through Retry-After, and signs in
again within a batch. It gets a session of ours, which does none of that.
"""

import asyncio
import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import Any, Self
from urllib.parse import urlsplit

import firebase_admin
import requests
from firebase_admin import exceptions, messaging
from firebase_admin._http_client import JsonHttpClient
from google.auth.credentials import TokenState
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import Request
from requests.adapters import HTTPAdapter

from app.providers.firebase_answers import became, failed
from app.providers.firebase_message import written
from app.providers.firebase_project import Project, read_project
from app.providers.provider import Answer, Outgoing, Verdict, one_line

AT_ONCE = 20  # ``send_each`` starts a thread for each; what a crash leaves unknown is no more
CALLS = 5  # more threads are in each other's way: 50 by 4 sent fewer a second


class Firebase:
    """Carries push messages to one project. One event loop uses it."""

    at_once = AT_ONCE
    calls = CALLS

    def __init__(self, project: Project) -> None:
        """Make one for ``project``."""
        self._project = project
        self._credential = project.key.get_credential()
        self._signing_in = Lock()
        self._session = _session(project)
        self._app = firebase_admin.initialize_app(
            project.key, {"projectId": project.name}, name=secrets.token_hex(8)
        )
        service: Any = messaging._get_messaging_service(self._app)
        service._client = JsonHttpClient(
            session=self._session, retries=False, timeout=project.timeout_s
        )
        if project.api:
            service._fcm_url = project.api + urlsplit(service._fcm_url).path
        self._pool = ThreadPoolExecutor(CALLS, thread_name_prefix="firebase")

    @classmethod
    def from_url(cls, url: str, secret: str | None) -> Self:
        """Return one for the project at ``url``: see ``firebase_project.read_project``.

        Raises:
            SettingsError: a part of it is wrong.
        """
        return cls(read_project(url, secret))

    async def send(self, texts: Sequence[Outgoing]) -> list[Answer]:
        """Return what became of each of ``texts``, in order, within four time-outs."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._carry, texts)

    async def close(self) -> None:
        """End its threads and give up its connections."""
        await asyncio.to_thread(self._end)  # the SDK runs an event loop of its own for that

    def _end(self) -> None:
        self._pool.shutdown()
        firebase_admin.delete_app(self._app)
        self._session.close()

    def _carry(self, texts: Sequence[Outgoing]) -> list[Answer]:
        refused = self._sign_in()
        if refused is not None:
            return [refused] * len(texts)
        now = datetime.now(UTC)
        try:
            batch = messaging.send_each([written(text, now) for text in texts], app=self._app)
        except exceptions.FirebaseError as error:  # of the batch, so of none of them alone
            return [failed(error)] * len(texts)
        except ValueError as error:  # one of them cannot be written; nothing was sent yet
            if len(texts) == 1:
                return [Answer(Verdict.REFUSED, reason=one_line(f"not written: {error}"))]
            return [answer for text in texts for answer in self._carry([text])]
        answers = [became(each) for each in batch.responses]
        if any(
            isinstance(each.exception, exceptions.UnauthenticatedError) for each in batch.responses
        ):
            self._credential.token = None  # the next batch signs in anew
        return answers

    def _sign_in(self) -> Answer | None:
        """See to it that the session is signed in; return what it means for all if it cannot be."""
        with self._signing_in:
            if self._credential.token_state is not TokenState.FRESH:
                try:
                    self._credential.refresh(
                        partial(Request(self._session), timeout=self._project.timeout_s)
                    )
                except GoogleAuthError as error:
                    down = isinstance(error, RefreshError) and not error.retryable
                    reason = one_line(f"not signed in: {error.args[0]}")
                    return Answer(Verdict.DOWN if down else Verdict.RETRY, reason=reason)
            self._session.headers["Authorization"] = f"Bearer {self._credential.token}"
        return None


def _session(project: Project) -> requests.Session:
    """Return a session that tries nothing twice and keeps a connection for each thread."""
    session = requests.Session()
    session.mount("https://", HTTPAdapter(pool_maxsize=AT_ONCE * CALLS, max_retries=0))
    session.mount("http://", HTTPAdapter(pool_maxsize=AT_ONCE * CALLS, max_retries=0))
    session.verify = project.ca or True
    session.trust_env = not project.ca  # else a REQUESTS_CA_BUNDLE would come before it
    return session
