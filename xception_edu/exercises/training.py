"""Exercises of notebook 7: steps, schedules, losses, and which images may choose."""

import torch
from torch.nn import functional as F
from torch.optim.sgd import sgd

from xception_edu.exercises import draws
from xception_edu.exercises.exercise import Exercise, Misconception
from xception_edu.exercises.same import kind_of


def _sgd_step(w, v, g, rate, momentum):
    """Torch's own SGD, from a velocity v; as a function, which does not load the compiler."""
    weight, velocity = w.clone(), v.clone()
    sgd(
        [weight],
        [g],
        [velocity],
        lr=rate,
        momentum=momentum,
        weight_decay=0.0,
        dampening=0.0,
        nesterov=False,
        maximize=False,
        foreach=False,
    )
    return weight, velocity


def _schedule(epoch):
    """The paper's staircase, factor by factor."""
    rate = 0.045
    for _ in range(2, int(epoch) + 1, 2):
        rate *= 0.94
    return rate


def _state_and_rates(g):
    """A weight, its velocity and gradient, a learning rate and a momentum."""
    shape = draws.integers(g, 2, 1, 5)
    return *draws.tensors(g, shape, shape, shape), *draws.numbers(g, 2, 0.1, 0.95)


def _weights_and_decay(g):
    """An average, a weight and a decay."""
    shape = draws.integers(g, 2, 1, 5)
    return *draws.tensors(g, shape, shape), draws.number(g, 0.55, 0.99)


def _average(average, weight, decay):
    return torch.lerp(weight, average, decay)


SAME_WORD = {"training": "train", "val": "validation", "valid": "validation"}
# What chooses and what is reported, and the misconception behind it; None: right.
CHOICES = {
    ("validation", "test"): None,
    ("test", "test"): "test set used for choosing",
    ("train", "test"): "training images choose",
    ("validation", "validation"): "chosen and reported on the same",
    ("test", "validation"): "the two turned around",
    ("train", "validation"): "chosen on training images, reported on validation images",
    ("validation", "train"): "training images reported",
    ("train", "train"): "training images for both",
    ("test", "train"): "the test set spent, training images reported",
}


def _chosen(answer, g):
    """Which misconception a pair of words stands for, however they are capitalized."""
    if kind_of(answer) != "a list or tuple" or [kind_of(word) for word in answer] != ["a text"] * 2:
        return 'Answer with two words, as in `("train", "test")`.'
    words = [word.strip().lower() for word in answer]
    pair = tuple(SAME_WORD.get(word, word) for word in words)
    if pair not in CHOICES:
        return "Both words must be one of `train`, `validation`, `test`."
    return CHOICES[pair]


EXERCISES = (
    Exercise(
        name="07-chance",
        title="The loss of a network that knows nothing",
        task="Which cross-entropy loss has a network that gives each of `classes` classes the same"
        " probability?",
        stub="import math\n\n\ndef loss(classes):\n    return ...",
        answer="loss",
        cases=lambda g: [(10,), *draws.several(g, lambda g: draws.integers(g, 1, 2, 2000))],
        reference=lambda c: F.cross_entropy(
            torch.zeros(1, c), torch.zeros(1, dtype=torch.long)
        ).item(),
        environment=("import math", "import torch"),
        hints=(
            "the loss is minus the logarithm of the probability of the right class.",
            "that probability is 1 / classes.",
        ),
        solutions=(
            "def loss(classes):\n    return math.log(classes)",
            "def loss(classes):\n    return -math.log(1 / classes)",
        ),
        reason=(
            "ln(10) is 2.30: a first loss far above it says that something is wrong at the start."
        ),
        misconceptions=(
            Misconception(
                name="the share that is wrong",
                code="def loss(c):\n    return 1 - 1 / c",
                says=(
                    "This is the share of wrong guesses. The loss is minus the logarithm of the"
                    " right class' probability."
                ),
            ),
            Misconception(
                name="bits for nats",
                code="def loss(c):\n    return math.log2(c)",
                says="This is in bits, with the logarithm to base 2. torch's loss takes the natural"
                " one.",
            ),
            Misconception(
                name="the probability itself",
                code="def loss(c):\n    return 1 / c",
                says="This is the probability of the right class; the loss is minus its logarithm.",
            ),
            Misconception(
                name="base 10",
                code="def loss(c):\n    return math.log10(c)",
                says="This is the logarithm to base 10. The loss takes the natural one.",
            ),
            Misconception(
                name="the sign turned around",
                code="def loss(c):\n    return -math.log(c)",
                says=(
                    "The logarithm of a probability is negative, and the loss is *minus* that: a"
                    " loss is never below zero."
                ),
            ),
            Misconception(
                name="summed over classes",
                code="def loss(c):\n    return c * math.log(c)",
                says=(
                    "This adds one term for each class. Only the right class counts, with its one"
                    " term."
                ),
            ),
        ),
    ),
    Exercise(
        name="07-schedule",
        title="The paper's learning rate",
        task="0.045, times 0.94 every two epochs (Section 4.2). Write the rate after `epoch` whole"
        " epochs.",
        stub="def rate(epoch):\n    return ...",
        answer="rate",
        cases=lambda g: [
            (0,),
            (1,),
            (2,),
            *draws.several(g, lambda g: draws.integers(g, 1, 3, 80)),
        ],
        reference=_schedule,
        hints=(
            "how many factors have come after 3 epochs?",
            "`//` divides and rounds down.",
        ),
        solutions=(
            "def rate(epoch):\n    return 0.045 * 0.94 ** (epoch // 2)",
            "def rate(epoch):\n"
            "    value = 0.045\n"
            "    for passed in range(1, epoch + 1):\n"
            "        if passed % 2 == 0:\n"
            "            value *= 0.94\n"
            "    return value",
        ),
        reason="A staircase: the rate stays for two epochs, then falls by 6 %.",
        misconceptions=(
            Misconception(
                name="every epoch",
                code="def rate(e):\n    return 0.045 * 0.94**e",
                says="This falls every epoch: after forty epochs it is less than a third of the"
                " paper's.",
            ),
            Misconception(
                name="smooth for stairs",
                code="def rate(e):\n    return 0.045 * 0.94 ** (e / 2)",
                says="This falls smoothly. The paper's rate stays the same for two epochs.",
            ),
            Misconception(
                name="subtracted",
                code="def rate(e):\n    return 0.045 * (1 - 0.06 * (e // 2))",
                says=(
                    "This subtracts the same amount every time, and falls below zero. Each"
                    " interval *multiplies*."
                ),
            ),
            Misconception(
                name="one factor too early",
                code="def rate(e):\n    return 0.045 * 0.94 ** ((e + 1) // 2)",
                says="The first factor comes after two epochs, not after one.",
            ),
            Misconception(
                name="the start left out",
                code="def rate(e):\n    return 0.94 ** (e // 2)",
                says=(
                    "This is the factor since the start. It multiplies the rate of the start,"
                    " 0.045."
                ),
            ),
            Misconception(
                name="6 % kept for 6 % lost",
                code="def rate(e):\n    return 0.045 * 0.06 ** (e // 2)",
                says="This keeps 6 % each time. The rate *loses* 6 %, and keeps 94.",
            ),
            Misconception(
                name="rounded to the nearest",
                code="def rate(e):\n    return 0.045 * 0.94 ** round(e / 2)",
                says=(
                    "This rounds to the nearest whole number of intervals. Only those that are"
                    " *over* count: round down."
                ),
            ),
        ),
    ),
    Exercise(
        name="07-momentum",
        title="One step with momentum",
        task=(
            "Write a step of SGD as torch takes it, for a weight, its velocity (the momentum"
            " buffer) and its gradient. Return the new weight and the new velocity."
        ),
        stub="def step(weight, velocity, gradient, rate, momentum):\n    return ...",
        answer="step",
        cases=lambda g: draws.several(g, _state_and_rates),
        reference=_sgd_step,
        hints=(
            "first the velocity: what stays of the old one, and what comes?",
            "torch adds the whole gradient; the weight then moves *against* the new velocity.",
        ),
        solutions=(
            "def step(weight, velocity, gradient, rate, momentum):\n"
            "    velocity = momentum * velocity + gradient\n"
            "    return weight - rate * velocity, velocity",
            "def step(weight, velocity, gradient, rate, momentum):\n"
            "    velocity = gradient.add(velocity, alpha=momentum)\n"
            "    return weight.sub(velocity, alpha=rate), velocity",
        ),
        reason=(
            "The velocity remembers earlier gradients, each step a little less; the weight follows"
            " it downhill."
        ),
        misconceptions=(
            Misconception(
                name="uphill",
                code="def step(w, v, g, r, m):\n    v = m * v + g\n    return w + r * v, v",
                says="This adds the velocity, and climbs. The gradient points uphill: the step goes"
                " against it.",
            ),
            Misconception(
                name="a mean for a sum",
                code=(
                    "def step(w, v, g, r, m):\n    v = m * v + (1 - m) * g\n    return w - r * v, v"
                ),
                says=(
                    "This takes (1 - momentum) of the gradient, as Adam's mean does. torch's SGD"
                    " adds all of it."
                ),
            ),
            Misconception(
                name="the old velocity",
                code="def step(w, v, g, r, m):\n    return w - r * v, m * v + g",
                says="The weight moves by the old velocity here. The new one is made first.",
            ),
            Misconception(
                name="momentum left out",
                code="def step(w, v, g, r, m):\n    return w - r * g, m * v + g",
                says="The weight follows the gradient alone: the velocity is kept, but not used.",
            ),
            Misconception(
                name="the rate in the velocity",
                code="def step(w, v, g, r, m):\n    v = m * v - r * g\n    return w + v, v",
                says=(
                    "Here the velocity holds the rate, as Keras has it. In torch the velocity is"
                    " of gradients alone, and the rate comes when the weight moves: that differs as"
                    " soon as the rate changes."
                ),
            ),
            Misconception(
                name="the rate in the velocity, subtracted",
                code="def step(w, v, g, r, m):\n    v = m * v + r * g\n    return w - v, v",
                says=(
                    "Here the velocity holds the rate. In torch it is of gradients alone, and the"
                    " rate comes when the weight moves: that differs as soon as the rate changes."
                ),
            ),
            Misconception(
                name="Nesterov's step",
                code=(
                    "def step(w, v, g, r, m):\n    v = m * v + g\n    return w - r * (m * v + g), v"
                ),
                says=(
                    "This looks ahead, as Nesterov's step does (`nesterov=True`). The plain one"
                    " moves by the velocity itself."
                ),
            ),
            Misconception(
                name="nothing forgotten",
                code="def step(w, v, g, r, m):\n    v = v + g\n    return w - r * v, v",
                says=(
                    "The old velocity stays whole here, so that it grows without end. Momentum is"
                    " the share of it that stays."
                ),
            ),
            Misconception(
                name="velocity first",
                code="def step(w, v, g, r, m):\n    v = m * v + g\n    return v, w - r * v",
                says=(
                    "Both are right, in the other order: the new weight comes first, then the"
                    " velocity."
                ),
            ),
            Misconception(
                name="one result of two",
                code="def step(w, v, g, r, m):\n    return w - r * (m * v + g)",
                says=(
                    "The weight is right. Return the new velocity beside it: the next step needs"
                    " it."
                ),
            ),
        ),
    ),
    Exercise(
        name="07-average",
        title="Averaged weights",
        task=(
            "Polyak averaging keeps an average of the weights, which is evaluated. Write its"
            " update after a step, with a decay such as 0.99."
        ),
        stub="def update(average, weight, decay):\n    return ...",
        answer="update",
        cases=lambda g: draws.several(g, _weights_and_decay),
        reference=_average,
        hints=(
            "with a decay of 0.99, is the average mostly its old value or the new weight?",
            "the two shares add up to 1.",
        ),
        solutions=(
            "def update(average, weight, decay):\n"
            "    return decay * average + (1 - decay) * weight",
            "def update(average, weight, decay):\n"
            "    return average + (1 - decay) * (weight - average)",
        ),
        reason="A large decay looks far back: 0.99 is a mean over about a hundred steps.",
        misconceptions=(
            Misconception(
                name="shares swapped",
                code="def update(a, w, d):\n    return (1 - d) * a + d * w",
                says="The shares are swapped: a decay of 0.99 keeps 99 % of the *average*.",
            ),
            Misconception(
                name="decay for weight decay",
                code="def update(a, w, d):\n    return d * w",
                says="This shrinks the weight. The decay of an average says how slowly it forgets.",
            ),
            Misconception(
                name="plain mean",
                code="def update(a, w, d):\n    return (a + w) / 2",
                says="This takes half of each, whatever the decay.",
            ),
            Misconception(
                name="shares that do not add up",
                code="def update(a, w, d):\n    return d * a + w",
                says="The shares add up to more than one, so that the average grows without end.",
            ),
            Misconception(
                name="the new weight left out",
                code="def update(a, w, d):\n    return d * a",
                says=(
                    "The average only shrinks here. What it gives up, 1 - decay, is the new"
                    " weight's share."
                ),
            ),
            Misconception(
                name="the old average left out",
                code="def update(a, w, d):\n    return (1 - d) * w",
                says="This is the new weight's share alone: nothing of the average so far is kept.",
            ),
        ),
    ),
    Exercise(
        name="07-choose",
        title="Which images may choose?",
        task="You train with three learning rates, and want to report how good the best is. Which"
        " images choose the rate, and which are reported? Answer with two of `train`, `validation`,"
        ' `test`, in this order, as in `("train", "test")`.',
        stub="answer = ...",
        answer="answer",
        judge=_chosen,
        hints=(
            "a number that was used to choose is too good.",
            "images that chose nothing and taught nothing are the honest ones.",
        ),
        solutions=('answer = ("validation", "test")', 'answer = ["validation", "test"]'),
        reason="The best of three on a set is partly luck on that set; only images that nobody has"
        " looked at tell the truth.",
        misconceptions=(
            Misconception(
                name="test set used for choosing",
                code='answer = ("test", "test")',
                says="The test images have chosen the rate here, so that their number is too good."
                " Choose on validation images.",
            ),
            Misconception(
                name="training images choose",
                code='answer = ("train", "test")',
                says="On training images the rate wins that learns them by heart. Choose on images"
                " that are not trained on.",
            ),
            Misconception(
                name="chosen and reported on the same",
                code='answer = ("validation", "validation")',
                says="What chose is not fit to be reported: of three tries it is the luckiest.",
            ),
            Misconception(
                name="the two turned around",
                code='answer = ("test", "validation")',
                says=(
                    "It is the other way around: choosing may use up the validation images, so"
                    " that the test images stay untouched for the report."
                ),
            ),
            Misconception(
                name="chosen on training images, reported on validation images",
                code='answer = ("train", "validation")',
                says=(
                    "On training images the rate wins that learns them by heart. The validation"
                    " images are there to choose with."
                ),
            ),
            Misconception(
                name="training images reported",
                code='answer = ("validation", "train")',
                says=(
                    "The network has seen the training images: their number says how well it"
                    " remembers, not how good it is."
                ),
            ),
            Misconception(
                name="training images for both",
                code='answer = ("train", "train")',
                says=(
                    "The network has seen these images. They neither tell which rate is best for"
                    " new ones nor how good it is."
                ),
            ),
            Misconception(
                name="the test set spent, training images reported",
                code='answer = ("test", "train")',
                says=(
                    "The test images have chosen here, and what is reported was learned by heart:"
                    " neither number is honest."
                ),
            ),
        ),
    ),
)
