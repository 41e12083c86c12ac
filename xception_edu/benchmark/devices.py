"""The device that runs a model, and what a GPU tells of itself: name, memory, utilization. Other
devices tell nothing.
"""

import subprocess

import torch

from xception_edu import checks


def name(device: torch.device) -> dict[str, str]:
    """The GPU's name, as "gpu"."""
    return {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}


def use(device: torch.device) -> dict[str, float]:
    """The GPU's peak memory since the last call, and its utilization over the last sampling period.

    "gpu_memory_gib" is what torch gave to tensors; the driver shows more, since torch keeps what is
    freed. "gpu_busy" is `utilization`, where that is known.
    """
    if device.type != "cuda":
        return {}
    memory = torch.cuda.max_memory_allocated(device) / 2**30
    torch.cuda.reset_peak_memory_stats(device)
    busy = utilization(device)
    return {"gpu_memory_gib": round(memory, 3)} | ({} if busy is None else {"gpu_busy": busy})


def utilization(device: torch.device) -> float | None:
    """Share of nvidia-smi's last sampling period, a second or less, in which any kernel ran; None
    where nvidia-smi does not say.

    It says nothing about how much of the GPU a kernel used: images a second times MACs an image do.
    """
    # nvidia-smi's numbers may mean other GPUs than torch's
    card = f"--id=GPU-{torch.cuda.get_device_properties(device).uuid}"
    command = ["nvidia-smi", card, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        return int(run.stdout) / 100
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def pick_device(device: str | torch.device | None = None) -> torch.device:
    """The device of that name, by default the accelerator that torch finds (CUDA, Apple's MPS,
    Intel's XPU), else the CPU. ValueError where no tensor can be made on it.
    """
    found = torch.accelerator.current_accelerator(check_available=True)
    if device is None:
        return found or torch.device("cpu")
    checks.instance("device", device, str | torch.device, "a device's name, such as 'cpu'")
    try:
        torch.empty(1, device=device)
        if torch.device(device).type == "meta":
            raise ValueError("it holds no values")
        return torch.device(device)
    except (RuntimeError, AssertionError, ValueError, NotImplementedError) as error:
        here = f"cpu, {found.type}" if found else "cpu"
        reason = str(error).partition("\n")[0].partition(". ")[0]
        right = f"one that is here ({here}): {reason[:120]}"
        raise checks.wrong("device", str(device), right) from None
