"""Chromium for tests of pages: opens a page, and runs a script in it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def browse(page: Path, width: int, action: str, fragment: str = "") -> subprocess.CompletedProcess:
    """Open a page in a window so many pixels wide, and return what Chromium prints."""
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--window-size={width},900",
        "--virtual-time-budget=3000",
    ]
    command = [BROWSER, *options, f"--user-data-dir={page.parent}", action, f"file://{page}{fragment}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def found_by(page: bytes, script: str, folder: Path, width: int = 1000, fragment: str = "") -> object:
    """Run a function body of JavaScript in a page, and return its value."""
    text = re.sub(r"<meta http-equiv.*?>", "", page.decode())  # which would refuse the script
    text += f"<script>const told = (() => {{ {script} }})(); document.body.innerHTML = JSON.stringify(told)</script>"
    (folder / "page.html").write_text(text)
    shown = browse(folder / "page.html", width, "--dump-dom", fragment).stdout
    return json.loads(re.search(r"<body>(.*)</body>", shown, re.DOTALL)[1].replace("&lt;", "<").replace("&gt;", ">"))
