"""What a measurement ran on: processor, versions, commit, and how busy the machine was with other
things. No torch.
"""

import contextlib
import importlib.metadata
import math
import os
import pathlib
import platform
import subprocess
import sys
import time
from collections.abc import Iterator

from xception_edu import __version__

ROOT = pathlib.Path(__file__).parents[2]


def processor() -> str:
    """The processor's name, where the system tells it."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def commit() -> str:
    """The commit that is measured, with "-dirty" if files differ from it; "unknown" without git, or
    where the package was installed from a wheel: a repository around it is another project's.
    """
    if not (ROOT / ".git").exists():
        return "unknown"
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return run.stdout.strip() or "unknown"


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def facts(*packages: str) -> dict[str, object]:
    """Processor, system, cores, commit and versions (of Python, xception_edu and `packages`), for a
    record.
    """
    return {
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {"xception_edu": __version__}
        | {name: found for name in packages if (found := version(name))},
        "commit": commit(),
    }


def busy_seconds() -> float:
    """Seconds that all processors were busy since the system's start, with anything; NaN where the
    system does not tell.
    """
    stat = pathlib.Path("/proc/stat")
    if not stat.exists():
        return math.nan
    user, nice, system, _, _, *rest = map(
        int, stat.read_text(encoding="utf-8").split("\n")[0].split()[1:9]
    )  # not: idle, iowait
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def preemptions() -> int | None:
    """How often the system took a processor from this process that still wanted it, so far; None
    where it does not tell.
    """
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


@contextlib.contextmanager
def background_load() -> Iterator[dict[str, float | None]]:
    """Around a measurement: the load that other programs put on the processors meanwhile. The dict
    that is yielded is filled at the end.

    `wall_seconds`, and `share_of_others`: processor time that is not this process' own, nor that of
    processes which it started and saw end, over wall seconds times cores, 0 to 1; None where the
    system does not tell.
    """
    record: dict[str, float | None] = {}
    started, own, busy = time.perf_counter(), sum(os.times()[:4]), busy_seconds()
    yield record
    wall, own, busy = (
        time.perf_counter() - started,
        sum(os.times()[:4]) - own,
        busy_seconds() - busy,
    )
    share = max(0.0, busy - own) / (wall * (os.cpu_count() or 1))
    record |= {
        "wall_seconds": round(wall, 1),
        "share_of_others": None if math.isnan(share) else round(min(share, 1.0), 3),
    }
