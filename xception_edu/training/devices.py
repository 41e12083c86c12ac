"""The device that trains, and what a GPU gave: its name, memory, and how busy it was. Of other
devices nothing is said.
"""

import subprocess

import torch


def name(device: torch.device) -> dict[str, str]:
    """The GPU's name, as "gpu"."""
    return {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}


def use(device: torch.device) -> dict[str, float]:
    """The most GiB that tensors took since the last call, and the share of the last moments in
    which the GPU was busy.

    "gpu_memory_gib" is what torch gave out; the driver shows more, since torch keeps what is given
    back. "gpu_busy" is `utilization`, where that is known.
    """
    if device.type != "cuda":
        return {}
    memory = torch.cuda.max_memory_allocated(device) / 2**30
    torch.cuda.reset_peak_memory_stats(device)
    busy = utilization(device)
    return {"gpu_memory_gib": round(memory, 3)} | ({} if busy is None else {"gpu_busy": busy})


def utilization(device: torch.device) -> float | None:
    """Share of the last second or less in which any kernel ran, as nvidia-smi says; None where it
    does not.

    It says nothing about how much of the GPU a kernel used: images a second times MACs an image do.
    """
    # numbers may mean other GPUs there than here
    card = f"--id=GPU-{torch.cuda.get_device_properties(device).uuid}"
    command = ["nvidia-smi", card, "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    try:
        return (
            int(
                subprocess.run(
                    command, capture_output=True, text=True, timeout=10, check=True
                ).stdout
            )
            / 100
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def pick_device(device: str | None = None) -> torch.device:
    """The device of that name, by default the GPU if torch sees one; ValueError if there is none
    such.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
        if device == "meta":
            raise ValueError("it holds no values")
        return torch.device(device)
    except (RuntimeError, AssertionError, ValueError, NotImplementedError) as error:
        there = "cpu, cuda" if torch.cuda.is_available() else "cpu"
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ValueError(
            f"device is {device!r}, but must be one that is here ({there}): {reason}"
        ) from None
