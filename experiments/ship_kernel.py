"""Train a small network and keep one of its regular kernels, for explorers that show a trained one
without torch.

    python experiments/ship_kernel.py

Writes xception_edu/explorers/digits.safetensors: the second convolution of the `digits` network,
rounded to 16 bits, with the recipe, the step and the accuracy in its metadata. Another machine may
give other bits, and another accuracy in its last digit.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file

from xception_edu.training.checkpoints import load_newest

KERNEL = "conv2.weight"
PATH = pathlib.Path(__file__).parent.parent / "xception_edu" / "explorers" / "digits.safetensors"


def main() -> None:
    """Train, and write the kernel."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "xception_edu", "train", "--recipe", "digits", "--out", folder],
            check=True,
        )
        checkpoint = load_newest(pathlib.Path(folder) / "checkpoints")
        last = json.loads(
            (pathlib.Path(folder) / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
        )
    result = {"data": "digits", "step": last["step"], "top1": last["top1"]}
    notes = {"recipe": json.dumps(checkpoint.progress["recipe"]), "result": json.dumps(result)}
    weight = checkpoint.tensors[f"model.{KERNEL}"]
    save_file({KERNEL: weight.to(torch.float16)}, PATH, metadata=notes)
    print(f"{PATH.name}: {PATH.stat().st_size} bytes, of a network that reaches {last['top1']:.2%}")


if __name__ == "__main__":
    main()
