"""A sweep of seconds: three networks of a few channels that learn digits."""

from xception_edu.training.sweep.plan import Plan

RECIPE = {
    "dataset": "digits",
    "image_size": 8,
    "model": {
        "in_channels": 1,
        "entry_widths": [4, 8, 8],
        "middle_blocks": 0,
        "exit_widths": [8, 8, 12],
        "stem_stride": 1,
    },
    "random_flip": False,
    "fill": "black",
    "random_shift": 1,
    "batch_size": 16,
    "reference_batch_size": 16,
    "epochs": 2,
    "steps_per_epoch": 3,
    "evaluate_every": 1,
    "polyak_decay": 0.5,
    "precision": "fp32",
    "threads": 1,
}
WORDS = {name: f"{name}, in words" for name in ("question", "test", "yes", "no", "undecided")}


def tiny_plan(**changed):
    """The plan; `changed` are other fields."""
    values = {
        "name": "tiny",
        **WORDS,
        "data": "digits",
        "points": [1, 4, "channels"],
        "reference": "channels",
        "ends": ["1", "channels"],
        "budget": "none",
        "recipe": RECIPE,
        "seeds": [0, 1],
        "rates": [0.05, 0.1],
        "rate_epochs": 1,
        "extensions": 0,
        "validation_images": 60,
    }
    return Plan.from_dict(values | changed)


def without_times(line):
    """A line of results less what another run of it measures otherwise."""
    return {key: value for key, value in line.items() if key != "measured"}
