"""Top-1, top-5 and MAP@100 against scikit-learn, against a slow reference, and by hand."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score

from xception_edu.data.dataset import class_weights
from xception_edu.training.metrics import average_precision, top_k_hits


@st.composite
def guesses(draw, most=30):
    """Scores without ties (N, classes), and labels of zeros and ones with one a row at least."""
    n, classes, seed = (
        draw(st.integers(1, 9)),
        draw(st.integers(2, most)),
        draw(st.integers(0, 10**6)),
    )
    generator = torch.Generator().manual_seed(seed)
    scores = (
        torch.stack([torch.randperm(classes, generator=generator) for _ in range(n)]).float()
        - classes / 2
    )
    labels = (torch.rand(n, classes, generator=generator) < draw(st.floats(0.05, 0.9))).float()
    labels[torch.arange(n), torch.randint(classes, (n,), generator=generator)] = 1
    return scores, labels


def by_definition(scores, labels, weights, k):
    """Average precision of one image, guess by guess."""
    order = sorted(range(len(scores)), key=lambda c: -scores[c])[:k]
    right = gained = 0.0
    for rank, guess in enumerate(order, 1):
        if labels[guess]:
            right += 1
            gained += weights[guess] * right / rank
    possible = sorted((weights[c] for c in range(len(labels)) if labels[c]), reverse=True)[:k]
    return gained / sum(possible)


@given(guesses(), st.integers(1, 40), st.integers(0, 99))
def test_average_precision_is_what_the_slow_reference_says(given_, k, seed):
    scores, labels = given_
    weights = torch.rand(scores.shape[1], generator=torch.Generator().manual_seed(seed)) + 0.1
    expected = [
        by_definition(*row, weights.tolist(), k)
        for row in zip(scores.tolist(), labels.tolist(), strict=True)
    ]
    np.testing.assert_allclose(average_precision(scores, labels, weights, k), expected, rtol=1e-5)


@given(guesses())
def test_without_weights_and_cut_it_is_scikit_learns_label_ranking_average_precision(given_):
    scores, labels = given_
    ours = average_precision(scores, labels, k=scores.shape[1]).mean()
    assert float(ours) == pytest.approx(
        label_ranking_average_precision_score(labels, scores), rel=1e-5
    )


def test_average_precision_by_hand():
    scores = torch.tensor([[9.0, 8.0, 7.0, 6.0]] * 4)
    labels = torch.tensor([[1.0, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]])
    found = average_precision(scores, labels)
    assert found[:3].tolist() == pytest.approx([1, (1 / 2 + 2 / 4) / 2, 1 / 4])
    assert math.isnan(found[3])
    assert average_precision(scores, labels, k=1)[:3].tolist() == [1, 0, 0]
    weighted = average_precision(scores, labels, torch.tensor([1.0, 3, 1, 1]))
    assert weighted[1].item() == pytest.approx((3 * 1 / 2 + 1 * 2 / 4) / 4)


def test_a_common_class_counts_more():
    scores, labels = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[1.0, 0.0, 1.0]])
    first_common, last_common = (
        average_precision(scores, labels, torch.tensor(w)) for w in ([9.0, 1, 1], [1.0, 1, 9])
    )
    assert first_common > average_precision(scores, labels) > last_common


@given(guesses(most=12), st.integers(1, 5))
def test_top_k_is_scikit_learns(given_, k):
    scores, labels = given_
    one = labels.argmax(dim=1)
    classes = scores.shape[1]
    expected = (
        top_k_accuracy_score(one, scores, k=k, labels=range(classes))
        if classes > 2 and k < classes
        else None
    )
    found = top_k_hits(scores, one, k).float().mean().item()
    assert found == pytest.approx(1.0 if k >= classes else expected if classes > 2 else found)


@given(guesses(), st.integers(1, 9))
def test_with_several_labels_any_of_them_is_a_hit(given_, k):
    scores, labels = given_
    best = [sorted(range(len(row)), key=lambda c: -row[c])[:k] for row in scores.tolist()]
    assert top_k_hits(scores, labels, k).tolist() == [
        any(row[c] for c in top) for row, top in zip(labels, best, strict=True)
    ]


def test_weights_are_the_shares_of_images_that_have_a_class():
    assert class_weights(torch.tensor([[1.0, 0, 1], [1, 0, 0], [1, 0, 1], [1, 0, 0]])).tolist() == [
        1,
        0,
        0.5,
    ]


@pytest.mark.parametrize("k", [0, -1, 1.0, True, None])
@pytest.mark.parametrize("function", [top_k_hits, average_precision])
def test_a_wrong_k_is_refused(function, k):
    with pytest.raises(ValueError, match=f"k is {k}, but must be an integer of at least 1"):
        function(torch.rand(2, 3), torch.ones(2, 3), k=k)
