"""Explorers: pictures that move in the notebook. Python counts every position once; the browser
only draws. Never torch.
"""

from xception_edu.explorers.budget import budget_explorer
from xception_edu.explorers.kernel import kernel_explorer
from xception_edu.explorers.kernels import kernels_explorer
from xception_edu.explorers.order import order_explorer
from xception_edu.explorers.playback import playback_explorer
from xception_edu.explorers.roofline import roofline_explorer
from xception_edu.explorers.segments import segments_explorer
from xception_edu.explorers.separability import separability_explorer
from xception_edu.explorers.swap import swap_explorer
from xception_edu.explorers.sweep import sweep_explorer
from xception_edu.explorers.towers import towers_explorer
from xception_edu.explorers.walk import walk_explorer

__all__ = [
    "budget_explorer",
    "kernel_explorer",
    "kernels_explorer",
    "order_explorer",
    "playback_explorer",
    "roofline_explorer",
    "segments_explorer",
    "separability_explorer",
    "swap_explorer",
    "sweep_explorer",
    "towers_explorer",
    "walk_explorer",
]
