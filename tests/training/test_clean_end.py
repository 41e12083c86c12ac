"""Processes of a group end cleanly: nothing that they leave holds on to the group."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
RUNS = 2  # one whole, and one in which a step raises; fifty ended so when this was written


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, and forks")
def test_two_ranks_leave_no_network_no_group_and_no_thread_of_gloo(tmp_path):
    command = [sys.executable, "-m", "tests.helpers.clean_end_worker", str(tmp_path), str(RUNS)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1"}
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.stdout.splitlines() == [f"{2 * RUNS} ranks ended cleanly"], run.stdout + run.stderr
