"""One provider's line: opens streams, reads them event by event, and can cut one from outside."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from ipaddress import ip_address
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import openai

from pipelines.core.errors import JobCancelled, ProviderUnavailable
from workers.engines.llm.cutting import Cutter, watch
from workers.engines.llm.errors import provider_errors
from workers.engines.llm.sse import EventTooLarge, payloads
from workers.engines.llm.types import Prompt, Provider

Payload: TypeAlias = dict[str, Any]
Call: TypeAlias = Callable[[], AbstractContextManager[openai.APIResponse[Any]]]

T = TypeVar("T")

_DONE = b"[DONE]"


def given(value: T | None) -> T | openai.Omit:
    """Return a parameter's value, or the package's word for one that is left out."""
    return openai.omit if value is None else value


class Stream:
    """One open answer, for its reader only."""

    def __init__(
        self, response: openai.APIResponse[Any], provider: Provider, cutter: Cutter
    ) -> None:
        """Take over an answer whose head has arrived."""
        self.cutter = cutter
        self.saw_done = False
        self._response = response
        self._provider = provider
        self._deadline = time.monotonic() + provider.total_timeout
        self._chunks = self._read()

    def events(self) -> Iterator[Payload]:
        """Give each event's JSON object until `[DONE]` or the end of the stream.

        Raises:
            ProviderUnavailable: The total time is over, or an event is no JSON object.
        """
        for data in payloads(self._chunks):
            if data == _DONE:
                self.saw_done = True
                return
            if data:  # an empty event is another sign of life
                yield self._decoded(data)

    def drain(self) -> None:
        """Read what little is left, so that the connection can be used again."""
        with suppress(ProviderUnavailable), provider_errors(self._provider.name):
            for _ in self._chunks:
                pass

    @property
    def was_cut(self) -> bool:
        """Whether somebody ended the connection under the reader."""
        return self.cutter.was_cut

    def _read(self) -> Iterator[bytes]:
        for chunk in self._response.http_response.iter_bytes():
            yield chunk
            if time.monotonic() > self._deadline:
                name, limit = self._provider.name, self._provider.total_timeout
                raise ProviderUnavailable(
                    f"The provider {name} did not finish within {limit:g} seconds."
                )

    def _decoded(self, data: bytes) -> Payload:
        try:
            payload = json.loads(data)
        except ValueError:
            payload = None
        if not isinstance(payload, dict):
            raise ProviderUnavailable(
                f"The provider {self._provider.name} sent an event that cannot be read."
            )
        return payload


class Line:
    """The shared client of one provider and the streams that are open on it."""

    def __init__(self, provider: Provider) -> None:
        """Make the client; nothing is sent yet."""
        self.provider = provider
        self.client = _client(provider)
        self._streams: dict[str, Stream] = {}
        self._lock = threading.Lock()

    @contextmanager
    def open(self, call: Call, cutter: Cutter | None) -> Iterator[Stream]:
        """Send a request and give its stream; all failures inside come out as our errors.

        Args:
            call: One of the openai package's `with_streaming_response` calls, not yet entered.
            cutter: What ends it from another thread, from now on.
        """
        cutter = cutter or Cutter()
        try:
            with provider_errors(self.provider.name), ExitStack() as entered:
                with cutter.opening():
                    response = entered.enter_context(call())
                stream = Stream(response, self.provider, cutter)
                entered.callback(self.release, stream)
                yield stream
        except EventTooLarge:
            raise ProviderUnavailable(
                f"The provider {self.provider.name} sent an event of immoderate size."
            ) from None
        except Exception:
            if cutter.was_cut:
                raise JobCancelled from None
            raise

    def hold(self, response_id: str, stream: Stream) -> None:
        """Make a stream known by its response id, so that `cut` finds it."""
        with self._lock:
            self._streams[response_id] = stream

    def release(self, stream: Stream) -> None:
        """Forget a stream; from now on its connection may serve another request."""
        stream.cutter.let_go()
        with self._lock:
            for key in [key for key, value in self._streams.items() if value is stream]:
                del self._streams[key]

    def cut(self, response_id: str) -> None:
        """End a response's stream here, if one is open."""
        with self._lock:
            stream = self._streams.get(response_id)
        if stream is not None:
            stream.cutter.cut()


def request_headers(prompt: Prompt) -> dict[str, str]:
    """Name the job in a header that providers log, so that both sides can find one request."""
    job_id = prompt.metadata.get("job_id", "")
    return {"X-Client-Request-Id": job_id} if job_id else {}


def _client(provider: Provider) -> openai.OpenAI:
    """Build the package's client without its retries: the step retries, and nobody else."""
    read = min(provider.read_timeout, provider.total_timeout)
    connect = provider.connect_timeout
    client = openai.OpenAI(
        # The package refuses an empty key; a server that wants one will refuse this word.
        api_key=provider.api_key or "none",
        base_url=provider.base_url or None,
        max_retries=0,
        timeout=openai.Timeout(connect=connect, read=read, write=read, pool=connect),
        # A proxy from the environment must not stand between us and this very machine; and the
        # prompt goes to the address that was configured, not where that points.
        http_client=openai.DefaultHttpxClient(
            trust_env=not _is_local(provider.base_url), follow_redirects=False
        ),
    )
    # The package fills these from the environment and would send them to every provider.
    client.organization = client.project = None
    watch(client._client)  # noqa: SLF001 - the HTTP client that was made above
    return client


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
