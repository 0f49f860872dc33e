"""A page in headless Chromium: when it is first painted, and how long a search in it takes."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import threading
import time
from html import unescape
from pathlib import Path
from typing import Any

# How long the document is held open for its paint; Chromium writes it out when all is loaded.
HOLD_S = 4.0
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
# Paint entries as the browser keeps them (W3C Paint Timing), on the real clock: virtual time, with
# which Chromium could wait as well, is none to measure by. An image that comes late holds the page.
_WATCH = """
<pre id="seen">{}</pre><img src="http://127.0.0.1:%d/" alt="">
<script>
"use strict";
const told = {}, box = document.getElementById("search");
const put = () => { document.getElementById("seen").textContent = JSON.stringify(told); };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) told[entry.name] = entry.startTime;
  put();
}).observe({type: "paint", buffered: true});
setTimeout(() => {
  told.searches_ms = %s.map((word) => {
    const began = performance.now();
    box.value = word;
    box.dispatchEvent(new Event("input", {bubbles: true}));
    document.body.getBoundingClientRect();
    return performance.now() - began;
  });
  told.rows = [...document.querySelectorAll(".node")].filter((row) => !row.hidden).length;
  told.elements = document.getElementsByTagName("*").length;
  put();
}, %d);
</script>"""


class _Late(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        time.sleep(HOLD_S)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def browse(page: Path, words: list[str]) -> dict[str, Any]:
    """Paint times in ms since navigation, and ms of a search for each of ``words``, its layout
    included; ``rows``: nodes shown for the last one."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        text = page.read_text().replace("default-src 'none'", "default-src 'none'; img-src *")
        watch = _WATCH % (server.server_port, json.dumps(words), HOLD_S * 500)
        copy = page.with_name("watched.html")
        copy.write_text(text.replace("</body>", f"{watch}</body>"))
        done = subprocess.run(
            ["chromium", *_FLAGS, f"--user-data-dir={page.parent / 'browser'}", "--dump-dom",
             copy.as_uri()],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        server.shutdown()
    match = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    if match is None:
        raise RuntimeError(done.stderr[-1000:])
    found: dict[str, Any] = json.loads(unescape(match[1]))
    return found


def measure(page: Path, words: list[str]) -> dict[str, Any]:
    """``browse`` in a network namespace, where the browser finds nothing but this."""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh",
         sys.executable, "-m", "bench.page", str(page), *words],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(browse(Path(sys.argv[1]), sys.argv[2:])))
