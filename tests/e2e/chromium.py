"""Opens a page in headless Chromium, runs a script in it, and returns what the page said, or a picture of it."""

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
)


@dataclass(frozen=True)
class Visit:
    """What a page logged, and the value its probe returned."""

    console: list[str]
    value: Any


def find_chromium() -> str | None:
    """Path of an installed browser, None without one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def visit(page: Path, probe: str, folder: Path, width: int = 1280, address: str = "") -> Visit:
    """Open a copy of ``page`` at ``address`` ("#row-..."), and run ``probe`` after everything else.

    ``probe`` is the body of an asynchronous JavaScript function; what it throws fails the visit.
    """
    done = _run(page, probe, folder, width, 900, address, "--dump-dom")
    found = re.search(r'<pre id="probe"[^>]*>(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, f"the page did not finish: {done.stderr[-2000:]}"
    answer = json.loads(html.unescape(found[1]))
    assert "thrown" not in answer, answer["thrown"]
    return Visit([line for line in done.stderr.splitlines() if ":CONSOLE" in line], answer["value"])


def picture(page: Path, file: Path, folder: Path, *, width: int = 1280, height: int = 900, **options: str) -> None:
    """A PNG of the page as a reader sees it. ``options`` are ``probe`` and ``address`` of `visit`."""
    probe, address = options.get("probe", ""), options.get("address", "")
    _run(page, probe, folder, width, height, address, f"--screenshot={file}", "--hide-scrollbars")
    assert file.is_file(), "no picture was taken"


def _run(
    page: Path, probe: str, folder: Path, width: int, height: int, address: str, *flags: str
) -> subprocess.CompletedProcess[str]:
    copy = folder / "probed.html"
    script = f"<script>addEventListener('load', async () => {{ {_report(probe)} }});</script>"
    head, body, tail = page.read_text(encoding="utf-8").rpartition("</body>")
    copy.write_text(head + script + body + tail, encoding="utf-8")
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [find_chromium() or "", *FLAGS, *flags, f"--window-size={width},{height}", profile]
    return subprocess.run([*command, copy.as_uri() + address], capture_output=True, text=True, timeout=120, check=False)


def _report(probe: str) -> str:
    return (
        "const result = document.createElement('pre'); result.id = 'probe';"
        f"const answer = await (async () => {{ {probe} }})().then("
        "(value) => ({value: value ?? null}), (error) => ({thrown: String(error.stack)}));"
        "result.textContent = JSON.stringify(answer);"
        "result.hidden = true; document.body.append(result);"
    )
