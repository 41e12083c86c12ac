"""Exercises of notebooks 12 and 13: your own photographs, and many seeds."""

import numpy as np
import scipy
from torch import nn

from xception_edu.exercises import draws
from xception_edu.exercises.exercise import Exercise, Misconception


def _confusion(g):
    """A confusion matrix none of whose classes is never guessed."""
    classes = draws.integer(g, 2, 5)
    return ([list(draws.integers(g, classes, 1, 30)) for _ in range(classes)],)


def _scores(g):
    """Accuracies, one a seed."""
    return (draws.numbers(g, draws.integer(g, 2, 8), 0.3, 0.9),)


def _p_values(g):
    """P-values of several comparisons, the second smallest hardly larger than the smallest."""
    values = draws.numbers(g, draws.integer(g, 3, 8), 0.02, 0.3)
    return ([*values, 1.01 * min(values)],)


def _holm(values):
    """Holm's adjusted p-values from their definition."""
    order = np.argsort(values)
    adjusted, largest = np.empty(len(values)), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, (len(values) - rank) * values[i])
        adjusted[i] = min(1.0, largest)
    return adjusted.tolist()


EXERCISES = (
    Exercise(
        name="12-learns",
        title="What learns on a frozen base",
        task="A base with `features` features is frozen, and a new classifier for `classes` classes"
        " learns. How many numbers learn?",
        stub="def learning(features, classes):\n    return ...",
        answer="learning",
        cases=lambda g: [
            (2048, 10),
            *draws.several(g, lambda g: (draws.integer(g, 16, 512), draws.integer(g, 2, 99))),
        ],
        reference=lambda f, c: sum(p.numel() for p in nn.Linear(f, c).parameters()),
        hints=("a classifier is a linear layer.", "a weight for each pair, and a bias a class."),
        solutions=(
            "def learning(features, classes):\n    return features * classes + classes",
            "def learning(features, classes):\n    return (features + 1) * classes",
        ),
        reason=(
            "Some thousand numbers in place of 21 million: that is why a few photographs suffice."
        ),
        misconceptions=(
            Misconception(
                name="bias left out",
                code="def learning(f, c):\n    return f * c",
                says="This is the weight. Each class has a bias as well.",
            ),
            Misconception(
                name="the base learns too",
                code="def learning(f, c):\n    return 20_806_952 + f * c + c",
                says="This counts the base, too. It is frozen: no gradient changes it.",
            ),
            Misconception(
                name="added, not multiplied",
                code="def learning(f, c):\n    return f + c",
                says="Every class weighs every feature: the two multiply.",
            ),
            Misconception(
                name="a bias a feature",
                code="def learning(f, c):\n    return f * c + f",
                says="A bias is added to each *output*, and there is one output for each class.",
            ),
            Misconception(
                name="one bias for all",
                code="def learning(f, c):\n    return f * c + 1",
                says="Each class has a bias of its own.",
            ),
        ),
    ),
    Exercise(
        name="12-accuracy",
        title="Read a confusion matrix",
        task=(
            "`confusion` is a list of rows: a row a class, a column a guess. Which share of all"
            " images was guessed right?"
        ),
        stub="def accuracy(confusion):\n    return ...",
        answer="accuracy",
        cases=lambda g: [([[8, 2], [1, 9]],), *draws.several(g, _confusion)],
        reference=lambda c: float(np.trace(c) / np.sum(c)),
        hints=("where do the right guesses stand?", "divide by *all* images, not by classes."),
        solutions=(
            "def accuracy(confusion):\n"
            "    right = sum(confusion[i][i] for i in range(len(confusion)))\n"
            "    return right / sum(sum(row) for row in confusion)",
            "def accuracy(confusion):\n"
            "    table = torch.tensor(confusion, dtype=torch.float64)\n"
            "    return table.trace() / table.sum()",
        ),
        reason="The diagonal over everything; a class with many images counts more.",
        misconceptions=(
            Misconception(
                name="mean over classes",
                code="def accuracy(c):\n"
                "    return sum(row[i] / sum(row) for i, row in enumerate(c)) / len(c)",
                says="This is the mean of the classes' shares: each class counts the same, however"
                " many images it has.",
            ),
            Misconception(
                name="mean over guesses",
                code="def accuracy(c):\n"
                "    shares = [c[i][i] / sum(r[i] for r in c) for i in range(len(c))]\n"
                "    return sum(shares) / len(c)",
                says=(
                    "This goes down the columns: which share of the *guesses* of a class was right."
                ),
            ),
            Misconception(
                name="the largest of each row",
                code="def accuracy(c):\n    return sum(map(max, c)) / sum(map(sum, c))",
                says="This takes the most frequent guess of each class, right or wrong. Right ones"
                " stand on the diagonal.",
            ),
            Misconception(
                name="a count for a share",
                code="def accuracy(c):\n    return sum(c[i][i] for i in range(len(c)))",
                says="This is how many were right. The share is that number divided by all images.",
            ),
            Misconception(
                name="the share that is wrong",
                code=(
                    "def accuracy(c):\n"
                    "    right = sum(c[i][i] for i in range(len(c)))\n"
                    "    return 1 - right / sum(map(sum, c))"
                ),
                says="This is the share of wrong guesses.",
            ),
            Misconception(
                name="percent for a share",
                code=(
                    "def accuracy(c):\n"
                    "    right = sum(c[i][i] for i in range(len(c)))\n"
                    "    return 100 * right / sum(map(sum, c))"
                ),
                says="This is in percent. A share lies between 0 and 1.",
            ),
            Misconception(
                name="images divided by classes",
                code="def accuracy(c):\n    return sum(c[i][i] for i in range(len(c))) / len(c)",
                says="This divides by the number of classes. Divide by the number of images.",
            ),
        ),
    ),
    Exercise(
        name="13-interval",
        title="How sure is a mean?",
        task=(
            "Give the half width of the 95 % interval of the mean of `scores`, one a seed"
            " (Student's t). `stats.t.ppf(0.975, n - 1)` is the factor for n scores."
        ),
        stub=(
            "import statistics\n\nfrom scipy import stats\n\n\n"
            "def half_width(scores):\n    return ..."
        ),
        answer="half_width",
        cases=lambda g: [([0.81, 0.79, 0.83],), *draws.several(g, _scores)],
        environment=("import statistics", "from scipy import stats"),
        reference=lambda s: float(
            scipy.stats.t.interval(0.95, len(s) - 1, loc=np.mean(s), scale=scipy.stats.sem(s))[1]
            - np.mean(s)
        ),
        hints=(
            "the deviation of a *mean* is smaller than that of a score: by which factor?",
            "t × deviation / √n.",
        ),
        solutions=(
            "def half_width(scores):\n"
            "    n = len(scores)\n"
            "    return stats.t.ppf(0.975, n - 1) * statistics.stdev(scores) / n**0.5",
            "def half_width(scores):\n"
            "    return stats.t.ppf(0.975, len(scores) - 1) * stats.sem(scores)",
        ),
        reason="With few seeds the factor is large: 4.3 for three, 2.8 for five.",
        misconceptions=(
            Misconception(
                name="spread for interval",
                code="def half_width(s):\n    return statistics.stdev(s)",
                says="This says how much *seeds* differ. How sure the mean is goes with the root of"
                " their number.",
            ),
            Misconception(
                name="1.96 for few seeds",
                code="def half_width(s):\n    return 1.96 * statistics.stdev(s) / len(s) ** 0.5",
                says="1.96 is for very many scores. For a few, Student's t is larger.",
            ),
            Misconception(
                name="the deviation of these scores alone",
                code="def half_width(s):\n"
                "    n = len(s)\n"
                "    return stats.t.ppf(0.975, n - 1) * statistics.pstdev(s) / n**0.5",
                says=(
                    "This divides by n, as if these seeds were all there are. Seen as a sample, n"
                    " - 1 is right."
                ),
            ),
            Misconception(
                name="the root forgotten",
                code="def half_width(s):\n"
                "    n = len(s)\n"
                "    return stats.t.ppf(0.975, n - 1) * statistics.stdev(s)",
                says="This is for a single new score. A mean of n is surer by the root of n.",
            ),
            Misconception(
                name="the whole width",
                code=(
                    "def half_width(s):\n"
                    "    n = len(s)\n"
                    "    return 2 * stats.t.ppf(0.975, n - 1) * statistics.stdev(s) / n**0.5"
                ),
                says=(
                    "This is the whole interval, from end to end. Its half is asked for, as in 62"
                    " ± 1."
                ),
            ),
            Misconception(
                name="the standard error alone",
                code="def half_width(s):\n    return statistics.stdev(s) / len(s) ** 0.5",
                says="This is the standard error of the mean. The interval is t times as wide.",
            ),
            Misconception(
                name="variance for deviation",
                code=(
                    "def half_width(s):\n"
                    "    n = len(s)\n"
                    "    return stats.t.ppf(0.975, n - 1) * statistics.variance(s) / n**0.5"
                ),
                says=(
                    "This takes the variance. The deviation is its root, in the unit of the scores."
                ),
            ),
            Misconception(
                name="n for its root",
                code=(
                    "def half_width(s):\n"
                    "    n = len(s)\n"
                    "    return stats.t.ppf(0.975, n - 1) * statistics.stdev(s) / n"
                ),
                says=(
                    "This divides by n. A mean of n is surer by the *root* of n only: four times"
                    " the seeds for half the width."
                ),
            ),
        ),
    ),
    Exercise(
        name="13-holm",
        title="Ten comparisons, one chance find",
        task=(
            "Adjust a list of p-values by Holm's method: the smallest times n, the next times n -"
            " 1, ..., none smaller than one before it, none above 1. Return them in the order they"
            " came in."
        ),
        stub="def adjusted(p_values):\n    return ...",
        answer="adjusted",
        cases=lambda g: [
            ([0.01, 0.04, 0.03],),
            ([0.04, 0.04],),
            *draws.several(g, _p_values),
        ],
        reference=_holm,
        hints=(
            "sort them, and remember where each came from.",
            "keep the largest product so far: an adjusted value may not fall.",
        ),
        solutions=(
            "def adjusted(p_values):\n"
            "    n, found, largest = len(p_values), {}, 0.0\n"
            "    for rank, i in enumerate(sorted(range(n), key=lambda i: p_values[i])):\n"
            "        largest = max(largest, (n - rank) * p_values[i])\n"
            "        found[i] = min(1.0, largest)\n"
            "    return [found[i] for i in range(n)]",
            "def adjusted(p_values):\n"
            "    n = len(p_values)\n"
            "    order = sorted(range(n), key=lambda i: p_values[i])\n"
            "    steps = [min(1, (n - k) * p_values[i]) for k, i in enumerate(order)]\n"
            "    return [max(steps[: order.index(i) + 1]) for i in range(n)]",
        ),
        reason=(
            "Who looks ten times finds something by chance; Holm asks more of each, and less than"
            " Bonferroni."
        ),
        misconceptions=(
            Misconception(
                name="not adjusted",
                code="def adjusted(p):\n    return list(p)",
                says="Nothing is adjusted: of twenty comparisons of equals, one is below 0.05 by"
                " chance.",
            ),
            Misconception(
                name="Bonferroni",
                code="def adjusted(p):\n    return [min(1.0, len(p) * x) for x in p]",
                says="This multiplies all by n: Bonferroni. Holm multiplies the second smallest by"
                " n - 1, and so on.",
            ),
            Misconception(
                name="allowed to fall",
                code="def adjusted(p):\n"
                "    n, o = len(p), sorted(range(len(p)), key=lambda i: p[i])\n"
                "    return [min(1.0, (n - o.index(i)) * p[i]) for i in range(n)]",
                says="A larger p-value gets a smaller adjusted one here. Keep the largest so far.",
            ),
            Misconception(
                name="in order of size",
                code=(
                    "def adjusted(p):\n"
                    "    n, found, largest = len(p), [], 0.0\n"
                    "    for k, x in enumerate(sorted(p)):\n"
                    "        largest = max(largest, (n - k) * x)\n"
                    "        found.append(min(1.0, largest))\n"
                    "    return found"
                ),
                says=(
                    "The values are right, in order of size. Each has to stand where its p-value"
                    " stood, or it is taken for another comparison's."
                ),
            ),
            Misconception(
                name="the largest times n",
                code=(
                    "def adjusted(p):\n"
                    "    o = sorted(p)\n"
                    "    return [min(1.0, (o.index(x) + 1) * x) for x in p]"
                ),
                says=(
                    "The factors are the wrong way around: the *smallest* p-value is multiplied by"
                    " n."
                ),
            ),
            Misconception(
                name="by place, not by size",
                code=(
                    "def adjusted(p):\n"
                    "    return [min(1.0, (len(p) - i) * x) for i, x in enumerate(p)]"
                ),
                says=(
                    "The factor goes by the place in the list here. It goes by the size: sort"
                    " first."
                ),
            ),
        ),
    ),
)
