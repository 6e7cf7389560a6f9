"""The sandbox's routes: OpenAI's under `/v1`, its own under `/sandbox`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.local.sandbox.chat_chunks import completion
from deploy.local.sandbox.directives import Directives
from deploy.local.sandbox.generation import Generation
from deploy.local.sandbox.requests import (
    DEFAULT_MODEL,
    Order,
    read_directives,
    read_order,
    require_model,
)
from deploy.local.sandbox.response_events import response_object
from deploy.local.sandbox.shapes import ApiError, Json, error_answer, fault
from deploy.local.sandbox.store import Store
from deploy.local.sandbox.streams import (
    Batch,
    EventStream,
    broken,
    chat_batches,
    faulty,
    response_batches,
)


def build_app(*, latency: float = 0.0, keep: int = 10_000) -> Starlette:
    """Make the server's application.

    Args:
        latency: Seconds before the first piece of text where a request orders none.
        keep: How many responses are remembered.
    """
    views = Views(Store(keep), latency)
    return Starlette(
        routes=[
            Route("/healthz", views.health),
            Route("/v1/models", views.models),
            Route("/v1/models/{model}", views.model),
            Route("/v1/responses", views.create_response, methods=["POST"]),
            Route("/v1/responses/{id}", views.retrieve_response, methods=["GET"]),
            Route("/v1/responses/{id}", views.delete_response, methods=["DELETE"]),
            Route("/v1/responses/{id}/cancel", views.cancel_response, methods=["POST"]),
            Route("/v1/chat/completions", views.create_chat_completion, methods=["POST"]),
            Route("/sandbox/stats", views.statistics),
            Route("/sandbox/timeline", views.timeline),
            Route("/sandbox/reset", views.reset, methods=["POST"]),
        ],
        exception_handlers={ApiError: error_answer, ClientDisconnect: _gone},
    )


async def _gone(_: Request, __: Exception) -> Response:
    """Answer nobody: a client that left in the middle of its request is no fault of ours."""
    return Response(status_code=499)


class Views:
    """One method for each route, over one store."""

    def __init__(self, store: Store, latency: float) -> None:
        """Serve from a store."""
        self._store = store
        self._latency = latency

    async def health(self, _: Request) -> Response:
        """Say that the process is up."""
        return JSONResponse({"status": "ok"})

    async def models(self, _: Request) -> Response:
        """List the one model by its proper name."""
        return JSONResponse({"object": "list", "data": [_model(DEFAULT_MODEL)]})

    async def model(self, request: Request) -> Response:
        """Describe a model."""
        return JSONResponse(_model(require_model(request.path_params["model"])))

    async def statistics(self, _: Request) -> Response:
        """Give the counts."""
        return JSONResponse(self._store.statistics())

    async def timeline(self, _: Request) -> Response:
        """Give what happened when."""
        return JSONResponse(self._store.timeline())

    async def reset(self, _: Request) -> Response:
        """Forget everything."""
        self._store.reset()
        return JSONResponse({"status": "reset"})

    async def create_response(self, request: Request) -> Response:
        """Generate a response, in any mixture of `stream` and `background`."""
        order, due = await self._admitted(request)
        generation = Generation(order, due)
        self._store.remember(generation)
        if order.stream:
            return self._streamed(generation, due, response_batches(generation))
        if order.background:
            queued = response_object(generation)
            self._store.begin(generation)
            return self._plain(queued, due)
        await self._awaited(request, generation)
        return self._plain(response_object(generation), due)

    async def create_chat_completion(self, request: Request) -> Response:
        """Generate a chat completion."""
        order, due = await self._admitted(request)
        generation = Generation(order, due)
        if order.stream:
            return self._streamed(generation, due, chat_batches(generation))
        await self._awaited(request, generation)
        if generation.state == "failed":
            raise fault("500", None)
        return self._plain(completion(generation), due)

    async def retrieve_response(self, request: Request) -> Response:
        """Give a response, or its events after a number and then live."""
        self._count(request)
        generation = self._store.get(request.path_params["id"])
        if request.query_params.get("stream") != "true":
            return JSONResponse(response_object(generation))
        if not generation.order.background:
            raise ApiError(400, "Only a background response can be streamed again.")
        self._store.counts["resumed"] += 1
        after = request.query_params.get("starting_after", "-1")
        if not after.removeprefix("-").isdigit():
            raise ApiError(400, "starting_after must be a number.", param="starting_after")
        due = read_directives(request.headers.get("x-sandbox", ""))
        batches = response_batches(generation, int(after))
        return EventStream(faulty(batches, due), on_close=lambda: None)

    async def cancel_response(self, request: Request) -> Response:
        """Stop a background response; one that has ended stays as it is."""
        self._count(request)
        generation = self._store.get(request.path_params["id"])
        if not generation.order.background:
            raise ApiError(400, "Cannot cancel a synchronous response.")
        self._store.counts["cancelled"] += not generation.done
        self._store.stop(generation)
        return JSONResponse(response_object(generation))

    async def delete_response(self, request: Request) -> Response:
        """Delete a response."""
        self._count(request)
        generation = self._store.get(request.path_params["id"])
        self._store.forget(generation)
        return JSONResponse({"id": generation.id, "object": "response", "deleted": True})

    async def _admitted(self, request: Request) -> tuple[Order, Directives]:
        """Read an order and its due directives, and refuse it when they say so.

        Raises:
            ApiError: The order is wrong, or an error was ordered.
        """
        self._count(request)
        order = await read_order(request, latency=self._latency)
        self._store.note("asked", order)
        due = self._store.due_faults(order)
        if due.error:
            self._store.counts["errors"] += 1
            await asyncio.sleep(due.latency)
            raise fault(due.error, due.retry_after)
        return order, due

    def _streamed(
        self, generation: Generation, due: Directives, batches: AsyncIterator[Batch]
    ) -> Response:
        """Begin and stream; a client that leaves ends what does not run in the background."""
        self._store.begin(generation)
        return EventStream(faulty(batches, due), on_close=lambda: self._left(generation))

    def _plain(self, body: Json, due: Directives) -> Response:
        """Answer in one piece, or not at all."""
        if due.disconnect_after is None and due.hang_after is None:
            return JSONResponse(body)
        return EventStream(broken(due), on_close=lambda: None)

    async def _awaited(self, request: Request, generation: Generation) -> None:
        """Run a generation to its end, or to its client's departure."""
        task = self._store.begin(generation)
        gone = asyncio.create_task(_departure(request))
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        self._left(generation)

    def _left(self, generation: Generation) -> None:
        if not generation.order.background and not generation.done:
            self._store.counts["disconnected"] += 1
            self._store.forget(generation)

    def _count(self, request: Request) -> None:
        self._store.counts["requests"] += 1
        self._store.counts[f"{request.method} {request.scope['route'].path}"] += 1


async def _departure(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 0, "owned_by": "sandbox"}
