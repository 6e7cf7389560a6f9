"""The house rules that no linter knows: its rooms, the size of its files, what is loaded where."""

from __future__ import annotations

import ast
import json
import re
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("project", "api", "pipelines", "workers", "celerybeat", "deploy")
TOP_LEVEL = {
    "manage.py",
    *PACKAGES,
    "requirements",
    "tests",
    "Makefile",
    "README.md",
    "docs",
    "CHANGELOG.md",
}
# What git ignores and people leave lying about: the embedded default's data, and builds.
LEFT_ALONE = {"var", "build", "dist"}
ENGINE_LIBRARIES = (
    "torch",
    "faiss",
    "openai",
    "reportlab",
    "sentence_transformers",
    "transformers",
    "mailersend",
    "numpy",
)
LONGEST_FILE = 500
MEDIAN_FILE = 100
# Statements, nested ones included, from which on two equal function bodies are one too many.
DOUBLED_FROM = 4


def _python_files(*folders: str) -> list[Path]:
    files = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in files if "migrations" not in path.parts)


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_the_top_level_holds_only_what_the_plan_names() -> None:
    """Given the repository root, everything without a leading dot is one of the agreed names."""
    names = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert names - LEFT_ALONE - {"__pycache__"} - TOP_LEVEL == set()


def test_no_python_file_is_too_long() -> None:
    """Given every Python file but migrations, none has more lines than may stand in one file."""
    files = [*_python_files(*PACKAGES, "requirements", "tests"), ROOT / "manage.py"]
    assert [str(path.relative_to(ROOT)) for path in files if _lines(path) > LONGEST_FILE] == []


def test_the_median_python_file_is_short(record_property: Callable[[str, object], None]) -> None:
    """Given the files that hold anything, half of them are read without scrolling."""
    median = statistics.median(size for path in _python_files(*PACKAGES) if (size := _lines(path)))
    record_property("median_lines", median)
    assert median < MEDIAN_FILE


# Each entry point of a process that serves HTTP, relays or keeps time.
@pytest.mark.parametrize("module", ["project.urls", "project.asgi", "celerybeat.app"])
def test_a_light_process_loads_no_engine(module: str, tmp_path: Path) -> None:
    """Given a fresh interpreter, importing an entry point leaves every engine's library out."""
    program = (
        "import importlib, json, sys, django\n"
        "django.setup()\n"
        "importlib.import_module(sys.argv[1])\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, module],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "project.settings.test", "TURNPIKE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert {"django", module.partition(".")[0]} <= set(loaded)
    assert [name for name in ENGINE_LIBRARIES if name in loaded] == []


def _imported(*folders: str) -> set[str]:
    """The top-level names that the Python files below these folders import, wherever they do."""
    names: set[str] = set()
    for path in _python_files(*folders):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    return names - {*PACKAGES, "tests"} - sys.stdlib_module_names


def _declared(*files: str) -> set[str]:
    """The distributions that these requirement files name, in their normal form."""
    texts = [(ROOT / "requirements" / file).read_text(encoding="utf-8") for file in files]
    return {_normal(name) for text in texts for name in re.findall(r"(?m)^\w[\w.-]*", text)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize(
    ("folders", "files"),
    [
        (("project", "pipelines", "api", "celerybeat"), ("base.in", "web.in")),
        (("workers", "deploy"), ("base.in", "web.in", "worker.in", "torch.txt")),
        (("tests",), ("base.in", "web.in", "worker.in", "torch.txt", "dev.in")),
    ],
)
def test_every_imported_library_is_declared(
    folders: tuple[str, ...], files: tuple[str, ...]
) -> None:
    """Given a room's imports, each one's distribution stands in a file that the room installs."""
    owners = packages_distributions()
    declared = _declared(*files)
    missing = {
        name
        for name in _imported(*folders)
        if declared.isdisjoint(_normal(owner) for owner in owners.get(name, []))
    }
    assert missing == set()


@pytest.mark.parametrize("lock", ["web.txt", "worker.txt", "dev.txt", "uv.txt"])
def test_a_lock_pins_by_hash_and_names_no_place(lock: str) -> None:
    """Given a lock, each entry has a version and hashes, torch is absent, and no address shows."""
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    entries = re.split(r"(?m)^(?=\w)", text)[1:]
    assert entries
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
    assert [entry for entry in entries if entry.startswith("torch==")] == []
    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|'never'", text) == []


def _functions(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each function's place and its body as a text that ignores layout and docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        inner = [part for line in body for part in ast.walk(line) if isinstance(part, ast.stmt)]
        if len(inner) >= DOUBLED_FROM:
            text = "\n".join(ast.dump(line) for line in body)
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", text


def test_no_function_is_written_twice() -> None:
    """Given every function of some size, no two have the same body."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for path in _python_files(*PACKAGES):
        for place, body in _functions(path):
            places[body].append(place)
    assert [same for same in places.values() if len(same) > 1] == []
