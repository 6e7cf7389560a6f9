"""What goes into a language model and what comes out of it: frozen values and one Protocol."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from workers.engines.llm.cutting import Cutter

FinishReason: TypeAlias = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True)
class Provider:
    """One row of the provider table.

    Attributes:
        name: What people call it, in messages and metrics: `openai`, `gemini`, `sandbox`.
        protocol: `responses` keeps and resumes generations; `chat_completions` is what all speak.
        base_url: Address up to and including `/v1`; empty means the openai package's default.
        api_key: The secret; it is left out of `repr`. Empty suits a server that asks for none.
        model: Used where the prompt names none.
        connect_timeout: Seconds to reach the provider, and to wait for a free connection.
        read_timeout: Seconds of silence on the line. A keep-alive comment breaks the silence.
        total_timeout: Seconds for one attempt; looked at whenever something arrives, so that a
            silent line may overrun it by at most `read_timeout`.
    """

    name: str
    protocol: Literal["responses", "chat_completions"]
    base_url: str
    api_key: str = field(repr=False)
    model: str
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    total_timeout: float = 600.0


@dataclass(frozen=True)
class Turn:
    """One message of a conversation."""

    role: Literal["user", "assistant", "system"]
    content: str


@dataclass(frozen=True)
class Passage:
    """A piece of a document that retrieval found; the model cites it as `[number]`."""

    number: int
    title: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """Everything that a model is asked.

    Attributes:
        instructions: The trusted system text; may be empty.
        turns: The conversation, oldest first; the last user turn is the question.
        passages: Untrusted reference material for the question.
        model: Empty means the provider's default.
        max_output_tokens: None leaves the limit to the provider.
        temperature: None leaves it to the provider; so does it of `top_p`.
        metadata: At most 16 short strings. The provider keeps them beside the response, and
            `job_id` also travels as the header `X-Client-Request-Id`.
    """

    instructions: str
    turns: tuple[Turn, ...]
    passages: tuple[Passage, ...] = ()
    model: str = ""
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Usage:
    """Tokens that the provider counted, or our estimate where it counts none."""

    input_tokens: int
    output_tokens: int
    estimated: bool = False


@dataclass(frozen=True)
class Started:
    """The provider took the prompt; store the id before reading on."""

    response_id: str
    model: str


@dataclass(frozen=True)
class Delta:
    """The next piece of text; the number is None where the provider counts no events."""

    text: str
    sequence_number: int | None


@dataclass(frozen=True)
class Finished:
    """The text is whole, or was ended by a limit or a filter."""

    usage: Usage
    finish_reason: FinishReason
    model: str


Event: TypeAlias = Started | Delta | Finished


class LanguageModel(Protocol):
    """One provider, safe to share between the threads of a process."""

    @property
    def resumes(self) -> bool:
        """Whether a response lives on at the provider, to be taken up by a later attempt."""
        ...

    def stream(
        self,
        prompt: Prompt,
        *,
        resume: str | None = None,
        starting_after: int | None = None,
        cutter: Cutter | None = None,
    ) -> Generator[Event, None, None]:
        """Generate an answer, event by event; nothing is sent before the first `next()`.

        `Started` comes before any text and `Finished` comes last. A `Started` whose id is
        `resume` goes on with that response, after the event `starting_after` (from its beginning
        when that is None). A `Started` with another id starts the text afresh, whatever came
        before it: the old response is gone, failed or stuck, or the provider cannot resume.

        Args:
            prompt: What to ask; also needed to resume, in case the response is gone.
            resume: The response id that an earlier attempt stored.
            starting_after: The sequence number of the last event that is safely recorded.
            cutter: Ends the stream from another thread, whatever it waits for, and tells the
                provider nothing: a background response goes on.

        Raises:
            RateLimited: The provider asks for a pause.
            ProviderUnavailable: It is down, slow, or cut the line before the answer ended.
            ProviderRefused: It refuses the key, the model or the prompt; do not try again.
            JobCancelled: The response was cancelled, here or at the provider, or was cut.
        """
        ...

    def cancel(self, response_id: str) -> None:
        """Stop a response: end its stream in this process at once, then tell the provider.

        A response that has ended or is unknown is none of the caller's worry: nothing happens.

        Raises:
            TransientError: The provider could not be told; it may still be generating.
            ProviderRefused: The provider refuses the key.
        """
        ...
