"""The Xception paper (Chollet, 2016), made movable.

    import xception_edu as xe

    xe.segments_explorer()                                   # the slider, in a notebook
    xe.total(xe.architectures.xception()).params             # counted by hand: no torch is loaded
    xe.measured_cost(xe.xception(), (3, 299, 299)).params    # counted by machine

To read the library, begin at its top, in this order: `paper`, `specs`, `configs`, `architectures`,
`costs` (counted by hand, standard library only); `layers`, `equivalence`, `xception`,
`inception_v3`, `vgg` (torch); `measure`, where the two countings meet. The rooms behind them:
`data`, `recipes`, `training`, `weights`, `benchmark`, `plots`, `explorers`, `exercises`.

Importing the package loads nothing: a name of `__all__` is found on its first use.
"""

import sys
from importlib import import_module
from types import ModuleType

__version__ = "0.1.0"

# Every public name, by the module that has it. `__init__.pyi` says the same to type checkers.
_NAMES = {
    "benchmark.command": "run_benchmark",
    "benchmark.devices": "pick_device",
    "benchmark.peaks": "measure_roofline",
    "benchmark.records": (
        "describe_machine maps_of measured_at over_segments read_record times_as_fast"
    ),
    "benchmark.remeasure": "measure_segments",
    "benchmark.timing": "alternate latency peak_memory ratio",
    "commands.questions": "question",
    "configs": "InceptionV3Config ModuleConfig VGGConfig XceptionConfig",
    "costs": "Cost block_diagonal_weights cost_of total",
    "data.augment": "augment prepare",
    "data.builtin": "load_photograph write_photographs",
    "data.load": "load_dataset",
    "equivalence": (
        "composed_weight nearest_separable regroup segments_to_grouped swapped towers_to_segments"
    ),
    "exercises": "check guess hint progress solution",
    "explorers": (
        "budget_explorer kernel_explorer kernels_explorer order_explorer playback_explorer "
        "roofline_explorer segments_explorer separability_explorer swap_explorer "
        "sweep_explorer towers_explorer walk_explorer"
    ),
    "explorers.engine.language": "language",
    "explorers.kernel_layers": "published_kernels published_patterns",
    "explorers.kernel_patterns": "find_patterns match_patterns separable_share",
    "inception_v3": "InceptionV3 inception_v3",
    "layers": (
        "ExtremeInception ReformulatedInception SegmentedInception SeparableConv2d "
        "SimplifiedInception SpatiallySeparableConv2d segmented_module"
    ),
    "measure": "measured_cost measured_layers operator_calls stage_shapes traced",
    "plots.gpu_charts": "shares_by_kind times_of",
    "plots.measured_charts": "gains_of_half_precision time_by_kind",
    "plots.pictures": "show show_images show_lines",
    "recipes": "CIFAR10 DIGITS FINETUNE IMAGENET IMAGENET_MODERN JFT PHOTOS RECIPES",
    "recipes.recipe": "Recipe",
    "recipes.schedule": "learning_rate rate_rule",
    "segmented_conv": "PointwiseConv2d SegmentedConv2d",
    "specs": (
        "ActivationSpec AddSpec BatchNormSpec ConvSpec LinearSpec PoolSpec Shape kind segment_sizes"
    ),
    "training.checkpoints": "load_newest",
    "training.evaluate": "evaluate trained_model",
    "training.parallel": "launch",
    "training.run_folder": "read_metrics",
    "training.scaling": "Cluster ring_all_reduce_bytes",
    "training.steps": "loss_of make_model make_optimizer train_step training_batch",
    "training.sweep.findings": "findings verdict",
    "training.sweep.plan": "Plan read_plan recipe_of with_points",
    "training.sweep.statistics": "detectable holm interval p_value power",
    "training.train": "train",
    "vgg": "VGG vgg",
    "weights": "fold_batchnorm import_weights load_pretrained save_weights",
    "weights.export": "export_onnx",
    "weights.feature_maps": "feature_maps strongest",
    "weights.finetune": "finetune",
    "weights.predict": "class_names predict preprocess",
    "xception": "DownsamplingBlock MiddleFlowBlock SeparableConvBN Xception max_pool xception",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}
# Modules that are used by their own name, as `xe.architectures.xception()`.
_MODULES = ("architectures", "costs", "paper", "recipes")

__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str) -> object:
    """A public name, from the module that has it, loaded now."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    # `obj=None`, or Python would add a suggestion of its own to ours, which notebooks show too
    raise AttributeError(_unknown(name), name=name, obj=None)


def _unknown(name: str) -> str:
    from difflib import get_close_matches  # only here: it takes longer than the whole face

    close = get_close_matches(name, __all__, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"module {__name__!r} has no attribute {name!r}{hint}"


def __dir__() -> list[str]:
    """What tab completion offers."""
    return sorted({*globals(), *__all__})


class _Face(ModuleType):
    """The package as a module that keeps its functions: `xe.xception`, `xe.inception_v3` and
    `xe.vgg` are named like the modules that have them.

    Python binds each module that is imported to its package, under its name. That would hide these
    functions, as soon as anything has imported their modules.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
