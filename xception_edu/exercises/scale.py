"""Exercises of notebook 9: many workers, and what they send."""

from dataclasses import replace

import torch

from xception_edu.exercises import draws
from xception_edu.exercises.exercise import Exercise, Misconception
from xception_edu.recipes import DIGITS, peak_learning_rate
from xception_edu.training.scaling import ring_all_reduce_bytes


def _images_gpus_batch(g):
    """Images, GPUs, and images a GPU and step."""
    return draws.integer(g, 2000, 9999), draws.integer(g, 2, 60), draws.integer(g, 2, 32)


def _linear(rate, batch, reference):
    """What the library's own rule gives."""
    recipe = replace(
        DIGITS,
        learning_rate=rate,
        batch_size=batch,
        reference_batch_size=reference,
        lr_rule="linear",
    )
    return peak_learning_rate(recipe)


EXERCISES = (
    Exercise(
        name="09-ring",
        title="What a ring sends",
        task=(
            "`workers` GPUs average gradients of `size` bytes in a ring (all-reduce). How many"
            " bytes does each of them send?"
        ),
        stub="def sent(size, workers):\n    return ...",
        answer="sent",
        cases=lambda g: [
            (91_000_000, 60),
            *draws.several(g, lambda g: (draws.integer(g, 99, 10**6), draws.integer(g, 3, 80))),
        ],
        reference=lambda b, n: ring_all_reduce_bytes(b, n),
        hints=(
            "the gradient is cut into as many pieces as there are workers.",
            "each piece goes around twice: once to be added up, once to be told.",
        ),
        solutions=(
            "def sent(size, workers):\n    return 2 * (workers - 1) * size / workers",
            "def sent(size, workers):\n"
            "    piece = size / workers\n"
            "    return (workers - 1) * piece + (workers - 1) * piece",
        ),
        reason="Nearly twice the gradient, however many workers there are.",
        misconceptions=(
            Misconception(
                name="to everybody",
                code="def sent(b, n):\n    return (n - 1) * b",
                says=(
                    "This sends the whole gradient to every other worker. In a ring each sends"
                    " pieces to its neighbor."
                ),
            ),
            Misconception(
                name="once around",
                code="def sent(b, n):\n    return (n - 1) * b / n",
                says=(
                    "This is once around: then each sum is known to one worker only. They go"
                    " around again, to be told."
                ),
            ),
            Misconception(
                name="all workers together",
                code="def sent(b, n):\n    return 2 * (n - 1) * b",
                says="This is what all workers send together. One of them is asked for.",
            ),
            Misconception(
                name="the limit of very many",
                code="def sent(b, n):\n    return 2 * b",
                says=(
                    "That is what it comes near to with very many workers. Each piece is passed on"
                    " n - 1 times in each round, and the pieces are 1 / n of the whole."
                ),
            ),
            Misconception(
                name="one piece",
                code="def sent(b, n):\n    return b / n",
                says=(
                    "This is one piece. In each round a worker sends n - 1 of them, and there are"
                    " two rounds."
                ),
            ),
            Misconception(
                name="sent once",
                code="def sent(b, n):\n    return b",
                says=(
                    "This sends the gradients once, to one neighbor: then two workers know a sum,"
                    " and no one knows that of all."
                ),
            ),
        ),
    ),
    Exercise(
        name="09-steps",
        title="Steps in an epoch",
        task="`images` training images, `gpus` GPUs of `batch` images each and step, an incomplete"
        " last batch left out: how many steps has an epoch?",
        stub="def steps(images, gpus, batch):\n    return ...",
        answer="steps",
        cases=lambda g: [
            (1_281_167, 60, 32),
            (1000, 1, 32),
            *draws.several(g, _images_gpus_batch),
        ],
        reference=lambda n, g, b: len(torch.arange(n)[: n - n % (g * b) : g * b]),
        hints=("how many images does a step of all GPUs take?", "`//` leaves the rest out."),
        solutions=(
            "def steps(images, gpus, batch):\n    return images // (gpus * batch)",
            "def steps(images, gpus, batch):\n    return int(images / gpus / batch)",
        ),
        reason="More GPUs take fewer, larger steps through the same images.",
        misconceptions=(
            Misconception(
                name="one GPU's steps",
                code="def steps(n, g, b):\n    return n // b",
                says=(
                    "These are the steps of one GPU. Together they take gpus × batch images a step."
                ),
            ),
            Misconception(
                name="more GPUs, more steps",
                code="def steps(n, g, b):\n    return n // b * g",
                says="More GPUs do not make more steps: they share the images of each.",
            ),
            Misconception(
                name="rounded up",
                code="def steps(n, g, b):\n    return -(-n // (g * b))",
                says="This counts the incomplete last batch, which is left out.",
            ),
            Misconception(
                name="not a whole number",
                code="def steps(n, g, b):\n    return n / (g * b)",
                says="A step is whole. The incomplete last batch is left out: round down.",
            ),
            Misconception(
                name="one image a GPU",
                code="def steps(n, g, b):\n    return n // g",
                says="This gives each GPU one image a step. It takes `batch` of them.",
            ),
        ),
    ),
    Exercise(
        name="09-rate",
        title="A larger batch",
        task=(
            "A recipe is meant for `reference` images a step at `rate`. By the linear rule (Goyal"
            " et al. 2017), which learning rate is right for `batch` images?"
        ),
        stub="def scaled(rate, batch, reference):\n    return ...",
        answer="scaled",
        cases=lambda g: [
            (0.1, 1024, 256),
            *draws.several(g, lambda g: (draws.number(g, 0.01, 1), *draws.integers(g, 2, 1, 512))),
        ],
        reference=_linear,
        hints=("four times as many images: how many times fewer steps?", "rate per image stays."),
        solutions=(
            "def scaled(rate, batch, reference):\n    return rate * batch / reference",
            "def scaled(rate, batch, reference):\n    return batch * (rate / reference)",
        ),
        reason=(
            "A step of k times as many images stands for k small ones in nearly the same direction."
        ),
        misconceptions=(
            Misconception(
                name="left alone",
                code="def scaled(r, b, ref):\n    return r",
                says="This leaves the rate alone: a larger batch then takes fewer steps of the same"
                " length, and learns less.",
            ),
            Misconception(
                name="the square root",
                code="def scaled(r, b, ref):\n    return r * (b / ref) ** 0.5",
                says="This is the square-root rule, for optimizers that divide by the gradient's"
                " size. The linear one is asked for.",
            ),
            Misconception(
                name="turned around",
                code="def scaled(r, b, ref):\n    return r * ref / b",
                says="A larger batch gets a *higher* rate: it takes fewer steps.",
            ),
            Misconception(
                name="the reference left out",
                code="def scaled(r, b, ref):\n    return r * b",
                says=(
                    "This multiplies by all images of a step. What counts is how many times as"
                    " many they are as in the recipe."
                ),
            ),
            Misconception(
                name="only ever larger",
                code="def scaled(r, b, ref):\n    return r * max(1, b / ref)",
                says="A smaller batch gets a smaller rate: the rule holds in both directions.",
            ),
        ),
    ),
)
