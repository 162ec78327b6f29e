"""Headless Chromium by the DevTools protocol over two pipes: opens pages, runs scripts, types, clicks, takes pictures.

Real input matters: only a key that comes from outside the page closes a dialog, and only a real click finds a point.
Protocol: https://chromedevtools.github.io/devtools-protocol/ (domains Page, Runtime, Input, Emulation, Network, Log).
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # offline: any request to a network fails and is seen
    "--remote-debugging-pipe",
)
ON_PIPES = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for own, pipe in zip((3, 4), pipes):
    os.dup2(pipe, own)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Becomes the browser, which reads orders from descriptor 3 and answers on 4."""

SECONDS = 60.0
"""Longest wait for one answer."""

KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "/": (191, "/")} | {
    name: (code, "") for code, name in enumerate(("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"), start=37)
}


def find_chromium() -> str | None:
    """Path of an installed browser, None without one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def started(folder: Path) -> Iterator[Browser]:
    """A browser whose profile is in `folder`, ended with the context."""
    (orders, to_browser), (from_browser, answers) = os.pipe(), os.pipe()
    program = [find_chromium() or "", *FLAGS, f"--user-data-dir={folder / 'profile'}"]
    command = [sys.executable, "-c", ON_PIPES, str(orders), str(answers), *program]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, pass_fds=(orders, answers), stdout=quiet, stderr=quiet)
    os.close(orders)
    os.close(answers)
    try:
        yield Browser(to_browser, from_browser)
    finally:
        process.terminate()
        process.wait(SECONDS)
        os.close(to_browser)
        os.close(from_browser)


class Browser:
    """Sends commands and hands events to the tabs they belong to."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from, self._received, self._last = to_browser, from_browser, b"", 0
        self._tabs: dict[str, Tab] = {}

    def open(self, page: Path, width: int = 1280, height: int = 900, address: str = "", **media: str) -> Tab:
        """A tab with a loaded page; `media` are features as CSS names them, with "_" for "-"."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = self._tabs[session] = Tab(self, session, target)
        for domain in ("Page", "Runtime", "Network", "Log"):
            tab.ask(f"{domain}.enable")
        tab.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        tab.ask("Emulation.setEmulatedMedia", features=features)
        tab.go(page.as_uri() + address)
        return tab

    def ask(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """The answer to one command; events that come before it are handed on."""
        self._last += 1
        wanted = self._last
        message = {"id": wanted, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next_message()
            if answer.get("id") == wanted:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def next_message(self) -> dict[str, Any]:
        """The next message, which an event's tab has seen already."""
        while b"\0" not in self._received:
            assert select.select([self._from], [], [], SECONDS)[0], "the browser does not answer"
            self._received += os.read(self._from, 1 << 20)
        line, _, self._received = self._received.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if tab := self._tabs.get(message.get("sessionId", "")):
            tab.see(message)
        return message


class Tab:
    """One page. `console` has what it logged or threw, `requests` every address it asked for."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target
        self._loads = 0
        self.console: list[str] = []
        self.requests: list[str] = []

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to a command about this page."""
        return self._browser.ask(method, self._session, **parameters)

    def see(self, message: dict[str, Any]) -> None:
        """Take note of an event."""
        method, said = message.get("method", ""), message.get("params", {})
        if method == "Page.loadEventFired":
            self._loads += 1
        elif method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        elif method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"):
            self.console.append(json.dumps(said))

    def go(self, address: str) -> None:
        """Navigate, and wait until the page is loaded."""
        before = self._loads
        self.ask("Page.navigate", url=address)
        self._wait_for_load(before)

    def reload(self) -> None:
        """Load the page again, at the address it has now."""
        before = self._loads
        self.ask("Page.reload")
        self._wait_for_load(before)

    def _wait_for_load(self, before: int) -> None:
        deadline = time.monotonic() + SECONDS
        while self._loads == before:
            assert time.monotonic() < deadline, "the page does not load"
            self._browser.next_message()

    def run(self, script: str) -> Any:
        """What the body of an asynchronous JavaScript function returns; what it throws fails."""
        expression = f"(async () => {{ {script} }})()"
        answer = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys one after the other, where the focus is."""
        for key in keys:
            code, text = KEYS[key]
            known = {"key": key, "windowsVirtualKeyCode": code, "text": text}
            self.ask("Input.dispatchKeyEvent", type="keyDown", **known)
            self.ask("Input.dispatchKeyEvent", type="keyUp", **known)

    def type(self, text: str) -> None:
        """Enter a text where the focus is."""
        self.ask("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """A click of the mouse in the middle of the first element of a selector."""
        self.click_at(*self.run(
            f"const found = document.querySelector({json.dumps(selector)});"
            "found.scrollIntoView({block: 'center', behavior: 'instant'});"
            "const box = found.getBoundingClientRect();"
            "return [box.x + Math.min(box.width, innerWidth) / 2, box.y + box.height / 2];"
        ))  # fmt: skip

    def click_at(self, x: float, y: float) -> None:
        """A click of the mouse at a place of the window, in CSS pixels."""
        self.drag((x, y), (x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at one place, move it to another, and let it go."""
        self._mouse("mouseMoved", start)
        self.run("await new Promise((done) => setTimeout(done, 120));")  # plotly looks for a point only so often
        self._mouse("mousePressed", start)
        if end != start:
            self._mouse("mouseMoved", end)
        self._mouse("mouseReleased", end)

    def _mouse(self, kind: str, place: tuple[float, float]) -> None:
        pressed = {} if kind == "mouseMoved" else {"clickCount": 1}
        button = "left" if pressed else "none"
        self.ask("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button=button, **pressed)

    def picture(self, file: Path) -> None:
        """A PNG of the window."""
        file.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """Close the page, whose events come no more."""
        self._browser.ask("Target.closeTarget", targetId=self._target)
