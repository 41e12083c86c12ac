"""Folders, tables and names on the hub: what is found, and one clear line for each thing that is
wrong.
"""

import json
import logging
import time
from pathlib import Path

import datasets
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.image_files import CLASSES, jpeg, write_folder, write_parquet
from xception_edu.data import sources
from xception_edu.data.images import BadImageError, Preprocessing, load_array
from xception_edu.data.labels import split_by_share
from xception_edu.data.sources import open_images
from xception_edu.data.splits import split_of

MANY = datasets.List(datasets.ClassLabel(names=["a", "b", "c"]))


def contents(split):
    return [
        content if isinstance(content, bytes) else Path(content).read_bytes()
        for content in split.contents
    ]


# ---- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test", "Test"])
def test_a_folder_a_class_below_train_and_a_validation_split(tmp_path, name):
    write_folder(tmp_path, range(6), "train")
    write_folder(tmp_path, range(6, 10), name)
    (tmp_path / "train" / "china" / "notes.txt").write_text("no image")
    (tmp_path / "train" / ".hidden").mkdir()
    found = open_images(tmp_path)
    assert found.classes == CLASSES
    assert found.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert contents(found.train) == [jpeg(n) for n in (0, 2, 4, 1, 3, 5)]
    assert contents(found.validation) == [jpeg(n) for n in (6, 8, 7, 9)]
    assert found.validation.names[0].endswith("china/006.jpg")


def test_a_class_may_be_named_train(tmp_path):
    write_folder(tmp_path, range(8))
    (tmp_path / "china").rename(tmp_path / "train")
    assert open_images(tmp_path).classes == ("flower", "train")


def test_without_a_validation_split_a_share_of_each_class_is_taken_and_said(tmp_path, caplog):
    write_folder(tmp_path, range(40))
    found, again = (
        open_images(tmp_path, validation_share=0.2),
        open_images(tmp_path, validation_share=0.2),
    )
    assert torch.bincount(found.validation.labels).tolist() == [4, 4]
    assert sorted(found.train.names + found.validation.names) == sorted(
        str(p) for p in tmp_path.rglob("*.jpg")
    )
    assert found.validation.names == again.validation.names
    assert (
        "train 32 images of 2 classes, validation 8 (it has no validation split: a share of 0.2"
        in caplog.text
    )


@pytest.mark.parametrize(
    "names",
    [("train", "test"), ("train-00000-of-00001", "validation-00000-of-00001"), ("a", "a_val")],
)
def test_a_folder_of_parquet_files(tmp_path, names):
    write_parquet(tmp_path / f"{names[0]}.parquet", range(6))
    write_parquet(tmp_path / f"{names[1]}.parquet", range(6, 10))
    found = open_images(tmp_path)
    assert found.classes == CLASSES
    assert contents(found.train) == [jpeg(n) for n in range(6)]
    assert found.validation.labels.tolist() == [0, 1, 0, 1]
    assert found.train.names[3].endswith(", row 3 of train")


def test_a_pair_of_parquet_files_and_one_alone(tmp_path):
    one, other = (
        write_parquet(tmp_path / "x.parquet", range(6)),
        write_parquet(tmp_path / "y.parquet", range(6, 10)),
    )
    found = open_images(f"{one},{other}")
    assert contents(found.validation) == [jpeg(n) for n in range(6, 10)]
    alone = open_images(one, validation_share=0.4)
    assert sorted(contents(alone.train) + contents(alone.validation)) == sorted(
        jpeg(n) for n in range(6)
    )


@pytest.mark.parametrize(
    ("label", "values", "classes"),
    [
        (datasets.Value("int64"), [0, 2, 1, 2], ("0", "1", "2")),
        (datasets.Value("string"), ["cat", "ant", "bee", "ant"], ("ant", "bee", "cat")),
    ],
)
def test_classes_without_names_are_named_by_their_values(tmp_path, label, values, classes):
    write_parquet(tmp_path / "train.parquet", range(4), label=label, labels=values)
    write_parquet(tmp_path / "test.parquet", range(4), label=label, labels=values)
    found = open_images(tmp_path)
    assert found.classes == classes
    assert [classes[i] for i in found.train.labels] == [str(value) for value in values]


def test_rows_with_lists_of_labels_become_zeros_and_ones(tmp_path):
    path = write_parquet(
        tmp_path / "train.parquet", range(4), label=MANY, labels=[[0, 2], [], [1], [0, 1, 2]]
    )
    write_parquet(tmp_path / "test.parquet", range(1), label=MANY, labels=[[2]])
    found = open_images(tmp_path, multi_label=True)
    assert found.train.labels.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]]
    with pytest.raises(
        ValueError, match="labels is 'one', but must be 'many' for .*: its rows have lists"
    ):
        open_images(path)


def test_a_folder_with_labels_in_a_list_beside_the_images(tmp_path):
    labels = {"train": [["cat", "dog"], ["dog"], ["cat"]], "val": [["dog"], ["cat"]]}
    for part, rows in labels.items():
        (tmp_path / part).mkdir()
        lines = [json.dumps({"file_name": f"{n}.jpg", "labels": row}) for n, row in enumerate(rows)]
        (tmp_path / part / "metadata.jsonl").write_text("\n".join(lines))
        for n in range(len(rows)):
            (tmp_path / part / f"{n}.jpg").write_bytes(jpeg(n))
    found = open_images(tmp_path, multi_label=True)
    assert found.classes == ("cat", "dog")
    assert found.train.labels.tolist() == [[1, 1], [0, 1], [1, 0]]
    assert len(found.validation.contents) == 2


def test_a_name_on_the_hub_is_asked_for_there(monkeypatch, caplog):
    asked, rows = (
        [],
        datasets.Dataset.from_dict(
            {"img": [{"bytes": jpeg(n), "path": None} for n in range(4)], "label": [0, 1, 0, 1]},
            features=datasets.Features(
                {"img": datasets.Image(), "label": datasets.ClassLabel(names=list(CLASSES))}
            ),
        ),
    )

    def load(name, configuration):
        asked.append((name, configuration))
        return datasets.DatasetDict({"train": rows, "test": rows.select([1, 2])})

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert open_images("hf://some-one/some.thing:plain").classes == CLASSES
    assert len(open_images("hf://some-one/some.thing").train.contents) == 4
    assert asked == [("some-one/some.thing", "plain"), ("some-one/some.thing", None)]


def test_of_several_splits_for_it_the_one_named_validation_is_taken_and_said(tmp_path, caplog):
    for part in ("train", "test", "val"):
        write_folder(tmp_path, range(4), part)
    with caplog.at_level(logging.WARNING):
        found = open_images(tmp_path)
    assert all("/val/" in name for name in found.validation.names)
    assert "train 4 images of 2 classes, validation 4; left out: 4 in test" in caplog.text


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("Training-set", "train"),
        ("train-00000-of-00005.parquet", "train"),
        ("imagenet_val_03.tar", "validation"),
        ("dev", "validation"),
        ("test.parquet", "test"),
        ("trainer", None),
        ("latest", None),
        ("interval", None),
    ],
)
def test_a_split_is_told_by_whole_words(name, split):
    assert split_of(name) == split


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.floats(0.01, 0.99))
def test_every_class_has_its_share_and_both_parts_some(keys, share):
    keys = keys + keys  # two of each at least
    train, test = split_by_share(torch.tensor(keys), share, "x", "abcde")
    assert sorted(train + test) == list(range(len(keys)))
    for key in set(keys):
        count, held = keys.count(key), sum(keys[i] == key for i in test)
        assert 1 <= held < count
        assert abs(held - share * count) <= 1


# ---- what is wrong -------------------------------------------------------------------------------


def empty_class(root):
    write_folder(root, range(6), "train")
    (root / "train" / "zebra").mkdir()


def loose_images(root):
    for path in write_folder(root, range(4)):
        path.rename(root / path.name)


def other_classes(root):
    write_folder(root, range(6), "train")
    write_folder(root, range(6), "val")
    (root / "val" / "flower").rename(root / "val" / "rose")


def other_names(root):
    write_parquet(root / "train.parquet", range(4))
    write_parquet(
        root / "test.parquet", range(4), label=datasets.ClassLabel(names=["flower", "china"])
    )


def only_a_test_split(root):
    write_parquet(root / "test.parquet", range(4))


def one_class(root):
    write_folder(root, [0, 2, 4])


def one_image(root):
    write_folder(root, [0, 2, 1])


def out_of_range(root):
    write_parquet(root / "a.parquet", range(4), labels=[0, 1, -1, 1])


def none_of_a_class(root):
    write_parquet(root / "train.parquet", range(4), labels=[0, 0, 0, 0])


def no_label_column(root):
    write_parquet(
        root / "train.parquet", range(4), column="weight", label=datasets.Value("float32")
    )


def no_image_column(root):
    datasets.Dataset.from_dict({"pixels": [1, 2], "label": [0, 1]}).to_parquet(
        root / "train.parquet"
    )


def no_parquet(root):
    (root / "train.parquet").write_bytes(b"PAR1, or so they say")


WRONG = [
    (empty_class, "every class must have images: the folder .*zebra has none"),
    (loose_images, "its images must lie in a folder a class: they lie in none"),
    (lambda root: None, "must have images"),
    (
        other_classes,
        (
            "classes of train and validation must be the same: 'flower' only in train; 'rose' only"
            " in val"
        ),
    ),
    (other_names, "class names of train and test must be the same: they are in another order"),
    (only_a_test_split, "must have a training split; it has test"),
    (one_class, r"must have a folder a class, two or more; it has 'china'"),
    (
        one_image,
        (
            "class 'flower' has 1 image, but must have at least 2: one to train with, one to"
            " validate with"
        ),
    ),
    (out_of_range, "row 2 of train has the label -1, which must be an integer from 0 to 1"),
    (none_of_a_class, "no training image has the class 'flower'"),
    (no_label_column, "must have a column label; its columns are img, weight"),
    (no_image_column, "must have a column image; its columns are pixels, label"),
    (no_parquet, "cannot be read: .*[Pp]arquet"),
]


@pytest.mark.parametrize(("make", "says"), WRONG, ids=[make.__name__ for make, _ in WRONG])
def test_what_is_wrong_with_a_data_set_is_one_line(make, says, tmp_path):
    make(tmp_path)
    with pytest.raises(ValueError, match=rf"^data is '.*', but .*({says})") as error:
        open_images(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere", "'nowhere', but must be there: no such file or folder"),
        ("./no/where", "must be there"),
        ("a/b/c", "must be there"),
        ("a.parquet,b.parquet", "must be two .parquet files that are there"),
    ],
)
def test_a_place_that_is_not_there_is_refused(name, says):
    with pytest.raises(ValueError, match=f"^data is .*{says}"):
        open_images(name)


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"must be a folder, a .parquet file, .tar shards or"):
        open_images(tmp_path / "x.zip")


def test_a_hub_that_cannot_be_reached_is_one_line_and_no_retries(monkeypatch):
    started = time.monotonic()
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        ValueError,
        match=r"^data is 'hf://uoft-cs/cifar10', but cannot be read: .*may also be a local copy",
    ) as error:
        open_images("hf://uoft-cs/cifar10")
    assert "\n" not in str(error.value)
    assert time.monotonic() - started < 60


def test_a_hub_without_a_training_part_is_refused(monkeypatch):
    rows = datasets.Dataset.from_dict({"img": [], "label": []})
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: datasets.DatasetDict({"test": rows}))
    with pytest.raises(ValueError, match="must have a training split; it has test"):
        open_images("hf://some/thing")


def test_progress_bars_are_as_before(tmp_path):
    write_parquet(tmp_path / "train.parquet", range(4))
    before = datasets.are_progress_bars_disabled()
    sources.open_images(tmp_path)
    assert datasets.are_progress_bars_disabled() == before


@pytest.mark.parametrize("place", ["cache", "home"])
def test_a_cache_that_cannot_be_written_is_called_that(tmp_path, monkeypatch, place):
    path = write_parquet(tmp_path / "train.parquet", range(4))
    (tmp_path / "no folder").write_text("")
    home = tmp_path / "no folder" / ("" if place == "cache" else "deeper")
    monkeypatch.setattr(datasets.config, "HF_CACHE_HOME", home)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", home / "datasets")
    with pytest.raises(ValueError, match="no folder.* cannot be written: .*; HF_HOME may name"):
        open_images(path)


def test_rows_that_hold_no_file_are_named_and_nothing_is_waited_for(tmp_path):
    rows = {"image": [0, 1, 0, 1], "label": [0, 1, 0, 1]}
    datasets.Dataset.from_dict(rows).to_parquet(tmp_path / "train.parquet")
    found = open_images(tmp_path, validation_share=0.5)
    with pytest.raises(BadImageError, match="row .* of train: cannot be read as an image"):
        load_array(found.train.contents[1], found.train.names[1], Preprocessing(8))
