"""Reads what OpenAI's clients send: what is known is read, all else refused by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeVar, cast

from django.conf import settings
from rest_framework.request import Request

from api.contracts.openai.errors import Malformed, Unknown, Unsupported
from pipelines.chat.models import Role
from pipelines.chat.services import check_metadata
from pipelines.responses.services import Said

T = TypeVar("T")

_ROLES = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
}
_PAGE, _PAGE_MAX = 20, 100
_MODEL_MAX = 128
# The model that comes with us.
_PACKAGED = "all-minilm-l6-v2"
_TEXTS = {"input_text", "output_text", "text"}


class Parameters:
    """The parameters of one request, each asked for once; what nobody asks for is refused."""

    def __init__(self, body: Mapping[str, Any], known: frozenset[str]) -> None:
        """Take a body; `known` names what OpenAI has, supported here or not."""
        self._left = {name: value for name, value in body.items() if value is not None}
        self._known = known

    def take(self, name: str, kind: type[T], default: T) -> T:
        """Return a parameter of a type; a number may be whole where it may be broken."""
        value = self._left.pop(name, default)
        is_number = kind is float and isinstance(value, int) and not isinstance(value, bool)
        if is_number:
            return kind(value)  # type: ignore[call-arg]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise Malformed(f"Invalid type for '{name}'.", code="invalid_type", field=name)
        return value

    def find(self, name: str, kind: type[T]) -> T | None:
        """Return a parameter of a type; None when it was not given."""
        return None if name not in self._left else self.take(name, kind, kind())

    def number(self, name: str, least: float, most: float) -> float | None:
        """Return a number within bounds; None when it was not given."""
        value = self.find(name, float)
        if value is not None and not least <= value <= most:
            raise Malformed(f"'{name}' is a number from {least} to {most}.", field=name)
        return value

    def count(self, name: str) -> int | None:
        """Return a number of one or more; None when it was not given."""
        value = self.find(name, int)
        if value is not None and value < 1:
            raise Malformed(f"'{name}' is a whole number from 1.", field=name)
        return value

    def choice(self, name: str, *choices: str) -> str:
        """Return one of the choices, the first when it was not given; refuse any other."""
        value = self._left.pop(name, choices[0])
        if value not in choices:
            raise Unsupported(f"Unsupported value for '{name}'.", field=name)
        return cast("str", value)

    def neutral(self, name: str, *values: Any) -> None:
        """Pass over a parameter that asks for nothing; refuse any other value of it."""
        if name in self._left and self._left.pop(name) not in values:
            raise Unsupported(f"Unsupported value for '{name}'.", field=name)

    def close(self) -> None:
        """Refuse what was not asked for."""
        for name in self._left:
            if name in self._known:
                raise Unsupported(f"Unsupported parameter: '{name}'.", field=name)
            raise Unknown(f"Unknown parameter: '{name}'.", field=name)


def said_in(value: Any, path: str) -> list[Said]:
    """Read an input: a text, or a list of messages.

    The items of an answer may be sent back: its search, of which a model is told nothing, too.

    Raises:
        Malformed: It is neither.
        Unsupported: An item, or a part of one, is of a type that is not supported.
    """
    if isinstance(value, str):
        return [Said(Role.USER, value)]
    if not isinstance(value, list):
        raise Malformed(f"'{path}' is a text or a list of items.", field=path)
    return [
        _message(item, f"{path}[{number}]")
        for number, item in enumerate(value)
        if not (isinstance(item, dict) and item.get("type") == "file_search_call")
    ]


def _message(item: Any, path: str) -> Said:
    if not isinstance(item, dict):
        raise Malformed(f"'{path}' is an object.", field=path)
    if (kind := item.get("type", "message")) != "message":
        raise Unsupported(f"Unsupported item type: '{kind}'.", field=f"{path}.type")
    role = item.get("role")
    if role not in _ROLES:
        raise Malformed(f"'{path}.role' is one of {', '.join(_ROLES)}.", field=f"{path}.role")
    return Said(_ROLES[role], text_in(item.get("content"), f"{path}.content"))


def text_in(content: Any, path: str) -> str:
    """Read a content: a text, or a list of parts that are texts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise Malformed(f"'{path}' is a text or a list of parts.", field=path)
    return "".join(_part(part, f"{path}[{number}]") for number, part in enumerate(content))


def _part(part: Any, path: str) -> str:
    if not isinstance(part, dict):
        raise Malformed(f"'{path}' is an object.", field=path)
    if part.get("type") not in _TEXTS:
        raise Unsupported(f"Unsupported part type: '{part.get('type')}'.", field=f"{path}.type")
    if not isinstance(text := part.get("text"), str):
        raise Malformed(f"'{path}.text' is a text.", field=f"{path}.text")
    return text


@dataclass(frozen=True)
class Paging:
    """Which part of a list is wanted: from where, how much, and which way round."""

    is_ascending: bool
    after: str | None
    limit: int


def paging_in(request: Request) -> Paging:
    """Read how a list is asked for; the newest come first unless they are wanted otherwise."""
    refuse_queried(request, "include")
    order = request.query_params.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise Malformed("'order' is asc or desc.", field="order")
    raw = request.query_params.get("limit", str(_PAGE))
    if not (raw.isascii() and raw.isdigit() and 1 <= int(raw[:4]) <= _PAGE_MAX):
        raise Malformed(f"'limit' is a number from 1 to {_PAGE_MAX}.", field="limit")
    return Paging(order == "asc", request.query_params.get("after"), int(raw))


def refuse_queried(request: Request, *names: str) -> None:
    """Refuse what OpenAI takes in a query, and we do not."""
    for name in names:
        if name in request.query_params or f"{name}[]" in request.query_params:
            raise Unsupported(f"Unsupported parameter: '{name}'.", field=name)


def metadata_in(parameters: Parameters) -> Mapping[str, Any]:
    """Read the client's own data: at most 16 texts, as OpenAI has it."""
    given = parameters.take("metadata", dict, {})
    is_flat = all(isinstance(value, str) for value in given.values())
    if len(given) > 16 or not is_flat:
        raise Malformed("'metadata' holds at most 16 texts.", field="metadata")
    return check_metadata(given)


def model_in(parameters: Parameters) -> str:
    """Read the name of a model; without one it is the default provider's."""
    default = settings.PROVIDERS[settings.DEFAULT_PROVIDER].model
    model = parameters.take("model", str, default)
    if not 1 <= len(model) <= _MODEL_MAX:
        raise Malformed(f"'model' has from 1 to {_MODEL_MAX} characters.", field="model")
    return model


def provider_of(model: str) -> tuple[str, str]:
    """Tell who answers under a model's name, and by which of their models; empty for the default.

    A name is a provider's default model, `provider/model`, or a model of the default provider.
    """
    named, _, rest = model.partition("/")
    if rest and named in settings.PROVIDERS:
        return named, rest
    for name, provider in settings.PROVIDERS.items():
        if provider.model == model:
            return name, ""
    return settings.DEFAULT_PROVIDER, model


def embedding_model() -> str:
    """Name the model that makes vectors; of a path, or of another's name, only the last part."""
    configured = settings.EMBEDDING_MODEL
    return _PACKAGED if configured == "packaged" else PurePath(configured).name


def models_listed() -> Sequence[tuple[str, str]]:
    """Name the models that are offered, each with its provider."""
    chat = [(provider.model, name) for name, provider in settings.PROVIDERS.items()]
    return [*chat, (embedding_model(), "turnpike")]
