"""Our Inception V3 against torchvision's and Keras': the same weights give the same logits.

Runs in the peers' environment, which has torchvision and keras beside our own dependencies. The
weights are He's with random BN scale and shift, and BN statistics from photographs: with a peer's
default weights the wrong pooling would go unseen.
"""

import pytest
import torch
from inception_peers import calibrated, keras_twin, photographs, torchvision_twin

from experiments.peers import SIZES, keras_logits
from xception_edu.configs import InceptionV3Config
from xception_edu.inception_v3 import inception_v3

TOLERANCE = 5e-5
WRONG = 0.05  # a planted fault moves some logit by at least so much


def difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    assert ours.shape == theirs.shape
    assert 0.7 < ours.std() < 2.8, "logits too small or large to compare by an absolute tolerance"
    return (ours - theirs).abs().max().item()


@pytest.fixture(scope="module")
def torchvision_pair():
    """Our network, which counts the padding as torchvision does, and torchvision's with the same
    weights.
    """
    ours = calibrated(InceptionV3Config(padding_counted=True, aux=True))
    return ours, torchvision_twin(ours)


# ---- torchvision ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@torch.no_grad()
def test_logits_are_torchvisions(torchvision_pair, size):
    ours, theirs = torchvision_pair
    images = photographs(*size)[::3]
    largest = difference(ours(images), theirs(images))
    print(f"{size[0]}x{size[1]} torchvision {largest:.1e}")
    assert largest <= TOLERANCE


@torch.no_grad()
def test_auxiliary_logits_are_torchvisions(torchvision_pair):
    ours, theirs = torchvision_pair
    images = photographs(299, 299)[::3]
    logits, aux_logits = ours.forward_with_aux(images)
    assert torch.equal(logits, ours(images))
    seen = []
    hook = theirs.Mixed_6e.register_forward_hook(lambda module, args, out: seen.append(out))
    # gives the auxiliary logits in training only, so its tower is run on what reaches it
    theirs(images)
    hook.remove()
    largest = (aux_logits - theirs.AuxLogits(seen[0])).abs().max().item()
    assert aux_logits.std() > 0.5
    assert largest <= TOLERANCE


@torch.no_grad()
def test_uncounted_padding_is_seen_against_torchvision(torchvision_pair):
    ours, theirs = torchvision_pair
    wrong = inception_v3(InceptionV3Config(padding_counted=False, aux=True)).eval()
    wrong.load_state_dict(ours.state_dict())
    images = photographs(299, 299)[::3]
    largest = difference(wrong(images), theirs(images))
    print(f"padding not counted, torchvision {largest:.1e}")
    assert largest > WRONG


@torch.no_grad()
def test_another_epsilon_is_seen_against_torchvision(torchvision_pair):
    ours, theirs = torchvision_pair
    wrong = inception_v3(InceptionV3Config(padding_counted=True, aux=True, bn_eps=1e-5)).eval()
    wrong.load_state_dict(ours.state_dict())
    images = photographs(299, 299)[::3]
    largest = difference(wrong(images), theirs(images))
    print(f"epsilon 1e-5, torchvision {largest:.1e}")
    assert largest > WRONG


# ---- Keras ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ours_without_gamma():
    return calibrated(InceptionV3Config(bn_scale=False))


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@torch.no_grad()
def test_logits_are_keras(ours_without_gamma, size):
    images = photographs(*size)[::3]
    largest = difference(
        ours_without_gamma(images), keras_logits(keras_twin(ours_without_gamma, *size), images)
    )
    print(f"{size[0]}x{size[1]} keras {largest:.1e}")
    assert largest <= TOLERANCE


@torch.no_grad()
def test_counted_padding_is_seen_against_keras(ours_without_gamma):
    wrong = inception_v3(InceptionV3Config(bn_scale=False, padding_counted=True)).eval()
    wrong.load_state_dict(ours_without_gamma.state_dict())
    images = photographs(299, 299)[::3]
    largest = difference(
        wrong(images), keras_logits(keras_twin(ours_without_gamma, 299, 299), images)
    )
    print(f"padding counted, keras {largest:.1e}")
    assert largest > WRONG


@torch.no_grad()
def test_keras_counts_the_same_trained_parameters(ours_without_gamma):
    theirs = keras_twin(ours_without_gamma, 299, 299)
    assert theirs.count_params() == 23_851_784  # BN statistics included
    assert sum(p.numel() for p in ours_without_gamma.parameters()) == 23_817_352
