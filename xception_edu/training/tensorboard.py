"""What TensorBoard draws while a run goes on (`tensorboard --logdir OUT`): the numbers of
metrics.jsonl, and more often.
"""

import importlib.util
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xception_edu import checks

# of loss and learning rate, so that the file stays small however long an epoch is
POINTS_AN_EPOCH = 50


def is_wanted(tensorboard: bool | None) -> bool:
    """Whether a run writes events: as it was asked to, or (None) if TensorBoard is installed.
    ValueError if it was asked to and cannot.
    """
    if tensorboard is None:
        return importlib.util.find_spec("tensorboard") is not None
    if checks.boolean("tensorboard", tensorboard):
        checks.extra("tensorboard", "tensorboard", "tensorboard=True")
    return bool(tensorboard)


class Events:
    """Curves in a run's folder; after a resume they go on where the run does. With `wanted` False
    nothing is written.
    """

    def __init__(self, out: Path, step: int, steps_an_epoch: int, *, wanted: bool = True):
        self.every = max(1, steps_an_epoch // POINTS_AN_EPOCH)
        self.writer: Any = None
        if wanted:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(
                str(out / "tensorboard"), purge_step=step + 1 if step else None
            )

    def step(self, step: int, loss: float, lr: float) -> None:
        """Loss and learning rate of the step with that number, if it is one to be shown."""
        if self.writer and step % self.every == 0:
            now = time.time()
            for name, value in (("step/loss", loss), ("step/lr", lr)):
                self.writer.add_scalar(name, value, step, now)

    def epoch(self, line: Mapping[str, float]) -> None:
        """All numbers of a line of metrics.jsonl, which are then on the disk."""
        if self.writer:
            for name, value in line.items():
                if name != "step":
                    self.writer.add_scalar(f"epoch/{name}", value, line["step"])
            self.writer.flush()

    def close(self) -> None:
        """Write what is left."""
        if self.writer:
            self.writer.close()
