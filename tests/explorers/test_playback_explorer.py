"""Claims about the playback explorer: what it shows at every epoch is what was recorded, and what
is recorded was trained.
"""

import json
import os
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import xception_edu as xe
from xception_edu.configs import XceptionConfig
from xception_edu.explorers import playback, playback_explorer
from xception_edu.recipes import DIGITS, Recipe
from xception_edu.training.checkpoints import load_checkpoint
from xception_edu.training.run_folder import read_metrics

ROOT = Path(__file__).parents[2]
RUN = json.loads((ROOT / "results" / "playback_digits.json").read_text())
KERNELS = torch.tensor(RUN["kernels"], dtype=torch.float64)
LAST = len(RUN["epochs"]) - 1


@cache
def made():
    return playback_explorer()


def shown(show):
    explorer = made()
    for epoch in range(LAST + 1):
        with explorer.hold_trait_notifications():
            explorer.show, explorer.epoch = show, epoch
        yield epoch, explorer.view(), explorer.shapes()


@pytest.mark.parametrize("show", playback.SHOWN)
def test_every_epoch_shows_the_recorded_numbers(show):
    for epoch, view, _ in shown(show):
        line = RUN["epochs"][epoch]
        before = KERNELS[max(epoch - 1, 0)]
        change = ((KERNELS[epoch] - before).norm() / before.norm()).item()
        total = ((KERNELS[epoch] - KERNELS[0]).norm() / KERNELS[0].norm()).item()
        loss = f"{line['loss']:.3f}" if epoch else "–"
        assert view["values"] == [
            f"{line['top1']:.1%}",
            loss,
            f"{line['lr']:.6f}" if epoch else "–",
            share(change),
            share(total),
        ]


def share(part):
    """A tenth of a percent is the least that is written out."""
    return f"{part:.1%}" if part >= 0.001 else "<0.1%" if part else "0%"


@pytest.mark.parametrize("show", playback.SHOWN)
def test_every_heat_map_has_the_sign_and_the_strength_of_every_weight(show):
    shift = KERNELS[0] if show == "change" else 0
    largest = (KERNELS - shift).abs().max()
    for epoch, _, (_, right) in shown(show):
        cells = [shape for shape in right if shape[0] == "cells"]
        assert len(cells) == KERNELS.shape[1] + 2
        for shape, kernel in zip(cells, KERNELS[epoch] - shift, strict=False):
            assert colors(shape) == [
                "plus" if value >= 0 else "minus" for value in kernel.flatten()
            ]
            assert strengths(shape) == pytest.approx(
                (kernel / largest).abs().flatten().tolist(), abs=0.5 / 35 + 1e-9
            )


def colors(shape):
    return [shape[1][int(code, 36)] for code in shape[6]]


def strengths(shape):
    return [int(level, 36) / 35 for level in shape[7]]


def test_the_kernels_that_changed_most_are_outlined_and_the_first_is_shown_in_numbers():
    for epoch, view, (_, right) in shown("kernels"):
        since, until = (epoch - 1, epoch) if epoch else (0, LAST)
        most = (
            (KERNELS[until] - KERNELS[since])
            .flatten(1)
            .norm(dim=1)
            .argsort(descending=True)[:3]
            .tolist()
        )
        assert f"kernels {', '.join(str(i + 1) for i in most)} " in view["note"]
        outlines = {tuple(s[2][0][:2]) for s in right if s[0] == "line"}
        places = [(s[2], s[3]) for s in right if s[0] == "cells"]
        wanted = [(places[i][0] - 2.5, places[i][1] - 2.5) for i in most]
        assert sorted(outlines) == [pytest.approx(place, abs=0.11) for place in sorted(wanted)]
        words = [s[4].replace("−", "-") for s in right if s[0] == "text" and s[6] == "middle"]
        numbers = [f"{v:.2f}" for e in (0, epoch) for v in KERNELS[e, most[0]].flatten().tolist()]
        assert words == numbers


def test_the_curves_go_through_the_recorded_numbers():
    for epoch, _, (left, _) in shown("kernels"):
        dots = [s for s in left if s[0] == "dot"]
        assert len(dots) == (4 if epoch else 1)  # no loss, rate or change before training
        for top, key in ((24, "top1"), (116, "loss"), (208, "lr")):
            values = [line[key] for line in RUN["epochs"]]
            for dot in (d for d in dots if top - 1 <= d[3] <= top + 55):
                most = max(v for v in values if v is not None)
                assert dot[3] == pytest.approx(top + 54 * (1 - values[epoch] / most), abs=0.06)
                assert dot[2] == pytest.approx(14 + epoch / LAST * 362, abs=0.06)


def test_the_committed_run_is_small_and_says_where_it_comes_from():
    assert (ROOT / "results" / "playback_digits.json").stat().st_size < 150_000
    assert Recipe.from_dict(RUN["recipe"]) == DIGITS
    assert {"command", "machine", "torch", "commit", "threads"} <= set(RUN)
    assert KERNELS.shape == (DIGITS.epochs + 1, 32, 3, 3)
    assert RUN["epochs"][LAST]["top1"] > 0.97


def test_recording_reads_what_training_wrote(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "experiments")
    sys.modules.pop("record_playback", None)
    import record_playback

    model = XceptionConfig(
        num_classes=10,
        in_channels=1,
        entry_widths=(4, 6, 8),
        middle_blocks=0,
        exit_widths=(8, 8, 8),
        stem_stride=1,
    )
    recipe = replace(DIGITS, model=model, epochs=2, batch_size=256, warmup_epochs=0.0)
    recorded = record_playback.record(recipe, tmp_path)
    run = playback.load(recorded | {"recipe": recipe.to_dict()})
    assert run.kernels.shape == (3, 6, 3, 3)
    assert [line["top1"] for line in run.epochs[1:]] == [
        line["top1"] for line in read_metrics(tmp_path / "metrics.jsonl")
    ]
    newest = max((tmp_path / "checkpoints").glob("*.safetensors"))
    weight = load_checkpoint(newest).tensors[f"model.{recorded['layer']}.weights.0"]
    assert run.kernels[-1] == pytest.approx(weight.squeeze(1).numpy(), abs=0.6e-4)
    assert playback_explorer(run=recorded | {"recipe": recipe.to_dict()}).state() == {
        "epoch": 2,
        "show": "kernels",
    }


def test_a_file_and_what_is_in_it_are_the_same(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(RUN))
    explorers = [playback_explorer(run=run, epoch=2) for run in (path, str(path), RUN, None)]
    assert all(explorer.table["views"] == explorers[0].table["views"] for explorer in explorers)
    again = eval(repr(explorers[1]), {"xe": xe})
    assert again.state() == {"epoch": 2, "show": "kernels"}


@pytest.mark.parametrize(("count", "side"), [(1, 3), (16, 3), (33, 5), (64, 3), (70, 3), (32, 7)])
def test_other_kernels_fit_the_page_and_too_many_are_said_to_be_cut_off(count, side):
    kernels = np.random.default_rng(0).normal(size=(3, count, side, side))
    epochs = [{"epoch": i, "loss": 1.0, "lr": 0.1, "top1": 0.5} for i in range(3)]
    run = {
        "recipe": {"name": "mine"},
        "layer": "first",
        "epochs": epochs,
        "kernels": kernels.tolist(),
    }
    explorer = playback_explorer(run=run)
    _, right = explorer.shapes()
    cells = [s for s in right if s[0] == "cells"]
    assert len(cells) == min(count, 64) + 2
    assert all(s[2] + side * s[4] <= 390 for s in cells)
    assert all(s[3] + side * s[4] <= 250 for s in cells[:-2])
    assert ("the first 64 shown" in explorer.view()["note"]) == (count > 64)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernels": []}, "run has kernels (0,), but must have"),
        ({"kernels": RUN["kernels"][1:]}, "run has kernels (15, 32, 3, 3), but must have"),
        ({"kernels": [[[[1, 2], [3]]]]}, "run has kernels of different sizes"),
        ({"kernels": np.full((16, 1, 3, 3), np.nan)}, "run has kernels that are not finite"),
        ({"epochs": RUN["epochs"][::-1]}, "run has epochs that are not 0, 1, 2"),
        ({"epochs": [e | {"top1": None} for e in RUN["epochs"]]}, "run has top1 None in epoch 0"),
    ],
)
def test_a_run_that_is_not_whole_is_refused(change, message):
    with pytest.raises(ValueError, match="but must have") as error:
        playback_explorer(run=RUN | change)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (3, "run is 3, but must be a file or a dict"),
        ("no/such.json", "run is 'no/such.json', but must be a file that can be read"),
        ({}, "run has no 'recipe', but must be as recorded"),
        ({**RUN, "epochs": [3, 4]}, "run['epochs'] is [3, 4], but must be a list of dicts"),
        ({**RUN, "recipe": "digits"}, "run['recipe'] is 'digits', but must be a dict with a name"),
        (os.devnull, f"run is {os.devnull!r}, but must be a regular file"),
    ],
)
def test_what_is_no_run_is_refused(run, message):
    with pytest.raises(ValueError, match="but must be") as error:
        playback_explorer(run=run)
    assert str(error.value).startswith(message)


def test_without_a_repository_it_says_how_to_record(monkeypatch, tmp_path):
    monkeypatch.setattr("xception_edu.benchmark.records.REPOSITORY", tmp_path)
    with pytest.raises(ValueError, match="run is None, but must be a file: .*record_playback.py"):
        playback_explorer()


@pytest.mark.parametrize("arguments", [{"epoch": 16}, {"epoch": -1}, {"show": "all"}])
def test_wrong_arguments_are_refused_by_name(arguments):
    (name, value), *_ = arguments.items()
    with pytest.raises(ValueError, match=f"^{name} is {value!r}, but must be"):
        playback_explorer(**arguments)
