"""Without its extra the integration says what to install, and nothing else loads FastAPI."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_without_the_extra_it_says_what_to_install():
    code = "import sys; sys.modules['fastapi'] = None; import cleanlist_async.integrations.fastapi"
    assert "pip install 'cleanlist-async[fastapi]'" in run(code).stderr


def test_the_client_does_not_need_it():
    code = "import cleanlist_async.client, sys; sys.exit('fastapi' in sys.modules)"
    assert run(code).returncode == 0
