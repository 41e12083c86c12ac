"""Every claim, number, table and figure of the paper, in its order, beside what was found here.

This is the one table that `claims.py` turns into results/CLAIMS.md. What the paper says is said in
other words. Numbers come from `xception_edu.paper`, from counting, or from results/*.json.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from xception_edu import architectures, paper
from xception_edu.architectures import InceptionV3Config
from xception_edu.benchmark import records
from xception_edu.costs import total
from xception_edu.plots.ablation_chart import DIALS, separable_less_regular
from xception_edu.plots.pieces import counted

Verdict = Literal["exact", "in small", "contradicted here", "not here"]
ACCURACY, MAP100, SIZE = paper.IMAGENET_ACCURACY, paper.JFT_MAP100, paper.IMAGENET_SIZE


class Claim(NamedTuple):
    """One claim: where it stands, what it says, what became of it here, and what shows that.

    `links` are files from the project's root; "FILE::NAME" is a test in it. A claim that is "not
    here" says why, and needs no link.
    """

    place: str
    says: str
    verdict: Verdict
    found: str | Callable[[], str]
    links: tuple[str, ...] = ()


ANSWERS = {"yes": "yes", "no": "no", "undecided": "not decided"}
BUDGETS = {"macs": "equal MACs", "step_time": "an equal time of a step"}  # beside equal parameters


# ---- what is found, in words with computed numbers -----------------------------------------------


def points(share: float) -> str:
    """A difference of shares in points of accuracy, with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def row_in_words(row: records.Record) -> str:
    """A comparison: mean difference, interval and Holm's p."""
    bounds = f"95 % interval {points(row['low'])} to {points(row['high'])}"
    return f"{points(row['mean'])} points ({bounds}, Holm's p {row['p_holm']:.2g})"


def open_question() -> str:
    """What the sweep at equal parameters supports, from as many seeds as there are."""
    record = records.read_record("sweep_spectrum_params")
    best = max(record["points"], key=lambda row: row["mean"])
    rows = [row for row in record["comparisons"] if row["point"] == best["point"]]
    against = "; ".join(f"from {in_words(row['end'])}: {row_in_words(row)}" for row in rows)
    answer = ANSWERS[record["verdict"]]
    return (
        f"At equal parameters on {record['data']}, {len(record['points'])} points, "
        f"{len(record['seeds'])} seeds. By the test that was written before the runs: **{answer}**."
        f" The highest mean is that of {in_words(best['point'])}"
        + (f"; {against}" if rows else "")
        + "".join(map(_at_equal, BUDGETS))
    )


def _at_equal(budget: str) -> str:
    """The answer at another budget, where there is one."""
    name = f"sweep_spectrum_{budget}"
    if not records.are_there(name):
        return ""
    record = records.read_record(name)
    count = len(record["points"])
    return f". At {BUDGETS[budget]}, {count} points: **{ANSWERS[record['verdict']]}**"


def in_words(point: str) -> str:
    """A point of the spectrum: "4 segments"."""
    if point == "channels":
        return "one segment per channel"
    return counted(int(point), "segment")


def in_small(name: str) -> str:
    """What the sweep of this name says of each change, and of all by the test of its plan."""
    record = records.read_record(f"sweep_{name}")
    rows = record["comparisons"]
    changes = "; ".join(f"{_change(row)} {row_in_words(row)}" for row in rows)
    answer = ANSWERS[record["verdict"]]
    return (
        f"On {record['data']}, {len(record['seeds'])} seeds, a learning rate for each network."
        f" {changes[0].upper()}{changes[1:]}. Asked before the runs: {record['plan']['question']}"
        f" **{answer}**"
    )


def _change(row: records.Record) -> str:
    """What is compared: one end of the spectrum with the other, or a change with no change."""
    if row["point"] in ("1", "channels"):
        return f"{in_words(row['point'])}, against {in_words(row['end'])}:"
    return f"{row['point']}, against the network as it is:"


def entangled() -> str:
    """How far the separable end is ahead, by the images."""
    found = []
    for name in DIALS:
        record = records.read_record(f"sweep_{name}")
        dial = record["plan"]["recipe"].get("entanglement", 0)
        found.append(f"{dial:g}: {row_in_words(separable_less_regular(record))}")
    return (
        "A hypothesis about images in general. On made images, from one shape times one color a"
        " class (0) to a shape of its own for each channel (1), the separable end less the regular"
        f" one at equal parameters: {'; '.join(found)}"
    )


def work() -> str:
    """MACs of both networks."""
    ours = total(architectures.xception()).macs
    theirs = total(architectures.inception_v3(InceptionV3Config())).macs
    return (
        f"Nearly as many parameters, but {ours:,} MACs against {theirs:,} at 299×299, "
        f"{ours / theirs:.2f} times: equal size is not equal work"
    )


def cifar10() -> str:
    """What a small Xception reaches."""
    record = records.read_record("train_cifar10")
    top1 = record["top1"]
    return (
        f"No ImageNet here. A small Xception reaches {top1['mean']:.1%} ± {top1['std']:.1%} on"
        f" {record['data']} ({len(record['seeds'])} seeds), which says nothing of ImageNet"
    )


def parity() -> str:
    """How near our networks are to published ports."""
    rows = records.read_record("parity")["parity"]
    worst = max(row["max_difference"] for row in rows if row["network"] == "xception")
    return f"Logits of other libraries' Xception with the same weights to {worst:.1g}"


def decay_of_jft() -> str:
    """What the printed schedule leaves after an epoch."""
    factor = 0.9 ** (350_000_000 // 3_000_000)
    return (
        f"Read literally, one epoch of 350 million images leaves {factor:.1g} of the rate: nothing"
        " would be learned in the second. The schedule is here as printed, and says so"
    )


def stale() -> str:
    """What gradient staleness does, measured."""
    record = records.read_record("stale_gradients")
    return (
        "The loop with late gradients is here, and its cost measured at staleness"
        f" {min(record['staleness'])} to {max(record['staleness'])}; 60 GPUs for a month are not"
    )


def relative_gain() -> str:
    """The quotients of Table 2."""
    with_fc = MAP100["Xception"].with_fc / MAP100["Inception V3"].with_fc - 1
    without = MAP100["Xception"].without_fc / MAP100["Inception V3"].without_fc - 1
    return (
        f"{with_fc:.1%} is the pair with fully connected layers; the pair without gives"
        f" {without:.2%}"
    )


# ---- the table -----------------------------------------------------------------------------------

NO_JFT = "JFT is Google's own, 350 million images: nobody else has it"
NO_IMAGENET = "a training on ImageNet takes GPUs for days; the recipe is here, and was not run"
XCEPTION = "tests/core/test_xception.py"
EQUIVALENCE = "tests/core/test_equivalence.py"
COSTS = "tests/core/test_costs.py"
RECIPES = "tests/recipes/test_recipes.py"
STEPS = "tests/training/test_steps.py"
SWEEP = "results/sweep_spectrum_params.json"

CLAIMS = (
    Claim(
        "Section 1.1, Figure 1",
        "A canonical Inception V3 module: towers of 1×1, 3×3 and pooling, concatenated",
        "exact",
        "Drawn from the built module; its layers are those of the figure",
        (
            "tests/core/test_drawn_from_networks.py::test_figure_1_drawn_from_a_built_module_is_the_figure_of_its_layers",
        ),
    ),
    Claim(
        "Section 1.1",
        "Cross-channel and spatial correlations are decoupled enough to be better mapped apart",
        "in small",
        entangled,
        ("results/sweep_entangled_0.json", "results/sweep_entangled_1.json"),
    ),
    Claim(
        "Figure 2",
        "The simplified module: towers of a 1×1 and a 3×3 each",
        "exact",
        "Built, and counted by hand and by machine",
        ("tests/core/test_counted_twice.py::test_the_towers_of_figure_2",),
    ),
    Claim(
        "Figure 3",
        "It is strictly equivalent to one 1×1 and 3×3 convolutions over segments of its output",
        "exact",
        "Output and gradient are equal for generated sizes; a fault in one weight is seen",
        (f"{EQUIVALENCE}::test_figure_2_is_figure_3_is_a_grouped_convolution",),
    ),
    Claim(
        "Section 1.1, Figure 4",
        "The extreme module: one 3×3 per output channel of the 1×1",
        "exact",
        "As many segments as channels",
        ("tests/core/test_layers.py::test_the_extreme_module_has_as_many_segments_as_channels",),
    ),
    Claim(
        "Section 1.2",
        "The order of the two operations is unimportant, because modules are stacked",
        "in small",
        lambda: (
            "For one module the order matters; a stack of extreme modules regroups into separable"
            " convolutions without a change, exactly. A short stack does not train alike:"
            f" {in_small('ablation_order')}"
        ),
        (
            "results/sweep_ablation_order.json",
            f"{EQUIVALENCE}::test_order_matters_for_one_module",
            f"{EQUIVALENCE}::test_a_stack_of_extreme_modules_regroups_into_separable_convolutions",
        ),
    ),
    Claim(
        "Section 1.2",
        "A separable convolution has no non-linearity between its two operations, Inception has",
        "exact",
        "None, unless asked for",
        ("tests/core/test_layers.py::test_an_activation_in_between_is_there_only_when_asked_for",),
    ),
    Claim(
        "Section 1.2",
        "A discrete spectrum of segments leads from regular convolutions to depthwise separable "
        f"ones; Inception has {' or '.join(map(str, paper.INCEPTION_SEGMENTS))} segments",
        "exact",
        "One layer for every number of segments, also where it does not divide the channels",
        (
            "tests/core/test_layers.py::test_the_two_ends_are_regular_and_depthwise",
            f"{COSTS}::test_one_segment_is_regular_and_a_segment_a_channel_is_depthwise",
        ),
    ),
    Claim(
        "Section 3",
        f"{paper.PLAIN_CONVOLUTIONS + paper.SEPARABLE_CONVOLUTIONS} convolutional layers in "
        f"{paper.MODULES} modules, residual around all but the first and the last",
        "exact",
        "Counted in the built network",
        (f"{XCEPTION}::test_the_network_has_the_layers_that_section_3_counts",),
    ),
    Claim(
        "Figure 5",
        "The architecture: entry, middle and exit flow, with its maps",
        "exact",
        lambda: f"Layers and sides are the figure's. {parity()}",
        (
            f"{XCEPTION}::test_feature_maps_have_the_sides_of_figure_5",
            "tests/core/test_drawn_from_networks.py::test_figure_5_drawn_from_the_built_network_is_figure_5",
            "results/parity.json",
        ),
    ),
    Claim(
        "Figure 5",
        "Batch normalization follows every convolution; no ReLU inside a separable convolution",
        "exact",
        "Both, with Keras' numbers",
        (f"{XCEPTION}::test_batch_normalization_is_that_of_keras",),
    ),
    Claim(
        "Section 4.1",
        "JFT: 350 million images of 17,000 classes; FastEval14k: 14,000 images, MAP@100",
        "in small",
        "The measure is here, held against a slow reference and scikit-learn; the images are not: "
        + NO_JFT,
        ("tests/training/test_metrics.py::test_average_precision_is_what_the_slow_reference_says",),
    ),
    Claim(
        "Section 4.2",
        "Optimization on ImageNet: SGD, momentum 0.9, 0.045, x 0.94 every 2 epochs",
        "exact",
        "The recipe `imagenet`; it was not run",
        (
            f"{RECIPES}::test_imagenet_is_what_sections_4_2_and_4_3_say",
            f"{RECIPES}::test_the_papers_imagenet_rate_is_0_045_times_0_94_every_2_epochs",
        ),
    ),
    Claim(
        "Section 4.2",
        "Optimization on JFT: RMSprop, momentum 0.9, 0.001, x 0.9 every 3,000,000 samples",
        "contradicted here",
        decay_of_jft,
        (f"{RECIPES}::test_the_papers_jft_rate_read_literally_is_gone_after_one_epoch",),
    ),
    Claim(
        "Section 4.2",
        "Polyak averaging at inference",
        "in small",
        lambda: in_small("ablation_training"),
        ("results/sweep_ablation_training.json", "experiments/plans/ablation_training.json"),
    ),
    Claim(
        "Section 4.3",
        f"Weight decay {paper.WEIGHT_DECAY['Inception V3']:g} for Inception V3 and "
        f"{paper.WEIGHT_DECAY['Xception']:g} for Xception",
        "exact",
        "Which of two meanings it has, the paper does not say; both are here",
        (f"{STEPS}::test_both_meanings_of_l2_are_what_they_say",),
    ),
    Claim(
        "Section 4.3",
        "Dropout 0.5 before the classifier on ImageNet, none on JFT; no auxiliary tower",
        "exact",
        "As the recipes have it",
        (f"{RECIPES}::test_imagenet_is_what_sections_4_2_and_4_3_say",),
    ),
    Claim(
        "Section 4.4",
        "60 K80 GPUs: ImageNet synchronously, 3 days each; JFT asynchronously, over a month",
        "in small",
        stale,
        ("results/stale_gradients.json", "notebooks/09_from_one_gpu_to_sixty.ipynb"),
    ),
    Claim(
        "Section 4.5.1, Table 1",
        f"ImageNet top-1 and top-5: Xception {ACCURACY['Xception'].top1:.3f}, "
        f"{ACCURACY['Xception'].top5:.3f}; Inception V3 {ACCURACY['Inception V3'].top1:.3f}, "
        f"{ACCURACY['Inception V3'].top5:.3f}; ResNet-152 and VGG-16 below",
        "not here",
        lambda: f"{NO_IMAGENET}. {cifar10()}",
        ("results/train_cifar10.json",),
    ),
    Claim(
        "Section 4.5.1, Table 1",
        "Modules of one segment per channel do better than Inception modules, of three or four "
        "towers, in networks of the same size",
        "in small",
        lambda: in_small("ablation_inception_like"),
        (
            "results/sweep_ablation_inception_like.json",
            "experiments/plans/ablation_inception_like.json",
        ),
    ),
    Claim(
        "Section 4.5.1, Figure 6",
        "The training profile on ImageNet: Xception is above Inception V3 all the way",
        "not here",
        NO_IMAGENET,
    ),
    Claim(
        "Section 4.5.1, Table 2",
        f"JFT, MAP@100: Xception {MAP100['Xception'].without_fc:.2f} and "
        f"{MAP100['Xception'].with_fc:.2f} with fully connected layers, Inception V3 "
        f"{MAP100['Inception V3'].without_fc:.2f} and {MAP100['Inception V3'].with_fc:.2f}",
        "not here",
        NO_JFT,
    ),
    Claim(
        "Section 4.5.1",
        "On JFT Xception is 4.3 % better, relatively",
        "exact",
        relative_gain,
        ("xception_edu/paper.py",),
    ),
    Claim(
        "Section 4.5.1, Figure 7",
        "The training profile on JFT without fully connected layers",
        "not here",
        NO_JFT,
    ),
    Claim(
        "Section 4.5.1, Figure 8",
        "The training profile on JFT with fully connected layers",
        "not here",
        NO_JFT,
    ),
    Claim(
        "Section 4.5.2, Table 3",
        f"Parameters: Xception {SIZE['Xception'].params:,}, Inception V3 "
        f"{SIZE['Inception V3'].params:,}",
        "exact",
        "Both, by hand and by machine; Inception V3's is that of the author's first Keras version, "
        "not of the standard graph",
        (
            f"{COSTS}::test_xception_has_the_published_number_of_parameters",
            "tests/core/test_inception_v3.py::test_published_parameter_counts_by_hand_and_by_machine",
        ),
    ),
    Claim(
        "Section 4.5.2",
        "Nearly as many parameters, so that a gain is not one of capacity",
        "exact",
        work,
        (
            "tests/core/test_inception_v3.py::test_xception_is_the_same_size_and_half_again_the_work",
        ),
    ),
    Claim(
        "Section 4.5.2, Table 3",
        f"Training steps a second on 60 K80: Xception {SIZE['Xception'].steps_per_second}, "
        f"Inception V3 {SIZE['Inception V3'].steps_per_second}",
        "not here",
        "no 60 K80; what a step on so many costs is worked out, and says that the numbers can "
        "hardly be of synchronous steps",
        ("notebooks/09_from_one_gpu_to_sixty.ipynb", "results/scaling.json"),
    ),
    Claim(
        "Section 4.5.2",
        "Both are expected to get faster with engineering of the depthwise convolution",
        "in small",
        "Times of every layer, on a CPU and on a GPU, beside the limits of both",
        ("results/layers.json", "results/gpu/layers.json"),
    ),
    Claim(
        "Section 4.6, Figure 9",
        "Without residual connections convergence is slower and ends lower; settings tuned for the "
        "other net may be unfair",
        "in small",
        lambda: in_small("ablation_residual"),
        ("results/sweep_ablation_residual.json", "experiments/plans/ablation_residual.json"),
    ),
    Claim(
        "Section 4.7, Figure 10",
        "An activation between depthwise and pointwise, ReLU or ELU, is worse than none",
        "in small",
        lambda: in_small("ablation_activation"),
        ("results/sweep_ablation_activation.json", "experiments/plans/ablation_activation.json"),
    ),
    Claim(
        "Section 5",
        "Whether intermediate points of the spectrum are better is left open",
        "in small",
        open_question,
        (SWEEP, "notebooks/13_the_open_question.ipynb", "experiments/plans/spectrum_params.json"),
    ),
    Claim(
        "Section 6",
        "Separable convolutions will become a cornerstone of architecture design",
        "not here",
        "a forecast; what became of it is history, not a measurement",
    ),
)
