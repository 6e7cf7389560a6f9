"""The page of the contracts has a row for each of their routes, with a test that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.unit.api.routes import routes

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "contracts.md"
FILES = {
    "roadmap": "test_roadmap_assistant.py",
    "RAG": "test_rag_chat.py",
    "token": "test_token_chat.py",
    "sessions": "test_chat_sessions.py",
    "conversations": "test_conversations.py",
}
_ROW = re.compile(r"^\| (\w+) \| `([A-Z]+ \S+)` \|.*\| `(test_\w+)` \|$", re.MULTILINE)
# The routes that are Turnpike's own, though they lie under the same prefixes.
_OWN = re.compile(r"\w+ /api/(v1/(?!accounts/(register|login|logout)|chat)|schema|docs|$)")


def _rows() -> list[tuple[str, str, str]]:
    return _ROW.findall(PAGE.read_text())


def test_each_route_has_a_row_and_each_row_a_route() -> None:
    served = {
        route.rstrip("/")
        for route in routes()
        if route.split()[1].startswith("/api/") and not _OWN.match(route)
    }
    told = {route.rstrip("/") for _, route, _ in _rows()}
    assert served - told == set()
    assert told - served == set()


def test_each_row_names_a_test_that_there_is() -> None:
    for contract, _, test in _rows():
        tree = ast.parse((ROOT / "tests" / "contracts" / FILES[contract]).read_text())
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test
