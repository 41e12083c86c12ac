"""A real browser and a real JupyterLab, both on this machine: scratch settings, a token, and nothing from outside."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

HERE = "http://127.0.0.1"
NO_BROWSER = (
    "no Chromium found, so nothing was moved in a browser: `apt-get install chromium` (Debian, Ubuntu) or "
    "`python -m playwright install chromium`, or set the environment variable CHROMIUM to its path"
)
SETTINGS = {  # no requests for news; every cell in the page, also those out of sight
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}


def chromium(playwright):
    """Path of a Chromium: the one named by CHROMIUM, the system's, or Playwright's own. None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = [os.environ.get("CHROMIUM"), *map(shutil.which, names), playwright.chromium.executable_path]
    return next((path for path in found if path and Path(path).exists()), None)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        path = chromium(playwright)
        if path is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(NO_BROWSER)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


@contextmanager
def open_page(browser):
    """A page that keeps what went wrong: `page.problems` has console errors, exceptions, failed and foreign requests."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("requestfailed", lambda request: page.problems.append(f"failed: {request.url}"))
    page.on("response", lambda reply: page.problems.append(f"{reply.status}: {reply.url}") if reply.status >= 400 else None)
    page.on("request", lambda request: None if _is_local(request.url) else page.problems.append(f"foreign: {request.url}"))
    yield page
    context.close()


@pytest.fixture
def page(browser):
    with open_page(browser) as page:
        yield page


def _is_local(url):
    return url.startswith((f"{HERE}:", "ws://127.0.0.1:", "file:", "blob:", "data:"))


@dataclass
class Lab:
    """A running JupyterLab of our own."""

    url: str
    token: str
    folder: Path

    def run(self, page, name, *cells):
        """Write a notebook of the given cells, open it and run all of it; an error in a cell fails the test."""
        code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        made = [code | {"id": f"cell{i}", "source": source} for i, source in enumerate(cells)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        notebook = {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        (self.folder / f"{name}.ipynb").write_text(json.dumps(notebook))
        page.goto(f"{self.url}/doc/workspaces/{name}/tree/{name}.ipynb?token={self.token}&reset")
        page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext", timeout=60_000)
        assert page.evaluate(RUN_ALL) == []

    def shut_down(self, page):
        """End the kernel of the notebook that is open in `page`."""
        page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")


# Runs all cells and gives their errors. Leaves window.run_in_kernel(code), which gives what the code prints.
RUN_ALL = """async () => {
  const app = jupyterapp;
  await app.restored;
  const notebook = app.shell.currentWidget;
  await notebook.context.ready;
  await notebook.sessionContext.ready;
  await app.commands.execute('notebook:run-all-cells');
  window.run_in_kernel = async (code) => {
    let printed = '';
    const request = notebook.sessionContext.session.kernel.requestExecute({ code });
    request.onIOPub = ({ content }) => { printed += content.text ?? content.traceback?.join('') ?? ''; };
    await request.done;
    return printed;
  };
  const outputs = notebook.content.widgets.flatMap((cell) => cell.model.outputs.toJSON());
  return outputs.filter((output) => output.output_type === 'error');
}"""


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("notebooks")
    for name, values in SETTINGS.items():
        file = home / "lab" / "user-settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lab, log = Lab(f"{HERE}:{port}", secrets.token_hex(16), folder), home / "lab.log"
    with log.open("w") as output:
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        with subprocess.Popen(_command(port, lab), env=_environment(home), **streams) as server:
            try:
                _wait_for(f"{lab.url}/api/status?token={lab.token}", server, log)
                yield lab
            finally:
                _stop(server)


def _stop(server):
    server.terminate()  # it ends its kernels itself
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()


def _command(port, lab):
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "IdentityProvider.token": lab.token,
        "ServerApp.root_dir": lab.folder,
        "LabApp.expose_app_in_browser": True,  # window.jupyterapp, whose commands say when they are done
        "LabApp.extension_manager": "readonly",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *flags]


def _environment(home):
    scratch = {f"JUPYTER_{kind}_DIR": str(home / name) for kind, name in (("CONFIG", ""), ("RUNTIME", "run"), ("DATA", "data"))}
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {
        **os.environ,
        **scratch,
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": package,
        "PATH": path,
        "OMP_NUM_THREADS": "1",
    }


def _wait_for(url, server, log, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            if server.poll() is not None:
                break
            time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")
