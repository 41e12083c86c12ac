"""Trained weights: read from anyone's files, written as ours, and used to predict."""

from xception_edu.weights.export import fold_batchnorm
from xception_edu.weights.load import (
    SOURCES,
    import_weights,
    load_pretrained,
    read_weights,
    save_weights,
    timm_state_dict,
)

__all__ = [
    "SOURCES",
    "fold_batchnorm",
    "import_weights",
    "load_pretrained",
    "read_weights",
    "save_weights",
    "timm_state_dict",
]
