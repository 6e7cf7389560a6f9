"""What a person is told once the product can be used."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

from deploy.local.plan import Plan

DEMO_EMAIL: Final = "demo@example.com"

_ADDRESSES: Final = """
  Address   {address}
  Sign-in   {email}, password {password}
  Admin     {address}/admin/{admin}
  E-mail    {mail}
  Model     {model}
  Logs      {logs}

Paste this into another terminal to send a turn and wait for its answer:

{paste}

Ctrl-C stops everything; nothing that was accepted is lost.
"""

# Understood by bash and zsh; needs curl and python3, and lets no proxy come between.
_PASTE: Final = """\
call() {{ curl -sS --noproxy '*' -H 'Content-Type: application/json' {address}/api/v1/"$@"; }}
get() {{ python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }}
login='{{"email": "{email}", "password": "'$(cat {password})'"}}'
token="Authorization: Bearer $(call tokens/ -d "$login" | get access)"
turn=$(call turns/ -H "$token" -d '{{"message": "What does the relay repair?"}}' | get id)
while job=$(call jobs/$turn/ -H "$token"); state=$(get state <<<"$job"); echo "$state"
  [ "$state" = queued ] || [ "$state" = in_progress ]; do sleep 0.3; done; get result <<<"$job"
"""


def password_file(home: Path) -> Path:
    """Where the demo user's password lies."""
    return home / "demo_password"


def ready_line(seconds: float) -> str:
    """Say that it has begun, and after how long."""
    return f"\nTurnpike is ready after {seconds:.1f} s."


def announcement(plan: Plan) -> str:
    """Say where everything is, and how to try it."""
    return _ADDRESSES.format(
        address=plan.address,
        email=DEMO_EMAIL,
        password=password_file(plan.home).read_text(encoding="utf-8").strip(),
        admin="" if plan.is_embedded else " (`manage.py createsuperuser` makes who may see all)",
        mail=f"{plan.address}/outbox/" if plan.mail_transport == "files" else plan.mail_transport,
        model="sandbox (it quotes and does not think)" if plan.sandbox_port else plan.provider,
        logs=plan.home / "logs",
        paste=paste(plan),
    )


def paste(plan: Plan) -> str:
    """Write the shell commands that send a turn and poll it to its answer."""
    path = shlex.quote(str(password_file(plan.home)))
    return _PASTE.format(address=plan.address, email=DEMO_EMAIL, password=path).rstrip()
