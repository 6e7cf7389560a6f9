"""Every route of the front door, read off the URL configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, get_resolver
from django.urls.resolvers import RoutePattern

# What is not ours: the admin's pages have rights and tests of their own.
_FOREIGN = ("admin/", "static/")


def routes() -> set[str]:
    """Return `METHOD /path/<name>` of all routes; of two that differ by their last slash, one."""
    seen: dict[tuple[str, Any], str] = {}
    for path, view in _patterns(get_resolver().url_patterns, ""):
        if not path.startswith(_FOREIGN):
            seen.setdefault((path.rstrip("/"), _class_of(view)), f"/{path}")
    views = {(path, view) for (_, view), path in seen.items()}
    return {f"{method} {path}" for path, view in views for method in _methods(view)}


def _patterns(patterns: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for entry in patterns:
        path = prefix + _written(entry.pattern)
        if isinstance(entry, URLPattern):
            yield path, entry.callback
        else:
            yield from _patterns(entry.url_patterns, path)


def _written(pattern: Any) -> str:
    """Write a pattern as a path: `jobs/<id:job_id>/` as `jobs/<job_id>/`."""
    if isinstance(pattern, RoutePattern):
        return re.sub(r"<(?:\w+:)?(\w+)>", r"<\1>", str(pattern))
    return re.sub(r"[\^$?]", "", str(pattern))


def _class_of(view: Any) -> Any:
    return getattr(view, "cls", None) or getattr(view, "view_class", None) or view


def _methods(view: Any) -> list[str]:
    """Return what a view answers; a function is asked for its page, at least."""
    if not hasattr(view, "http_method_names"):
        return ["GET"]
    names = [name for name in view.http_method_names if name not in {"options", "head", "trace"}]
    return [name.upper() for name in names if hasattr(view, name)]
