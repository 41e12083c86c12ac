"""How good guesses are: top-1, top-5, and the paper's MAP@100 where an image has several labels.

scikit-learn has the first two (`top_k_accuracy_score`) and an average precision without the cut
after 100 guesses; both are what the tests compare with. These work on batches on the device.
"""

import torch
from torch import Tensor

from xception_edu import checks


def top_k_hits(scores: Tensor, labels: Tensor, k: int) -> Tensor:
    """Whether a label is among the `k` classes of the highest scores: bool (N,), from scores (N,
    classes).

    Labels are numbers (N,), or zeros and ones (N, classes); then any label of the image will do.
    """
    checks.integer("k", k)
    guesses = scores.topk(min(k, scores.shape[1])).indices
    if labels.dim() == 2:
        return labels.gather(1, guesses).bool().any(dim=1)
    return (guesses == labels[:, None]).any(dim=1)


def average_precision(
    scores: Tensor, labels: Tensor, weights: Tensor | None = None, k: int = 100
) -> Tensor:
    """Average precision of the `k` likeliest classes of each image, (N,); its mean over the images
    is MAP@k.

    With labels of zeros and ones (N, classes) and P(r) the share of right ones among the first r
    guesses, it is the mean of P(r) over the ranks r at which a right guess stands. As in Section
    4.2 each class counts by its weight (classes,): right guess and label alike count
    `weights[class]`. Labels that are not guessed among the first k count as zero, except labels
    beyond the k-th, which no k guesses could contain. An image without labels has none: NaN.

    The paper says that the contribution of each class to MAP@100 is weighted by how common it is,
    and no formula.
    """
    checks.integer("k", k)
    k = min(k, scores.shape[1])
    weights = torch.ones_like(scores[0]) if weights is None else weights.to(scores)
    order = scores.topk(k).indices  # (N, k), best first
    right = labels.gather(1, order).to(scores)
    precision = right.cumsum(dim=1) / torch.arange(1, k + 1, device=scores.device)
    gained = (precision * right * weights[order]).sum(dim=1)
    return gained / (labels.to(scores) * weights).topk(k).values.sum(dim=1)
