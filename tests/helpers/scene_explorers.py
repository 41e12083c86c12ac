"""Every explorer with scenes by the name of its function, with the arguments that it cannot do
without.
"""

SCENE_EXPLORERS = {
    "budget_explorer": {},
    "kernel_explorer": {},
    "kernels_explorer": {},
    "order_explorer": {},
    "playback_explorer": {},
    "roofline_explorer": {},
    "separability_explorer": {},
    "swap_explorer": {},
    "sweep_explorer": {},
    "towers_explorer": {},
    "walk_explorer": {},
}
