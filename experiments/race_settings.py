"""The settings of a race between networks, as data: what a user may set in a line, and who has it.

A race's row is a contender (ours, timm, keras) in a way: "default", one setting alone, "all" of
them, or "all, compiled". Its `settings` say every setting by name; None is one that this contender
has no line for. `lacking` names what one of them was not given though another was: a race with such
a list is not run, and a test reads the records.
"""

from collections.abc import Mapping, Sequence
from typing import Any

# How a user turns each setting on.
LINES = {
    "memory_kept": "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=2147483647 MALLOC_TOP_PAD_=268435456,"
    " the allocator's environment; of the process, here by `keep_freed_memory()`",
    "huge_pages": "THP_MEM_ALLOC_ENABLE=1, torch's environment; of the process",
    "channels_last": "model.to(memory_format=torch.channels_last), and the images too",
    "fused_optimizer": "torch.optim.SGD(..., fused=True)",
    "batch_norm_folded": "torch.fx.experimental.optimization.fuse(model); of ours"
    " `fold_batchnorm(model)`",
    "weights_in_bfloat16": "model.to(torch.bfloat16) instead of autocast; of Keras"
    " keras.config.set_dtype_policy('bfloat16')",
    "compiled": "torch.compile(model); for inference with freezing",
}
OF_THE_PROCESS = ("memory_kept", "huge_pages")
ONE_THREAD = "one_thread"
ALL, COMPILED = "all", "all, compiled"
SHORT = ("default", ALL)
# Keras' network on torch is always channels_last, and it folds no BN.
ALWAYS = {"keras": {"channels_last": True}}
NOT_OFFERED = {"keras": ("batch_norm_folded",)}

Settings = dict[str, bool | int | None]


def names(mode: str, dtype: str, device: str) -> list[str]:
    """The settings that do something in a mode with a dtype: training folds no BN, inference has no
    optimizer, float32 no casts, and a GPU's memory is torch's own.
    """
    absent = {"batch_norm_folded", "weights_in_bfloat16"} if mode == "training" else set()
    absent |= {"fused_optimizer"} if mode == "inference" else set()
    absent |= {"weights_in_bfloat16"} if dtype == "float32" else set()
    absent |= set(OF_THE_PROCESS) if not device.startswith("cpu") else set()
    return [name for name in LINES if name not in absent]


def ways(who: str, mode: str, dtype: str, device: str, threads: int) -> dict[str, Settings]:
    """The settings of a contender in each way, by the way's name."""
    known = names(mode, dtype, device)
    default: Settings = {**dict.fromkeys(known, False), "threads": threads}
    everything: Settings = {**dict.fromkeys(known, True), "compiled": False, "threads": threads}
    found = {"default": default}
    found |= {name: default | {name: True} for name in known}
    if device.startswith("cpu") and threads > 1:
        found[ONE_THREAD] = default | {"threads": 1}
    found |= {ALL: everything, COMPILED: everything | {"compiled": True}}
    fixed = ALWAYS.get(who, {}) | dict.fromkeys(NOT_OFFERED.get(who, ()))
    fixed = {name: value for name, value in fixed.items() if name in known}
    return {way: settings | fixed for way, settings in found.items() if way not in fixed}


def lacking(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a contender of a case was not given though another was, such as "timm: memory_kept".

    A contender must have a column for every setting that another has, must be there by default and
    with all settings, with as many threads as the others, and must have had on every setting that
    another had on, but those that it does not offer.
    """
    found = []
    everyone = sorted({row["who"] for row in rows})
    columns = {name for row in rows for name in row["settings"]}
    on = {who: _on(rows, who) for who in everyone}
    anywhere = set.union(*on.values()) if on else set()
    for who in everyone:
        own = [row for row in rows if row["who"] == who]
        missing = {name for row in own for name in columns - set(row["settings"])}
        missing |= anywhere - on[who] - set(NOT_OFFERED.get(who, ()))
        missing |= {f"the row {way!r}" for way in SHORT} - {f"the row {r['way']!r}" for r in own}
        found += [f"{who}: {name}" for name in sorted(missing)]
    threads = {row["settings"].get("threads") for row in rows if row["way"] in SHORT}
    return found + [f"equal threads: {threads}"] * (len(threads) > 1)


def _on(rows: Sequence[Mapping[str, Any]], who: str) -> set[str]:
    """The settings that a contender had on in any row."""
    return {
        name
        for row in rows
        if row["who"] == who
        for name, value in row["settings"].items()
        if value is True
    }
