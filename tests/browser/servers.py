"""A Jupyter of our own with JupyterLab, Notebook 7 and Voila: on this machine, with scratch
settings and a token.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary

HERE = "http://127.0.0.1"
SETTINGS = {  # no requests for news; every cell in the page, also those out of sight
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}
PAGES = {
    "lab": "doc/workspaces/{name}/tree/{name}.ipynb?reset&",
    "notebook": "notebooks/{name}.ipynb?",
    "voila": "voila/render/{name}.ipynb?",
}


@dataclass
class Jupyter:
    """A running server, and the folder whose notebooks it shows."""

    url: str
    token: str
    home: Path
    folder: Path

    def write(self, name, *cells):
        """A notebook of the given cells."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells]
        )
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(notebook, self.folder / f"{name}.ipynb")

    def trust(self, path):
        """A copy of a notebook, trusted as `jupyter trust` would, so that its saved explorers move;
        gives its name.
        """
        notebook = nbformat.read(path, 4)
        notary(self.home).sign(notebook)
        nbformat.write(notebook, self.folder / path.name)
        return path.stem

    def open(self, page, name, place="lab"):
        """Open a notebook in JupyterLab, in Notebook 7 or, which runs it, in Voila."""
        page.goto(f"{self.url}/{PAGES[place].format(name=name)}token={self.token}", timeout=90_000)
        if place != "voila":
            page.wait_for_function(
                "() => window.jupyterapp?.shell?.currentWidget?.sessionContext", timeout=60_000
            )
            page.evaluate(READY)

    def enter(self, page):
        """Open JupyterLab without a notebook, for `show`."""
        page.goto(f"{self.url}/doc/workspaces/shown?reset&token={self.token}", timeout=90_000)
        page.wait_for_function("() => window.jupyterapp?.restored", timeout=60_000)
        page.evaluate("() => jupyterapp.restored")

    def show(self, page, name):
        """Open a notebook in a JupyterLab that is there, as from its file browser."""
        page.evaluate(OPEN, f"{name}.ipynb")
        page.evaluate(READY)

    def show_again(self, page, name):
        """Close the notebook that is open, unsaved, and open it anew; its kernel goes on."""
        page.evaluate(CLOSE)
        self.show(page, name)

    def close(self, page):
        """End the kernel of the notebook that is open, and close it, unsaved."""
        self.shut_down(page)
        page.evaluate(CLOSE)

    def run(self, page):
        """Run all cells of the notebook that is open; an error in a cell fails the test."""
        assert page.evaluate(RUN_ALL) == []

    def shut_down(self, page):
        """End the kernel of the notebook that is open."""
        page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.shutdown()")


def notary(home):
    """Who signs the notebooks that are trusted."""
    return NotebookNotary(data_dir=str(home / "data"))


OPEN = "async (path) => { await jupyterapp.commands.execute('docmanager:open', { path }); }"
CLOSE = "() => jupyterapp.shell.currentWidget.dispose()"
# Waits for the notebook, and leaves window.run_in_kernel(code), which gives what the code prints.
READY = """async () => {
  await jupyterapp.restored;
  const notebook = jupyterapp.shell.currentWidget;
  await notebook.context.ready;
  await notebook.sessionContext.ready;
  window.run_in_kernel = async (code) => {
    let printed = '';
    const request = notebook.sessionContext.session.kernel.requestExecute({ code });
    request.onIOPub = ({ content }) => { printed += content.text ?? content.traceback?.join('') ?? ''; };
    await request.done;
    return printed;
  };
}"""
RUN_ALL = """async () => {
  await jupyterapp.commands.execute('notebook:run-all-cells');
  const outputs = jupyterapp.shell.currentWidget.content.widgets.flatMap((cell) => cell.model.outputs?.toJSON() ?? []);
  return outputs.filter((output) => output.output_type === 'error');
}"""


# What stands on a page of Jupyter, for a test that waited in vain.
LOOK = """async () => {
  const panel = window.jupyterapp?.shell.currentWidget, cells = panel?.content?.widgets;
  if (!cells) return 'no notebook';
  const renderer = panel.content.rendermime.createRenderer('application/vnd.jupyter.widget-view+json');
  const soon = new Promise((done) => setTimeout(done, 1000, null)), kernel = panel.sessionContext.session?.kernel;
  const manager = await Promise.race([renderer._manager?.promise, soon]);
  return {
    path: panel.context.path, trusted: cells.every((cell) => cell.model.trusted ?? true),
    out_of_sight: cells.filter((cell) => cell.isPlaceholder()).length,
    kernel: kernel && [kernel.connectionStatus, kernel.status],
    widgets_restored: manager?.restoredStatus, models: manager && Object.keys(manager._models).length,
    waiting: document.body.innerText.split('Loading widget').length - 1,
    dialogs: [...document.querySelectorAll('.jp-Dialog')].map((dialog) => dialog.innerText),
  };
}"""


@contextmanager
def jupyter(home, folder):
    """A Jupyter that runs until the block is left."""
    for name, values in SETTINGS.items():
        file = home / "lab" / "user-settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    (home / "data").mkdir()
    assert notary(home).secret  # written before the server asks for it, so that both have the same
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server, log = (
        Jupyter(f"{HERE}:{port}", secrets.token_hex(16), home, folder),
        home / "jupyter.log",
    )
    with log.open("w") as output:
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
        with subprocess.Popen(_command(port, server), env=_environment(home), **streams) as process:
            try:
                _wait_for(f"{server.url}/api/status?token={server.token}", process, log)
                yield server
            finally:
                _stop(process)


def _stop(process):
    process.terminate()  # it ends its kernels itself
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


def _command(port, server):
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "IdentityProvider.token": server.token,
        "ServerApp.root_dir": server.folder,
        # window.jupyterapp, whose commands say when they are done
        "LabApp.expose_app_in_browser": True,
        "JupyterNotebookApp.expose_app_in_browser": True,
        "LabApp.extension_manager": "readonly",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", *flags]


def _environment(home):
    scratch = {
        f"JUPYTER_{kind}_DIR": str(home / name)
        for kind, name in (("CONFIG", ""), ("RUNTIME", "run"), ("DATA", "data"))
    }
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


def _wait_for(url, process, log, seconds=180):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            if process.poll() is not None:
                break
            time.sleep(0.1)
    pytest.fail(f"Jupyter did not start:\n{log.read_text()}")
