"""The table of LLM providers, built from the keys that are present."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from project.settings import environment as env

Protocol = Literal["responses", "chat_completions"]


@dataclass(frozen=True)
class ProviderSettings:
    """One provider: how it is spoken to, where, with which key and model, and how much at most.

    `rpm`, `tpm` (requests and tokens a minute) and `concurrency` (generations at once) hold for
    the key, over all workers together; 0 is no limit.
    """

    name: str
    protocol: Protocol
    base_url: str
    api_key: str = field(repr=False)
    model: str
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    total_timeout: float = 600.0
    rpm: int = 0
    tpm: int = 0
    concurrency: int = 0


# name: (protocol, OpenAI-compatible address, default model)
_KNOWN: dict[str, tuple[Protocol, str, str]] = {
    "openai": ("responses", "https://api.openai.com/v1", "gpt-5-mini"),
    "gemini": (
        "chat_completions",
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        "gemini-2.5-flash",
    ),
    "mistral": ("chat_completions", "https://api.mistral.ai/v1", "mistral-small-latest"),
}


def _provider(name: str, protocol: Protocol, url: str, model: str, key: str) -> ProviderSettings:
    prefix = name.upper()
    return ProviderSettings(
        name=name,
        protocol="chat_completions"
        if env.text(f"{prefix}_PROTOCOL", protocol, choices=["responses", "chat_completions"])
        == "chat_completions"
        else "responses",
        base_url=env.text(f"{prefix}_BASE_URL", url),
        api_key=key,
        model=env.text(f"{prefix}_MODEL", model),
        connect_timeout=env.number(f"{prefix}_CONNECT_TIMEOUT", 5.0, minimum=0.1),
        read_timeout=env.number(f"{prefix}_READ_TIMEOUT", 60.0, minimum=0.1),
        total_timeout=env.number(f"{prefix}_TOTAL_TIMEOUT", 600.0, minimum=0.1),
        rpm=env.integer(f"{prefix}_RPM", 0),
        tpm=env.integer(f"{prefix}_TPM", 0),
        concurrency=env.integer(f"{prefix}_CONCURRENCY", 0, maximum=10_000),
    )


def provider_table(sandbox_url: str) -> dict[str, ProviderSettings]:
    """Build the table: known providers whose key is set, those of PROVIDERS, else the sandbox.

    `PROVIDERS=acme,other` names further ones that speak chat completions; each needs
    `ACME_API_KEY`, `ACME_BASE_URL` and `ACME_MODEL`.
    """
    table: dict[str, ProviderSettings] = {}
    for name, (protocol, url, model) in _KNOWN.items():
        if key := env.text(f"{name.upper()}_API_KEY", ""):
            table[name] = _provider(name, protocol, url, model, key)
    for name in env.items("PROVIDERS"):
        prefix = name.upper()
        table[name] = _provider(
            name,
            "chat_completions",
            env.text(f"{prefix}_BASE_URL"),
            env.text(f"{prefix}_MODEL"),
            env.text(f"{prefix}_API_KEY"),
        )
    if not table:
        table["sandbox"] = _provider("sandbox", "responses", sandbox_url, "sandbox-1", "sandbox")
    return table
