"""Run the sandbox: `python -m deploy.local.sandbox --port 8081`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

import uvicorn

from deploy.local.sandbox.app import build_app

# SIGTERM lets open streams go on for this long, in seconds, before they are cut.
_GRACE = 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal, having said on standard output where."""
    options = _parser().parse_args(arguments)
    app = build_app(latency=options.latency, keep=options.keep)
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE,
    )
    logging.getLogger("uvicorn.error").addFilter(_expected)
    listener = config.bind_socket()
    listener.listen()  # so that whoever reads the line below may connect at once
    host, port = listener.getsockname()[:2]
    print(f"sandbox model at http://{host}:{port}/v1", flush=True)  # noqa: T201 - for whoever started it
    uvicorn.Server(config).run(sockets=[listener])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True, help="0 takes any free port")
    parser.add_argument(
        "--latency", type=float, default=0.0, help="seconds before each answer's first word"
    )
    parser.add_argument(
        "--keep", type=int, default=10_000, help="how many responses are remembered"
    )
    return parser


def _expected(record: logging.LogRecord) -> bool:
    """Pass over the server's complaint about a line that was cut on purpose."""
    return "without completing response" not in record.getMessage()


if __name__ == "__main__":
    main()
