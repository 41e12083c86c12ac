"""Every explorer with scenes by the name of its function, with the arguments that it cannot do without."""

SCENE_EXPLORERS = {
    "kernel_explorer": {},
    "separability_explorer": {},
    "walk_explorer": {},
}
