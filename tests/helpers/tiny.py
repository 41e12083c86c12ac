"""The smallest run that has everything: two epochs of five steps on real digits at 8x8, by a tiny
network with dropout.
"""

from dataclasses import replace

from xception_edu.configs import XceptionConfig
from xception_edu.recipes import DIGITS

MODEL = XceptionConfig(
    num_classes=10,
    in_channels=1,
    entry_widths=(4, 4, 8),
    middle_blocks=0,
    exit_widths=(8, 8, 8),
    stem_stride=1,
    dropout=0.2,
)
TINY = replace(DIGITS, model=MODEL, image_size=8, batch_size=256, epochs=2)
TINY_FLAGS = [
    "--image-size",
    "8",
    "--batch-size",
    "256",
    "--epochs",
    "2",
    "--model.middle_blocks",
    "0",
]
TINY_FLAGS += ["--model.entry_widths", "[4,4,8]", "--model.exit-widths", "[8,8,8]"]
