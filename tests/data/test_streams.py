"""Shards and other streams: each image once, a part for each process, and the same images after a
stop.
"""

import datasets
import pytest
import torch

from tests.helpers.batches import batches, equal
from tests.helpers.image_files import CLASSES, recipe, write_parquet, write_shards
from xception_edu.data.load import load_dataset
from xception_edu.data.sources import find_source
from xception_edu.data.streams import Stream, open_streams
from xception_edu.recipes.recipe import Recipe

TRAIN = list(range(48))


def stream_recipe(**changes) -> Recipe:
    return recipe(steps_per_epoch=6, shuffle_buffer=10, **changes)


KIND = stream_recipe()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    root = tmp_path_factory.mktemp("shards")
    write_shards(root, "train", TRAIN, 4)
    write_shards(root, "val", range(60, 71), 2)
    return root


def keys(monkeypatch, data, recipe, steps, **part):
    """Which examples each step sees."""
    found = []

    def noted(futures, examples):
        found.append([int(example["__key__"]) for example in examples])
        return Stream._readable(data, futures, examples)

    monkeypatch.setattr(data, "_readable", noted)
    batches(data, recipe, steps, **part)
    data._reader.shutdown(wait=True)
    return found[: len(steps)]


def test_shards_are_a_stream_with_the_recipes_classes(shards):
    data = load_dataset(KIND, shards)
    assert type(data) is Stream
    assert (data.train_size, data.classes, data.multi_label, data.class_weights) == (
        24,
        ("0", "1"),
        False,
        None,
    )
    images, labels = data.training_images(KIND, 0)
    assert images.shape == (4, 3, 16, 16)
    assert images.dtype == torch.uint8
    assert set(labels.tolist()) <= {0, 1}


def test_labels_belong_to_their_images(shards, monkeypatch):
    seen = keys(monkeypatch, load_dataset(KIND, shards), KIND, range(6))
    found = [labels.tolist() for _, labels in batches(load_dataset(KIND, shards), KIND, range(6))]
    assert found == [[key % 2 for key in step] for step in seen]


def test_an_epoch_shows_no_image_twice_and_the_next_is_mixed_otherwise(shards, monkeypatch):
    kind = recipe(steps_per_epoch=12, shuffle_buffer=10)
    seen = keys(monkeypatch, load_dataset(kind, shards), kind, range(24))
    first, second = ([key for step in epoch for key in step] for epoch in (seen[:12], seen[12:]))
    assert sorted(first) == sorted(second) == TRAIN
    assert first != second


@pytest.mark.parametrize("world_size", [2, 4])  # which share four shards evenly
def test_each_process_has_a_part_of_its_own(shards, monkeypatch, world_size):
    kind = recipe(steps_per_epoch=12, shuffle_buffer=10)
    parts = [
        [
            key
            for step in keys(
                monkeypatch,
                load_dataset(kind, shards),
                kind,
                range(12),
                rank=r,
                world_size=world_size,
            )
            for key in step
        ]
        for r in range(world_size)
    ]
    assert sorted(key for part in parts for key in part) == TRAIN
    held = [
        len(y)
        for r in range(world_size)
        for _, y in load_dataset(kind, shards).validation_batches(4, rank=r, world_size=world_size)
    ]
    assert sum(held) == 11


@pytest.mark.parametrize("step", [1, 5, 6, 8])
@pytest.mark.parametrize("part", [{}, {"rank": 1, "world_size": 2}])
def test_a_run_that_goes_on_in_any_step_sees_the_same_images(shards, step, part):
    uninterrupted = batches(load_dataset(KIND, shards), KIND, range(10), **part)
    assert equal(
        uninterrupted[step:], batches(load_dataset(KIND, shards), KIND, range(step, 10), **part)
    )


def test_steps_may_be_asked_for_in_any_order(shards):
    data = load_dataset(KIND, shards)
    forward = batches(data, KIND, range(8))
    assert equal(forward[::-1], batches(data, KIND, range(7, -1, -1)))


def test_validation_images_come_in_their_order(shards):
    labels = torch.cat([labels for _, labels in load_dataset(KIND, shards).validation_batches(4)])
    assert labels.tolist() == [n % 2 for shard in range(2) for n in list(range(60, 71))[shard::2]]


def test_tables_are_read_as_a_stream_if_the_recipe_says_so(tmp_path):
    write_parquet(tmp_path / "train.parquet", range(24))
    write_parquet(tmp_path / "val.parquet", range(5))
    data = load_dataset(stream_recipe(streaming=True), tmp_path)
    assert type(data) is Stream
    assert data.classes == CLASSES
    assert data.training_images(KIND, 0)[0].shape == (4, 3, 16, 16)


def test_a_name_on_the_hub_is_read_as_a_stream(shards, monkeypatch):
    asked, real = [], datasets.load_dataset

    def load(path, **options):
        asked.append((path, options))
        pattern = {"train": "train", "test": "val"}[options["split"]]
        return real(
            "webdataset", data_files=f"{shards}/{pattern}*.tar", split="train", streaming=True
        )

    monkeypatch.setattr(datasets, "get_dataset_split_names", lambda *_: ["test", "train"])
    monkeypatch.setattr(datasets, "load_dataset", load)
    open_streams("hf://some/thing")
    assert asked == [
        ("some/thing", {"streaming": True, "name": None, "split": part})
        for part in ("train", "test")
    ]


def test_labels_may_stand_in_a_json_beside_the_image(tmp_path):
    for part in ("train", "val"):
        write_shards(
            tmp_path, part, range(8), 1, suffix="json", label=lambda n: b'{"labels": [0, 1]}'
        )
    kind = recipe(labels="many", label_smoothing=0.0, steps_per_epoch=2, shuffle_buffer=4)
    assert load_dataset(kind, tmp_path).training_images(kind, 0)[1].tolist() == [[1, 1]] * 4


# ---- what is wrong -------------------------------------------------------------------------------


def test_a_stream_that_ends_before_the_epoch_says_how_many_steps_it_has(shards):
    kind = recipe(steps_per_epoch=13, shuffle_buffer=10)
    data = load_dataset(kind, shards)
    assert len(batches(data, kind, range(12))) == 12
    with pytest.raises(
        ValueError, match=r"steps_per_epoch is 13, but must be at most 12: .* has no more images"
    ):
        data.training_images(kind, 12)


def test_a_stream_needs_to_know_how_many_steps_an_epoch_has(shards):
    with pytest.raises(
        ValueError, match="steps_per_epoch is None, but must be the steps of an epoch"
    ):
        load_dataset(recipe(), shards)


def test_a_stream_without_a_validation_split_is_refused(tmp_path):
    write_shards(tmp_path, "train", range(8), 1)
    with pytest.raises(
        ValueError,
        match="must have a validation split, such as val-000.tar: a stream cannot be split",
    ):
        load_dataset(KIND, tmp_path)


def test_a_folder_of_images_is_no_stream(tmp_path):
    with pytest.raises(
        ValueError,
        match=r"must be a folder of .tar shards or .parquet files, to be read as a stream",
    ):
        load_dataset(stream_recipe(streaming=True), tmp_path)


def test_a_shard_that_cannot_be_read_is_one_line(tmp_path):
    for part in ("train", "val"):
        (tmp_path / f"{part}.tar").write_bytes(b"no shard at all" * 99)
    with pytest.raises(ValueError, match="^data is '.*', but cannot be read: .") as error:
        load_dataset(KIND, tmp_path)
    assert "\n" not in str(error.value)


def in_a_file(content):
    return content[: content.index(b"00008.jpg") + 700]


def in_a_header(content):
    return content[: content.index(b"00008.jpg") + 77]


def before_the_end(content):
    """Up to the end of the last file's blocks: the mark of the end is missing."""
    blocks = content.rstrip(b"\0")
    return blocks + bytes(-len(blocks) % 512)


@pytest.mark.parametrize(
    ("cut", "says"),
    [
        (in_a_file, r"00008.jpg lacks [\d,]+ bytes"),
        (in_a_header, "ends behind 00006.cls without the mark"),
        (before_the_end, r"ends behind 000\d\d.cls without the mark"),
    ],
)
def test_a_shard_that_was_cut_short_is_named_or_said(tmp_path, caplog, cut, says):
    write_shards(tmp_path, "train", TRAIN, 2)
    write_shards(tmp_path, "val", range(60, 71), 1)
    path = tmp_path / "train-000.tar"
    path.write_bytes(cut(path.read_bytes()))
    with pytest.raises(ValueError, match=f"^data is .*whole shards: '{path.name}.*{says}") as error:
        load_dataset(KIND, tmp_path)
    assert len(str(error.value)) <= 400
    if cut is in_a_file:
        with pytest.raises(ValueError, match="lacks"):
            load_dataset(KIND, tmp_path, skip_corrupt=True)
        return
    data = load_dataset(KIND, tmp_path, skip_corrupt=True)
    assert f"{path.name} ends behind" in caplog.text
    assert "as far as they go" in caplog.text
    assert len(data.training_images(KIND, 0)[1]) == 4


@pytest.mark.parametrize(("label", "says"), [(b"2", "2"), (b"-1", "-1")])
def test_a_label_out_of_range_is_named(tmp_path, label, says):
    for part in ("train", "val"):
        write_shards(tmp_path, part, range(8), 1, label=lambda n: label if n == 5 else b"0")
    data = load_dataset(KIND, tmp_path)
    with pytest.raises(
        ValueError,
        match=rf"00005 in train-000.tar has the label {says}, which must be an integer from 0 to 1",
    ):
        batches(data, KIND, range(2))


def corrupt_shards(root):
    for part in ("train", "val"):
        write_shards(root, part, range(8), 1)
    content = (root / "train-000.tar").read_bytes()
    at = content.index(b"\xff\xd8")
    (root / "train-000.tar").write_bytes(content[:at] + b"gone" + content[at + 4 :])


def test_a_corrupt_image_is_named_or_replaced_and_counted(tmp_path, caplog):
    corrupt_shards(tmp_path)
    kind = recipe(steps_per_epoch=2, shuffle_buffer=4)
    with pytest.raises(
        ValueError, match=r"00000 in train-000.tar: cannot be read as an image: .*--skip-corrupt"
    ):
        batches(load_dataset(kind, tmp_path), kind, range(2))
    data = load_dataset(kind, tmp_path, skip_corrupt=True)
    found = batches(data, kind, range(2))
    assert [len(labels) for _, labels in found] == [4, 4]
    assert equal(found[1:], batches(load_dataset(kind, tmp_path, skip_corrupt=True), kind, [1]))
    assert data.corrupt >= 1
    assert "left out, as 1 so far" in caplog.text


def test_shards_are_seen_wherever_they_lie(tmp_path, shards):
    assert find_source(shards).kind == "shards"
    assert find_source(next(shards.iterdir())).kind == "shards"
    assert find_source(tmp_path).kind == "folder"
    assert find_source("hf://some/thing").kind == "hub"


def test_a_label_that_cannot_be_read_in_the_middle_of_a_shard_is_one_line(tmp_path):
    def label(number):
        return b"[" * 10**5 if number == 20 else b'{"label": 0}'

    for part in ("train", "val"):
        write_shards(tmp_path, part, range(48), 1, suffix="json", label=label)
    data = load_dataset(KIND, tmp_path)
    with pytest.raises(ValueError, match="^data is '.*', but cannot be read: .") as error:
        batches(data, KIND, range(6))
    with pytest.raises(ValueError, match="^data is '.*', but cannot be read: ."):
        list(data.validation_batches(4))
    assert "\n" not in str(error.value)
