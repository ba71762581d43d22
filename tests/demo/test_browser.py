"""The demo in a real browser: sample, sentence, render, and the video plays; nothing else is asked of the network."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import pytest

pytest.importorskip("gradio", reason="the demo needs: pip install 'emohead[demo]'")
pytest.importorskip("selenium", reason="the browser test needs: pip install 'emohead[e2e]'")

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver on this machine")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1200,1000", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip


@pytest.fixture(scope="module")
def address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "emohead.cli", "demo", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            break
        except OSError:
            assert server.poll() is None, server.stderr.read() if server.stderr else ""
            assert time.monotonic() < deadline, "the demo did not come up"
            time.sleep(0.5)
    yield url
    server.terminate()
    server.wait(10)


@pytest.fixture
def browser(tmp_path: Path):
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.mark.timeout(300)
def test_sample_and_sentence_become_a_playing_video(address: str, browser, tmp_path: Path):
    browser.get(address)
    wait = WebDriverWait(browser, 60)
    wait.until(lambda driver: driver.find_element(By.ID, "sample")).click()
    wait.until(lambda driver: driver.find_elements(By.CSS_SELECTOR, "#speech canvas, #speech audio, #speech wave, #waveform"))
    browser.find_element(By.CSS_SELECTOR, "#sentence textarea").send_keys("calm, then a delighted surprise")
    browser.find_element(By.ID, "render").click()
    video = WebDriverWait(browser, 240).until(lambda driver: driver.find_element(By.CSS_SELECTOR, "#video video"))
    wait.until(lambda driver: driver.execute_script("return arguments[0].readyState", video) >= 3)
    browser.execute_script("arguments[0].muted = true; arguments[0].play()", video)
    wait.until(lambda driver: driver.execute_script("return arguments[0].currentTime", video) > 0.5)
    duration, width = browser.execute_script("return [arguments[0].duration, arguments[0].videoWidth]", video)
    assert duration > 2 and width == 512
    status = browser.find_element(By.CSS_SELECTOR, "#status textarea").get_attribute("value")
    assert "generated" in status
    screenshot = Path(os.environ.get("EMOHEAD_SCREENSHOTS", tmp_path)) / "demo.png"
    browser.save_screenshot(str(screenshot))
    assert screenshot.stat().st_size > 10_000
    assert _foreign_requests(browser, urlparse(address).netloc) == []


def test_missing_audio_is_said_in_one_line(address: str, browser):
    browser.get(address)
    wait = WebDriverWait(browser, 60)
    wait.until(lambda driver: driver.find_element(By.ID, "render")).click()
    wait.until(lambda driver: "no audio" in driver.find_element(By.TAG_NAME, "body").text)
    assert "Traceback" not in browser.find_element(By.TAG_NAME, "body").text


def _foreign_requests(browser, own: str) -> list[str]:
    """Every network request of the page that did not go to the demo itself."""
    urls = []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            urls.append(message["params"]["request"]["url"])
    return [url for url in urls if urlparse(url).scheme in ("http", "https", "ws", "wss") and urlparse(url).netloc != own]
