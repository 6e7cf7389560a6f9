"""What the OpenAPI description says about a contract's routes, each contract under its own tag."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from drf_spectacular.drainage import set_override
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from api.idempotency import KEY
from api.waiting import PREFER

F = TypeVar("F", bound=Callable[..., Any])


class ContractSerializer(serializers.Serializer[Any]):
    """A body or a shape of a contract, which bears the contract's name in the description."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Name it after its module."""
        super().__init_subclass__(**options)
        contract = cls.__module__.rpartition(".")[2].capitalize()
        set_override(cls, "component_name", f"{contract}{cls.__name__}")


class ErrorBody(serializers.Serializer[Any]):
    """Why not: one sentence, our code for it, and the fields at fault."""

    error = serializers.CharField()
    code = serializers.CharField(required=False)


class DoneShape(serializers.Serializer[Any]):
    """What was done."""

    message = serializers.CharField()


class PendingShape(serializers.Serializer[Any]):
    """The reply takes longer than the wait: where to ask for it."""

    job_id = serializers.UUIDField()
    status = serializers.CharField()
    detail = serializers.CharField()


def described(
    name: str, good: Mapping[int | tuple[int, str], Any], **more: Any
) -> Callable[[F], F]:
    """Describe a method of a contract's view.

    Args:
        name: `contract_<contract>_<verb>`, unique; the first two words are the tag.
        good: The shapes of the answers by status; those of errors are added.
        more: Whatever else drf-spectacular's `extend_schema` takes.
    """

    def describe(method: F) -> F:
        # What a client may say of a message that it sends.
        parameters = [PREFER, KEY] if good.get(202) is PendingShape else []
        made: F = extend_schema(
            operation_id=f"contract_{name}",
            tags=[f"contract: {name.partition('_')[0]}"],
            parameters=parameters,
            responses={**good, "4XX": ErrorBody, "5XX": ErrorBody},
            **more,
        )(method)
        return made

    return describe
