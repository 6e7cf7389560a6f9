"""The resident memory of the processes that load no engine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.acceptance.stack import ROOT

_PRINT = "import re; print(re.search(r'VmRSS:\\s+(\\d+)', open('/proc/self/status').read())[1])"
PROCESSES = {
    "python": _PRINT,
    "django alone": f"import django; django.setup(); {_PRINT}",
    "the front door (project.asgi)": f"import project.asgi, project.urls; {_PRINT}",
    "celerybeat.app": f"import celerybeat.app; {_PRINT}",
}


@pytest.mark.parametrize("name", PROCESSES)
def test_resident_memory(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESSES[name]],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "project.settings.test", "PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )
    print(f"\n{name:<32} {int(done.stdout) / 1024:6.1f} MiB")
