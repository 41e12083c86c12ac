"""Exercises of notebook 6 in reading critically: sentences about the paper that slip."""

from collections.abc import Iterable
from typing import Any

import torch

from xception_edu import paper
from xception_edu.exercises.exercise import Exercise, Misconception, Unfilled, is_stub
from xception_edu.exercises.same import kind_of

SENTENCES = {
    "a": "For ImageNet the paper trained on 80 K80 GPUs.",
    "b": "Xception has 36 convolutional layers in 14 modules.",
    "c": "Xception and Inception V3 have exactly the same number of parameters.",
    "d": "Of ImageNet's validation images, Xception names 79.0 % at first guess, Inception V3"
    " 78.2 %.",
    "e": "A depthwise separable convolution has a ReLU between its two steps, as an Inception"
    " module has.",
    "f": "All of Xception's modules have a residual connection.",
    "g": "Relatively, Xception gains more over Inception V3 on JFT than on ImageNet.",
    "h": "An activation between the two steps of a separable convolution made Xception worse.",
}
# Slips, the most telling first, and what is believed by who overlooks each.
SLIPS = {
    "e": "a ReLU in every separable convolution",
    "f": "residual connections everywhere",
    "c": "the same size to the last parameter",
    "a": "a number with a unit believed",
}
SIZES = paper.IMAGENET_SIZE


def _fewer() -> float:
    """Percent of Inception V3's parameters that Xception does without, by Table 3."""
    return 100 * (1 - SIZES["Xception"].params / SIZES["Inception V3"].params)


def _letters(answer: Any) -> set[str] | None:
    """The sentences that an answer names, as a text or a list; None where it is neither."""
    if kind_of(answer) not in ("a text", "a list or tuple") and not isinstance(answer, set):
        return None
    letters = [one for one in answer if one not in (" ", ",")]
    known = all(isinstance(one, str) and one in SENTENCES for one in letters)
    return set(letters) if letters and known else None


def _slips(answer: Any, g: torch.Generator) -> str | None:
    """Whether these are the sentences that slip."""
    letters = _letters(answer)
    if letters is None:
        return 'What is asked for are letters from a to h, such as "bd".'
    if letters == set(SENTENCES):
        return "the paper doubted, too"
    held = ", ".join(sorted(letters - set(SLIPS)))
    if held:
        return f"The paper does say {held}. Look for its section or table before you call it wrong."
    return next((name for letter, name in SLIPS.items() if letter not in letters), None)


def _corrected(answer: Any, g: torch.Generator) -> str | None:
    """Whether four numbers correct the sentences that slip, or what is believed."""
    if kind_of(answer) != "a list or tuple" or len(answer) != 4:
        return "What is asked for is a list of four numbers."
    if any(is_stub(value) for value in answer):
        raise Unfilled
    if any(kind_of(value) != "a number" for value in answer):
        return "What is asked for is a list of four numbers."
    beliefs = (_about_gpus, _about_parameters, _about_activations, _about_skips)
    found = [belief(value) for belief, value in zip(beliefs, answer, strict=True)]
    return next(_wrong(found), None)


def _wrong(found: Iterable[str | None]) -> Iterable[str]:
    return (one for one in found if one is not None)


def _about_gpus(value: float) -> str | None:
    if value == paper.GPUS:
        return None
    return "a number with a unit believed" if value == 80 else "The first number is not the GPUs'."


def _about_parameters(value: float) -> str | None:
    fewer, more_work = _fewer(), 46
    if abs(value - fewer) < 0.1:
        return None
    if abs(value) < 0.01:
        return "the same size to the last parameter"
    if abs(value - fewer / 100) < 0.001:
        return "a share for percent"
    if abs(value - more_work) < 1:
        return "MACs for parameters"
    return "The second number is not the percent: see the parameters of Table 3."


def _about_activations(value: float) -> str | None:
    if value == 0:
        return None
    return "a ReLU in every separable convolution"


def _about_skips(value: float) -> str | None:
    right = paper.MODULES - paper.RESIDUAL_MODULES
    if value == right:
        return None
    if value == 0:
        return "residual connections everywhere"
    if value == paper.RESIDUAL_MODULES:
        return "with for without"
    return "The last number is not the modules': follow the arrows of Figure 5."


EXERCISES = (
    Exercise(
        name="06-slips",
        title="Read critically: four sentences slip",
        task=(
            "Sentences about the paper, as reviews have them. Four of the eight say what the paper"
            " does not. Which? Give their letters in a text, as in"
            ' `"bd"`; the order does not matter.\n\n'
        )
        + "\n".join(f"* **{letter}**: {text}" for letter, text in SENTENCES.items()),
        stub="slips = ...",
        answer="slips",
        judge=_slips,
        hints=(
            "two of them hardly fit together: if one is true, why would the other be so?",
            "count twice: GPUs in Section 4.4, parameters in Table 3, residual connections in"
            " Figure 5.",
        ),
        solutions=('slips = "acef"', 'slips = ["a", "c", "e", "f"]'),
        reason=(
            "60 GPUs; 3.3 % fewer parameters; no activation between the steps; and the first and"
            " the last module have no skip. Two careful reviews had one or two of these each."
        ),
        misconceptions=(
            Misconception(
                name="a ReLU in every separable convolution",
                code='slips = "acf"',
                says="One slips through: Inception has a ReLU after both steps, a depthwise"
                " separable convolution none between. Section 1.2 names it as a difference, and 4.7"
                " tries it.",
            ),
            Misconception(
                name="residual connections everywhere",
                code='slips = "ace"',
                says="One slips through: a figure with many skips is remembered as one with only"
                " skips. The first and the last module have none.",
            ),
            Misconception(
                name="the same size to the last parameter",
                code='slips = "aef"',
                says="One slips through: the paper says *nearly* the same number, and Table 3 has"
                " both. They differ by 3.3 %.",
            ),
            Misconception(
                name="a number with a unit believed",
                code='slips = "cef"',
                says="One slips through: nothing gives a wrong number away but the source. Section"
                " 4.4 has 60 GPUs.",
            ),
            Misconception(
                name="the paper doubted, too",
                code='slips = "abcdefgh"',
                says="These are all. Doubt is cheap; look each up: half of them stand in the paper"
                " as they are here.",
            ),
        ),
    ),
    Exercise(
        name="06-corrected",
        title="Correct them",
        task=(
            "Now say what is right: with how many GPUs did the paper train for ImageNet? How many"
            " percent fewer parameters than Inception V3 has Xception in Table 3? How many"
            " activations lie between the two steps of its separable convolutions? How many of the"
            " 14 modules have *no* residual connection?"
        ),
        stub=(
            "facts = [\n"
            "    ...,  # GPUs\n"
            "    ...,  # percent fewer parameters\n"
            "    ...,  # activations between the two steps\n"
            "    ...,  # modules without a residual connection\n"
            "]"
        ),
        answer="facts",
        judge=_corrected,
        hints=(
            "`xe.paper` has Table 3 as `IMAGENET_SIZE`, and counts the modules.",
            "percent fewer: 100 × (1 − one over the other); which is the larger?",
        ),
        solutions=(
            "facts = [60, 3.3, 0, 2]",
            "sizes = xe.paper.IMAGENET_SIZE\n"
            'share = sizes["Xception"].params / sizes["Inception V3"].params\n'
            "without = xe.paper.MODULES - xe.paper.RESIDUAL_MODULES\n"
            "facts = (60, 100 * (1 - share), 0, without)",
        ),
        reason=(
            "Each takes a minute with the paper at hand. A review that you write deserves it, too."
        ),
        misconceptions=(
            Misconception(
                name="a number with a unit believed",
                code="facts = [80, 3.3, 0, 2]",
                says="80 is the review's number. Section 4.4: 60 K80, each way of training.",
            ),
            Misconception(
                name="the same size to the last parameter",
                code="facts = [60, 0, 0, 2]",
                says="They are not equal: Table 3 has 22,855,952 and 23,626,728.",
            ),
            Misconception(
                name="a share for percent",
                code="facts = [60, 0.0326, 0, 2]",
                says="This is a share of 1. Percent are a hundred times as many.",
            ),
            Misconception(
                name="MACs for parameters",
                code="facts = [60, 46, 0, 2]",
                says="46 % is by how much its *MACs* exceed Inception V3's. Parameters are asked"
                " for, of which it has fewer.",
            ),
            Misconception(
                name="a ReLU in every separable convolution",
                code="facts = [60, 3.3, 1, 2]",
                says="None lies between: Section 4.7 finds that one there makes it worse.",
            ),
            Misconception(
                name="residual connections everywhere",
                code="facts = [60, 3.3, 0, 0]",
                says="Not all have one: follow the arrows past the first and the last module in"
                " Figure 5.",
            ),
            Misconception(
                name="with for without",
                code="facts = [60, 3.3, 0, 12]",
                says="12 modules *have* a residual connection. Those without are the other two.",
            ),
        ),
    ),
)
