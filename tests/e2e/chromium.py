"""Opens a page in headless Chromium, runs a script in it, and returns what the page said."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # offline: any request to a network fails and is reported
    "--enable-logging=stderr",
    "--virtual-time-budget=10000",
    "--dump-dom",
)


@dataclass(frozen=True)
class Visit:
    """What a page logged, and the value its probe returned."""

    console: list[str]
    value: Any


def find_chromium() -> str | None:
    """Path of an installed browser, None without one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def visit(page: Path, probe: str, folder: Path, width: int = 1280) -> Visit:
    """Open a copy of ``page`` that runs ``probe`` (a JavaScript function body) after everything else."""
    copy = folder / "probed.html"
    script = f"<script>addEventListener('load', () => {{ {_report(probe)} }});</script>"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{script}</body>"), encoding="utf-8")
    command = [find_chromium() or "", *FLAGS, f"--window-size={width},900", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run([*command, copy.as_uri()], capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the page did not finish: {done.stderr[-2000:]}"
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return Visit(console, json.loads(html.unescape(found[1])))


def _report(probe: str) -> str:
    return (
        "const result = document.createElement('pre'); result.id = 'probe';"
        f"result.textContent = JSON.stringify((() => {{ {probe} }})());"
        "document.body.append(result);"
    )
