"""A page in headless Chromium."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def have_browser() -> bool:
    try:
        import selenium  # noqa: F401
    except ImportError:
        return False
    return CHROMIUM is not None and DRIVER is not None


needs_browser = pytest.mark.skipif(not have_browser(), reason="needs chromium, chromedriver and selenium")


@contextmanager
def browser(width: int = 1400, height: int = 1000, dark: bool = False) -> Iterator[Any]:
    """A driver of a browser that cannot reach any other machine."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = CHROMIUM or ""
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
        "--disable-background-networking",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        if dark:
            features = [{"name": "prefers-color-scheme", "value": "dark"}]
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        yield driver
    finally:
        driver.quit()


def open_page(driver: Any, file: Path, link: str = "") -> float:
    """Open the page and wait until it can learn; the seconds that took."""
    began = time.perf_counter()
    driver.get(file.resolve().as_uri() + link)
    wait_for(driver, "document.body.dataset.ready === 'true'", 20)
    return time.perf_counter() - began


def wait_for(driver: Any, condition: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if driver.execute_script(f"return Boolean({condition})"):
            return
        time.sleep(0.03)
    live = driver.execute_script("return document.getElementById('live').textContent")
    raise AssertionError(f"{condition} does not hold after {seconds} seconds; the page says: {live}")


def requests_of(driver: Any) -> list[str]:
    """The addresses that were asked for, but for the page itself, data: and blob:."""
    import json

    found = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            address = message["params"]["request"]["url"]
            if not address.startswith(("data:", "blob:", "file:")):
                found.append(address)
    return found
