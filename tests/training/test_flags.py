"""Flags of `train`: what they read, what their help says, and one line for whatever is wrong."""

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.refusals import refused
from tests.helpers.tiny import TINY_FLAGS
from xception_edu.__main__ import main
from xception_edu.checks.fields import fields_of
from xception_edu.recipes import DIGITS, PHOTOS
from xception_edu.training import flags

EVERY_FLAG = [name for name, *_ in flags.flags_of(DIGITS)]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ["recipe", "None", "'digits'"]),
        (["--recipe", "digit"], ["recipe", "'digit'", "'digits', 'photos', 'cifar10'"]),
        (["--recipe"], ["--recipe"]),
        (["--recipe", "digits"], ["out", "missing"]),
        (["--recipe", "digits", "--out"], ["--out"]),
        (["--recipe", "digits", "--out", "OUT", "--data", "x"], ["data", "'x'"]),
        (["--recipe", "digits", "--out", "OUT", "--device", "gpu"], ["device", "'gpu'", "cpu"]),
        (["--recipe", "digits", "--out", "OUT", "--resume"], ["out", "OUT", "config.json"]),
        (["--recipe", "digits", "--out", "OUT", "--epoch", "3"], ["'--epoch'", "--epochs"]),
        (["--recipe", "digits", "--out", "OUT", "--name", "x"], ["--name"]),
        (["--recipe", "digits", "--out", "OUT", "--epochs"], ["--epochs"]),
        (["--recipe", "digits", "--out", "OUT", "--epochs", "--resume"], ["--epochs"]),
        (["--recipe", "digits", "--out", "OUT", "--epochs", "3", "4"], ["4"]),
        (["--recipe", "digits", "--out", "OUT", "a\nb"], [r"'a\nb'", "--help"]),
        (
            ["--recipe", "digits", "--out", "OUT", "--learning-rate", "-1e-3"],
            ["learning_rate", "-0.001", "above 0"],
        ),
        (["--recipe", "digits", "--out", "OUT", "--model", "{}x"], ["model"]),
        (["--recipe", "digits", "--out", "OUT", "--model.segment", "4"], ["--model.segment"]),
        (
            ["--recipe", "digits", "--out", "OUT", "--model.segments", "33"],
            ["model.segments", "33", "from 1 to 32"],
        ),
        (
            ["--recipe", "digits", "--out", "OUT", "--model.entry-widths", "[8]"],
            ["model.entry_widths", "[8]", "3"],
        ),
        (
            ["--recipe", "photos", "--out", "OUT", "--image-size", "100"],
            ["image_size", "100", "from 32 to 96"],
        ),
    ],
)
def test_a_wrong_flag_is_one_line_that_names_it(words, parts, tmp_path, capsys):
    out = str(tmp_path / "OUT")
    line = refused(["train", *(out if flag == "OUT" else flag for flag in words)], capsys)
    assert all(part in line for part in parts), line
    assert not os.path.exists(out)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--max-steps", "0"], ["max_steps", "0", "at least 1"]),
        (["--checkpoint-minutes", "-1"], ["checkpoint_minutes", "-1", "at least 0"]),
        (["--tensorboard", "perhaps"], ["tensorboard", "perhaps"]),
        (["--sync-bn", "true", "--accumulate", "3"], ["accumulate", "3", "256"]),
    ],
)
def test_a_wrong_option_is_one_line(words, parts, tmp_path, capsys):
    line = refused(
        ["train", "--recipe", "digits", "--out", str(tmp_path / "run"), *TINY_FLAGS, *words], capsys
    )
    assert all(part in line for part in parts), line


# For each kind of field, words that are wrong for it in every recipe.
INTEGERS = st.one_of(
    st.integers(max_value=-1).map(str),
    st.sampled_from(["", "x", "1.5", "true", "[3]", "nan", "-", "1e3"]),
)
NUMBERS = st.one_of(
    st.floats(max_value=-1e-6).map(repr),
    st.sampled_from(["", "x", "true", "[3]", "nan", "inf", "1e999"]),
)
CHOICES = st.sampled_from(["", "x", "3", "true", "[]", "sdg", "None "])
BOOLEANS = st.sampled_from(["", "x", "3", "[]", "sdg", "None "])
WIDTHS = st.sampled_from(
    ["", "x", "8", "[8]", "[0, 8, 8]", "[8, 8, -8]", "[8, 8, 'a']", "null", "{}"]
)
WRONG_WORDS = {
    **dict.fromkeys(
        ("image_size", "seed", "batch_size", "epochs", "random_shift", "keep_checkpoints"), INTEGERS
    ),
    **dict.fromkeys(
        ("accumulate", "steps_per_epoch", "evaluate_every", "reference_batch_size", "decay_images"),
        INTEGERS,
    ),
    **dict.fromkeys(("random_erase", "shuffle_buffer", "workers", "head_epochs"), INTEGERS),
    **dict.fromkeys(("unfreeze", "bn_statistics", "spatial_kernels"), CHOICES),
    "entanglement": NUMBERS,
    "head_learning_rate": NUMBERS,
    "init": st.sampled_from(["", "imagenett", "no/such.safetensors", "8"]),
    **dict.fromkeys(
        ("held_out_share", "rmsprop_decay", "rmsprop_epsilon", "clip_norm", "random_saturation"),
        NUMBERS,
    ),
    **dict.fromkeys(("random_crop_area", "random_crop_ratio", "center_crop"), NUMBERS),
    **dict.fromkeys(("labels", "lr_rule", "decay_by", "l2", "resampling", "precision"), CHOICES),
    **dict.fromkeys(
        ("random_flip", "nesterov", "streaming", "compile", "sync_bn", "model.residual"), BOOLEANS
    ),
    **dict.fromkeys(
        (
            "learning_rate",
            "warmup_epochs",
            "decay_rate",
            "decay_epochs",
            "momentum",
            "weight_decay",
        ),
        NUMBERS,
    ),
    **dict.fromkeys(
        ("label_smoothing", "polyak_decay", "bn_momentum", "random_rotation", "random_zoom"),
        NUMBERS,
    ),
    **dict.fromkeys(("dataset", "optimizer", "schedule", "fill"), CHOICES),
    "color_jitter": NUMBERS,
    "threads": INTEGERS,
    **{
        f"model.{name}": INTEGERS
        for name in ("num_classes", "in_channels", "middle_blocks", "stem_stride", "segments")
    },
    **{f"model.{name}": NUMBERS for name in ("dropout", "bn_eps", "width")},
    **{f"model.{name}": CHOICES for name in ("order", "activation", "padding")},
    **{f"model.{name}": WIDTHS for name in ("entry_widths", "exit_widths")},
    "model.fc_widths": st.sampled_from(["", "x", "8", "[0]", "[8, 'a']", "{}"]),
}


def test_every_flag_has_wrong_words_here():
    options = {field.name for field in fields_of(flags.Options)}
    assert set(WRONG_WORDS) == set(EVERY_FLAG) - options


@pytest.mark.parametrize("name", sorted(WRONG_WORDS))
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), base=st.sampled_from(["digits", "photos"]))
def test_generated_wrong_words_are_one_line_that_names_the_flag(name, data, base, tmp_path, capsys):
    word = data.draw(WRONG_WORDS[name])
    line = refused(
        ["train", "--recipe", base, "--out", str(tmp_path / "run"), f"--{name}", word], capsys
    )
    assert name in line, line
    assert not (tmp_path / "run").exists()


# What no flag takes: no number, no choice, no list that is right, whatever else it holds.
ANYTHING_WRONG = st.one_of(
    st.text(max_size=2000).map(lambda text: f"{text}?"),
    st.text(st.sampled_from("[{-0123456789.e\n\x1b%"), min_size=1, max_size=9).map(
        lambda text: f"{text}]?"
    ),
    st.sampled_from(
        [
            "[" * 100_000,
            "9" * 5000 + ".5x",
            "[" + "9" * 400 + ",8,8]x",
            '{"a": 1}',
            "-0.5e-",
            "\udcff?",
            "--",
            "--x?",
            "-x",
            "=",
            "NaN",
        ]
    ),
)


@pytest.mark.parametrize("name", [name for name in EVERY_FLAG if name != "out"])
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(word=ANYTHING_WRONG, tied=st.booleans())
def test_any_wrong_word_for_any_flag_is_one_short_line_that_names_it(
    name, word, tied, tmp_path, capsys
):
    flag = f"--{name}"
    words = [f"{flag}={word}"] if tied else [flag, word]
    line = refused(["train", "--recipe", "digits", "--out", str(tmp_path / "run"), *words], capsys)
    # Behind a flag that may stand alone, a word with two dashes is a flag of its own.
    says = line.replace("-", "_")
    assert name in says or (word.startswith("--") and "'__" in says), line
    assert len(line) <= 400, line
    assert line.rstrip("\n").isprintable(), line


@pytest.mark.parametrize("flag", ["--tensorboard", "--nesterov", "--model.residual"])
def test_a_flag_of_true_or_false_may_stand_alone(flag):
    recipe, options = flags.parse(["--recipe", "digits", "--dry-run", flag, "--seed", "3"])
    assert options.dry_run
    assert options.tensorboard is (True if flag == "--tensorboard" else None)
    assert recipe.nesterov
    assert recipe.model.residual
    assert recipe == replace(DIGITS, seed=3)


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["--learning-rate", "1"], "learning_rate", 1.0),
        (["--momentum", ".5"], "momentum", 0.5),
        (["--random_shift=0"], "random_shift", 0),
        (["--nesterov", "False"], "nesterov", False),
        (["--workers", "null"], "workers", None),
        (["--workers", "None"], "workers", None),
        (["--schedule", "steps"], "schedule", "steps"),
        (["--epochs", "3", "--epochs", "4"], "epochs", 4),
    ],
)
def test_a_word_is_read_as_json_or_as_python_or_as_it_is(words, field, value):
    recipe, _ = flags.parse(["--recipe", "digits", "--dry-run", *words])
    assert recipe == replace(DIGITS, **{field: value})
    assert type(getattr(recipe, field)) is type(value)


@pytest.mark.parametrize("recipe", [DIGITS, PHOTOS])
def test_help_lists_every_flag_with_meaning_bounds_and_default(recipe, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as stop:
        main(["train", "--recipe", recipe.name, "--help"])
    assert stop.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for name, field, default in flags.flags_of(recipe):
        assert f"--{name.replace('_', '-')} " in said
        assert f"{field.meaning}; {field.right}".removesuffix("; ") in said
        assert not isinstance(default, float) or f"default: {default}" in said
    assert all(f"{title}:" in said for title in flags.GROUPS.values())


def test_groups_of_the_help_begin_at_flags_that_there_are():
    assert set(flags.GROUPS) <= set(EVERY_FLAG)
