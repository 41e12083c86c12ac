"""The fifteen questions that learners ask, and where the course answers each. [standard library]"""

from dataclasses import dataclass

from xception_edu import checks

TWO, THREE = (
    "02_inception_splits_the_work",
    "03_the_continuum",
)
SEPARABLE, SWAP = "04_depthwise_separable_convolutions", "04b_what_a_swap_costs"
BLOCKS, TRAINING = "05_xception_block_by_block", "07_train_it_step_by_step"
TIME = "08_fewer_multiplications_more_time"


@dataclass(frozen=True)
class Question:
    """A question, the notebook with the cell that answers it by an experiment, and the answer in a
    sentence or two.
    """

    number: int
    text: str
    notebook: str  # its file's name, without the ending
    answer: str

    @property
    def link(self) -> str:
        """Beside the notebooks; JupyterLab and the site's pages go to the cell."""
        return f"{self.notebook}.ipynb#cell-id=q{self.number}"

    @property
    def place(self) -> str:
        """The notebook in words: "notebook 4b"."""
        return f"notebook {self.notebook.split('_')[0].lstrip('0')}"

    def __repr__(self) -> str:
        return f"{self.number}. {self.text}\n{self.answer}\nSee {self.place}: {self.link}"

    def _repr_markdown_(self) -> str:
        return (
            f"**{self.number}. {self.text}** {self.answer}"
            f" The experiment: [{self.place}]({self.link})."
        )


class Questions(tuple[Question, ...]):
    """All of them, as a list with links."""

    def __repr__(self) -> str:
        return "\n".join(f"{one.number:2}. {one.text} ({one.place})" for one in self)

    def _repr_markdown_(self) -> str:
        lines = (f"{one.number}. [{one.text}]({one.link}) ({one.place})" for one in self)
        return "\n".join(lines)


QUESTIONS = Questions(
    (
        Question(
            1,
            "Pointwise or depthwise first?",
            SEPARABLE,
            "For one layer the order matters. In a stack of modules it moves only the brackets."
            " The paper's network, and Keras' layer, have depthwise first.",
        ),
        Question(
            2,
            "Is extreme Inception the same as a separable convolution?",
            THREE,
            "Almost: the order of the two steps differs, and Inception has a ReLU between them.",
        ),
        Question(
            3,
            "A ReLU or a batch normalization between the two steps?",
            SEPARABLE,
            "Neither. A ReLU loses what no other channel has, and trains worse, in the paper and"
            " here; a batch normalization changes nothing at inference.",
        ),
        Question(
            4,
            "What does `groups` count, and what is the weight's shape?",
            THREE,
            "How many groups there are, not how wide they are. The second dimension of the weight"
            " is the width of a group.",
        ),
        Question(
            5,
            "Must depthwise have out = in? What is the depth multiplier?",
            SWAP,
            "No: with a multiplier m each channel has m kernels. With as many as a kernel has"
            " places, depthwise and 1×1 together can be any regular convolution.",
        ),
        Question(
            6,
            "Depthwise or separable: one operation or two?",
            SEPARABLE,
            "Separable means two operations, depthwise the first of them. The channels do not share"
            " a kernel: each has its own.",
        ),
        Question(
            7,
            "Why do towers and a concatenation equal one 1×1 and a grouped convolution?",
            TWO,
            "1×1 convolutions on one input are one 1×1 with stacked kernels; after it, each 3×3"
            " reads its own segment. Outputs and gradients are equal.",
        ),
        Question(
            8,
            "Fewer FLOPs, so why is it not faster?",
            TIME,
            "A depthwise layer does about one multiplication for each byte that it moves: memory"
            " sets its pace, and what it saves was not scarce.",
        ),
        Question(
            9,
            "Why can mixed precision make it slower?",
            TIME,
            "The conversions read and write whole maps, there is little arithmetic to gain from,"
            " and the quick kernels for half precision are fewer.",
        ),
        Question(
            10,
            "Am I timing it right?",
            TIME,
            "Synchronize, warm up, say how many threads there are, and give it real numbers.",
        ),
        Question(
            11,
            "FLOPs or MACs? Why do counters disagree?",
            TIME,
            "One counts a multiply-accumulate once, another twice; some add biases and batch"
            " normalization. On the MACs of convolutions they agree.",
        ),
        Question(
            12,
            "Is swapping in separable convolutions accuracy-neutral?",
            SWAP,
            "No: at the same widths accuracy is lost; at equal size it is gained.",
        ),
        Question(
            13,
            "Are points between the ends of the line better?",
            THREE,
            "Not decided. In our small sweep at equal size, points from 4 segments on are better"
            " than one segment; none is better than one per channel by more than chance.",
        ),
        Question(
            14,
            "Why 19×19 and not 18×18?",
            BLOCKS,
            'TensorFlow\'s "same" padding halves a side and rounds up.',
        ),
        Question(
            15,
            "How do I train it without divergence, and why does an in-place ReLU break it?",
            TRAINING,
            "Begin with short steps, and with weights sized by what a kernel really sees. A ReLU in"
            " place overwrites what the skip adds later, and no message says so.",
        ),
    )
)


def question(number: int | None = None) -> Question | Questions:
    """One of the fifteen questions that learners ask, with its answer and a link to the experiment;
    without a number, the list of all.
    """
    if number is None:
        return QUESTIONS
    checks.integer("number", number, at_least=1, at_most=len(QUESTIONS))
    return QUESTIONS[number - 1]
