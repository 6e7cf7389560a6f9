"""Writes the hashed, universal lock files from the `.in` files, or checks that they are fresh."""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The widest first: each narrower lock is held to the versions of the one before it, so that a
# web process and a worker never run two versions of the same library.
LOCKS: tuple[tuple[str, str | None], ...] = (
    ("dev", None),
    ("worker", "dev"),
    ("web", "worker"),
    ("sdk", None),
    ("uv", None),
)
NEVER = "sys_platform == 'never'"
UNREACHABLE = re.compile(
    r"error sending request|dns error|failed to lookup|connect(ion)? (error|refused|reset)"
    r"|network (is unreachable|was disabled)|timed out|tunnel",
    re.IGNORECASE,
)


class RegistryUnreachable(Exception):
    """The package registry does not answer, so nothing can be said about freshness."""


def main() -> int:
    """Write the locks in place, or with `--check` compare them with a fresh resolution.

    Returns:
        0 when the locks are written, fresh, or cannot be compared because the registry does not
        answer; 1 when a lock differs or lacks something that its `.in` file names.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail on a difference")
    parser.add_argument("--upgrade", action="store_true", help="take the newest allowed versions")
    options = parser.parse_args()
    if options.check:
        return check()
    for name, constraint in LOCKS:
        say(f"locking {name}")
        compile_lock(HERE, name, constraint, upgrade=options.upgrade)
    return 0


def check() -> int:
    """Resolve again in a scratch copy, with the locked versions preferred, and compare."""
    missing = [f"{name}.txt does not pin {dep}" for name, _ in LOCKS for dep in unpinned(name)]
    if missing:
        say("\n".join([*missing, "Run `make lock`."]))
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(HERE, Path(scratch) / "requirements")
        try:
            for name, constraint in LOCKS:
                compile_lock(copy, name, constraint)
        except RegistryUnreachable:
            say("The package registry does not answer: only the names in the locks were checked.")
            return 0
        changes = "".join(difference(copy, name) for name, _ in LOCKS)
    say(f"{changes}Run `make lock`." if changes else "The locks are fresh.")
    return 1 if changes else 0


def compile_lock(folder: Path, name: str, constraint: str | None, *, upgrade: bool = False) -> None:
    """Resolve `name.in` into `name.txt`, keeping versions that are already there.

    Args:
        folder: Where the `.in` files lie; uv runs there, so that the lock names no other path.
        name: The lock, without its suffix.
        constraint: The wider lock whose versions are binding.
        upgrade: Forget the locked versions first.

    Raises:
        RegistryUnreachable: The registry does not answer.
        SystemExit: uv failed for any other reason, which it has printed.
    """
    command = [uv(), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"]
    command += ["--override", "overrides.txt", "--custom-compile-command", "make lock"]
    command += ["--constraints", f"{constraint}.txt"] if constraint else []
    command += ["--upgrade"] if upgrade else []
    command += [f"{name}.in", "--output-file", f"{name}.txt"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        if UNREACHABLE.search(done.stderr):
            raise RegistryUnreachable
        raise SystemExit(done.stderr)
    lock = folder / f"{name}.txt"
    lock.write_text(without_never(lock.read_text()))


def without_never(lock: str) -> str:
    """Drop the entries that only torch needs: their marker can never be true.

    Raises:
        SystemExit: The word is left over in a marker that this function does not understand.
    """
    # An entry is its `name==version` line and the indented lines below it.
    entries = re.split(r"(?m)^(?=\S)", lock)
    kept = "".join(entry for entry in entries if NEVER not in entry.partition("\n")[0])
    if "'never'" in kept:
        raise SystemExit("A marker still mentions the platform 'never': look at overrides.txt.")
    return kept


def unpinned(name: str) -> list[str]:
    """The normalised names in `name.in` that `name.txt` does not pin; needs no registry."""
    lock = (HERE / f"{name}.txt").read_text()
    lines = (HERE / f"{name}.in").read_text().splitlines()
    wanted = [re.split(r"[\[<>=~!; ]", line)[0] for line in lines if re.match(r"\w", line)]
    names = [re.sub(r"[-_.]+", "-", dep).lower() for dep in wanted]
    return [dep for dep in names if not re.search(rf"(?m)^{re.escape(dep)}==", lock)]


def difference(fresh: Path, name: str) -> str:
    """The unified difference between the lock as it lies here and a fresh one; empty if equal."""
    old, new = ((place / f"{name}.txt").read_text() for place in (HERE, fresh))
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"{name}.txt", "fresh", n=1
    )
    return "".join(lines)


def uv() -> str:
    """The uv that stands beside this interpreter, else the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise SystemExit("uv is missing: run `make setup` first.")
    return found


def say(text: str) -> None:
    """Print a line for a person."""
    sys.stdout.write(text.rstrip("\n") + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
