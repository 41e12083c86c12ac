"""Places in a network, which the names of its layers tell: block, stage, branch, step and role."""

import re

# A block is a convolution by itself in stems and in VGG's stages, and elsewhere a module.
BLOCK = re.compile(r"stem_[^_]+|conv\d+_\d+|[^_]+")
BRANCH = re.compile(r"tower\d+|skip")
ROLES = ("spatial", "activation", "pointwise", "bn")  # of layers in a step, a convolution with BN
STEM = ("conv1", "conv2")  # of Xception: the blocks with its plain convolutions
STAGES = {
    r"(conv\d|entry\d+)$": "entry",
    r"middle\d+$": "middle",
    r"exit\d$": "exit",
    r"stem_": "stem",
    r"mixed[0-2]$": "A",
    r"mixed[3-7]$": "B",
    r"mixed": "C",
    r"aux$": "aux",
    r"fc\d+$": "fc",
    r"(pool|classifier)$": "head",
}


def block_of(name: str) -> str:
    """The block of a network that a layer belongs to: "conv1", "entry2", "mixed0", "stem_conv3"."""
    found = BLOCK.match(name)
    return found[0] if found else ""


def stage_of(name: str) -> str:
    """The stage that a layer belongs to, or a block.

    Of Xception "entry", "middle", "exit", "fc", "head"; of Inception V3 "stem", "A", "B", "C"
    (sides 35, 17, 8; a reduction counts to where it leads), "head", "aux"; of VGG the stage's
    number, "fc", "head". "" for names of no network here.
    """
    block = block_of(name)
    vgg = re.match(r"conv(\d+)_|pool(\d+)$", block)
    if vgg:
        return vgg[1] or vgg[2]
    return next((stage for pattern, stage in STAGES.items() if re.match(pattern, block)), "")


def branch_of(name: str) -> str:
    """Which of a block's layers side by side it is: "tower1" ..., "skip"; "" for the trunk."""
    rest = name.removeprefix(block_of(name)).removeprefix("_")
    branch = rest.partition("_")[0]
    return branch if BRANCH.fullmatch(branch) else ""


def step_of(name: str) -> str:
    """The step that a layer belongs to: a convolution with its BN, or a separable one with its."""
    step, _, role = name.rpartition("_")
    return step if role in ROLES else name


def role_of(name: str) -> str:
    """What a layer is in its step, one of ROLES; "" for a layer that is a step alone."""
    role = name.rpartition("_")[2]
    return role if role in ROLES else ""
