"""The paper's figures and whole networks as lists of layers, for counting by hand.

A network here is a list of `(spec, input shape)` pairs. The torch networks read the same configs
and nothing of this room: the structure is written down twice, so that agreement of the two counts
proves something.
"""

from xception_edu.architectures.chains import Layers, chain, output_shape
from xception_edu.architectures.figures import (
    canonical_inception,
    extreme_inception,
    module,
    regular_convolution,
    simplified_inception,
)
from xception_edu.architectures.inception_layers import inception_v3
from xception_edu.architectures.places import (
    BLOCK,
    BRANCH,
    ROLES,
    STAGES,
    STEM,
    block_of,
    branch_of,
    role_of,
    stage_of,
    step_of,
)
from xception_edu.architectures.vgg_layers import vgg
from xception_edu.architectures.xception_layers import xception
from xception_edu.configs import (
    ACTIVATIONS,
    ORDERS,
    InceptionV3Config,
    ModuleConfig,
    VGGConfig,
    XceptionConfig,
)
from xception_edu.specs import Shape

__all__ = [
    "ACTIVATIONS",
    "BLOCK",
    "BRANCH",
    "ORDERS",
    "ROLES",
    "STAGES",
    "STEM",
    "InceptionV3Config",
    "Layers",
    "ModuleConfig",
    "Shape",
    "VGGConfig",
    "XceptionConfig",
    "block_of",
    "branch_of",
    "canonical_inception",
    "chain",
    "extreme_inception",
    "inception_v3",
    "module",
    "output_shape",
    "regular_convolution",
    "role_of",
    "simplified_inception",
    "stage_of",
    "step_of",
    "vgg",
    "xception",
]
