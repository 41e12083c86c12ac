"""What a line of metrics.jsonl says. Standard library only."""

from dataclasses import asdict, dataclass
from typing import Any

# what earlier versions called a key
OLD_KEYS = {"held_out_loss": "val_loss"}


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """One line of metrics.jsonl; a value of None is left out of it."""

    step: int  # steps done
    epoch: float  # epochs done: a fraction if the run was left in the middle of one
    loss: float  # in training: mean over the epoch's steps, with augmentation
    lr: float  # learning rate of the last step
    images_per_second: float  # in training: reading and augmentation are in it, validation is not
    gpu_memory_gib: float | None = None  # the most that tensors took in this epoch
    gpu_busy: float | None = None  # utilization over the last sampling period, 0 to 1
    top1: float | None = None  # shares of validation images, 0 to 1
    top5: float | None = None
    val_loss: float | None = None  # mean over the validation images, without label smoothing
    map100: float | None = None  # MAP@100, where images have several labels

    def to_dict(self) -> dict[str, Any]:
        """The object that is written: keys in this order, without those of value None."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def with_new_keys(line: dict[str, Any]) -> dict[str, Any]:
    """A line as it was read, with old keys under their new names."""
    return {OLD_KEYS.get(key, key): value for key, value in line.items()}
