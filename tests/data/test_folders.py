"""Folders as people have them: few layouts are read, all else is refused in one line, and one line
says what is used and what is left out.
"""

import json
import os
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.image_files import jpeg, write_parquet, write_shards
from xception_edu.data.folder_tree import SYSTEM_FOLDERS, folder_tree, summary
from xception_edu.data.sources import find_source, open_images

PICTURE = jpeg(0)


def made(root, *paths, count=2):
    """Folders of as many pictures each; a name with a suffix is a file of its own."""
    for path in paths:
        place = root / path
        if place.suffix:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(PICTURE)
        else:
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                (place / f"{number}.jpg").write_bytes(PICTURE)
    return root


def used(root):
    """The images of each split, by their places below the root."""
    found = open_images(root)
    return [
        sorted(str(Path(name).relative_to(root)) for name in split.names)
        for split in (found.train, found.validation)
    ]


def all_used(root):
    """The images of both splits."""
    train, validation = used(root)
    return train + validation


def folders_used(root):
    """The classes, and the folders that images come from."""
    found = open_images(root)
    names = found.train.names + found.validation.names
    return found.classes, {str(Path(name).parent.relative_to(root)) for name in names}


# ---- layouts that are read -----------------------------------------------------------------------

SPLITS = ["train/cat", "train/dog", "val/cat", "val/dog"]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test", "Val", "TEST"])
@pytest.mark.parametrize("beside", [[], ["train_masks/cat"], ["masks/cat", "notes.jpg"]])
def test_a_split_is_the_folder_of_just_that_name(tmp_path, name, beside):
    made(tmp_path, "train/cat", "train/dog", f"{name}/cat", f"{name}/dog", *beside)
    train, validation = used(tmp_path)
    assert {Path(path).parts[0] for path in train} == {"train"}
    assert {Path(path).parts[0] for path in validation} == {name}
    assert (len(train), len(validation)) == (4, 4)


@pytest.mark.parametrize("name", ["train_masks", "train_old", "test_small", "trainval"])
def test_what_is_beside_the_splits_is_left_out_and_said(tmp_path, name, caplog):
    made(tmp_path, *SPLITS, f"{name}/cat", f"{name}/dog", "loose.jpg", "train/loose.jpg")
    train, validation = used(tmp_path)
    assert (len(train), len(validation)) == (4, 4)
    says = "train 4 images of 2 classes, validation 4; left out: "
    assert says in caplog.text
    assert f"4 in {name}" in caplog.text
    assert "2 in no folder of a class" in caplog.text


def test_without_a_validation_split_those_of_train_are_shared_out(tmp_path):
    made(tmp_path, "train/cat", "train/dog", "train_masks/cat")
    assert folders_used(tmp_path) == (("cat", "dog"), {"train/cat", "train/dog"})


@pytest.mark.parametrize(
    "classes",
    [
        ["bus", "test", "train"],
        ["train", "val"],
        ["cat", "dog/2020", "dog/2021"],
        ["training", "dev"],
        ["a/b/c/d", "e"],
        ["__background__", "cat"],
        ["tag.jpg/cat", "dog"],
    ],
)
def test_folders_of_images_are_classes_whatever_they_are_called(tmp_path, classes):
    made(tmp_path, *(path.replace(".jpg", "") for path in classes))
    names = sorted({Path(path.replace(".jpg", "")).parts[0] for path in classes})
    assert open_images(tmp_path).classes == tuple(names)


@pytest.mark.parametrize("name", ["train", "test", "Val"])
@pytest.mark.parametrize("others", [["car/red", "plane/jet"], ["cat", "dog/2020", "dog/2021"]])
def test_a_class_may_be_called_as_a_split_and_hold_nothing_but_folders(
    tmp_path, name, others, caplog
):
    made(tmp_path, *others, f"{name}/steam", f"{name}/diesel")
    names = {Path(path).parts[0] for path in (*others, name)}
    assert set(open_images(tmp_path).classes) == names
    assert f"3 classes ({name!r} among them)" in caplog.text


def test_classes_inside_splits_may_be_called_as_splits_are(tmp_path):
    made(tmp_path, *(f"{split}/{name}" for split in ("train", "val") for name in ("test", "train")))
    found = open_images(tmp_path)
    assert found.classes == ("test", "train")
    assert all("/val/" in name for name in found.validation.names)


def test_a_folder_called_as_an_image_is_a_folder(tmp_path):
    made(tmp_path, "cat", "dog")
    (tmp_path / "cat" / "a.png").mkdir()
    (tmp_path / "cat" / "a.png" / "b.png").write_bytes(PICTURE)
    assert "cat/a.png/b.png" in all_used(tmp_path)


# ---- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["고양이", "Café", "Ångström", "ñandú"])
def test_names_that_look_equal_are_equal(tmp_path, name):
    apart = [unicodedata.normalize(form, name) for form in ("NFD", "NFC")]
    assert apart[0] != apart[1]
    made(tmp_path, f"train/{apart[0]}", "train/dog", f"val/{apart[1]}", "val/dog")
    assert open_images(tmp_path).classes == tuple(sorted([apart[1], "dog"]))


def test_two_folders_of_one_name_are_one_class(tmp_path):
    apart = [unicodedata.normalize(form, "Café") for form in ("NFD", "NFC")]
    made(tmp_path, *apart, "dog")
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this disk has one folder for both")
    assert open_images(tmp_path).classes == (apart[1], "dog")
    assert len(all_used(tmp_path)) == 6


def test_names_that_are_no_text_are_shown_as_such(tmp_path):
    try:
        made(tmp_path, os.fsdecode(b"caf\xe9"), "dog")
    except OSError:
        pytest.skip("this disk has only names in UTF-8")
    assert open_images(tmp_path).classes == ("caf\\xe9", "dog")


# ---- what is left out ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".ipynb_checkpoints", ".thumbnails", *sorted(SYSTEM_FOLDERS)])
def test_hidden_folders_and_those_of_systems_are_left_out_at_every_depth(tmp_path, name, caplog):
    made(tmp_path, "cat", "dog", name, f"cat/{name}", f"dog/deep/{name.upper()}/000.png")
    assert len(all_used(tmp_path)) == 4
    assert "left out: " in caplog.text


def test_the_line_names_what_is_left_out_and_why(tmp_path, caplog):
    made(tmp_path, "cat", "dog", "cat/._0.jpg", "cat/@eaDir/0.png", "dog/.DS_Store/1.jpg")
    for name in ("a.svg", "b.SVG", "c.heic", "README"):
        (tmp_path / "cat" / name).write_text("no image")
    open_images(tmp_path)
    for reason in ("2 hidden", "1 named @eaDir", "2 of suffix .svg", "1 of suffix .heic"):
        assert reason in caplog.text
    assert caplog.text.count("\n") == 1


def test_of_several_processes_one_says_it(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    open_images(made(tmp_path, "cat", "dog"))
    assert not caplog.text


def test_suffixes_are_those_that_pillow_reads(tmp_path):
    names = ["a.jfif", "b.avif", "c.jp2", "d.JPG", "e.jpe", "f.tga", "g.pbm", "h.apng"]
    made(tmp_path, *(f"{name}/{file}" for name in ("cat", "dog") for file in names))
    found = open_images(tmp_path)
    assert len(found.train.names + found.validation.names) == 16


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are Unix's")
def test_pipes_devices_and_links_to_nothing_are_left_out(tmp_path, caplog):
    made(tmp_path, "cat", "dog")
    os.mkfifo(tmp_path / "cat" / "x.jpg")
    (tmp_path / "cat" / "y.jpg").symlink_to("/dev/zero")
    (tmp_path / "cat" / "z.jpg").symlink_to(tmp_path / "gone.jpg")
    assert len(all_used(tmp_path)) == 4
    assert "left out: 3 not regular files" in caplog.text


# ---- links ---------------------------------------------------------------------------------------


def test_linked_folders_and_files_are_followed(tmp_path):
    made(tmp_path / "elsewhere", "cats", "dogs")
    root = made(tmp_path / "data", "train/cat/0.jpg", "train/cat/1.jpg")
    for split in ("train", "val"):
        (root / split).mkdir(exist_ok=True)
        (root / split / "dog").symlink_to(tmp_path / "elsewhere" / "dogs")
    (root / "val" / "cat").symlink_to(tmp_path / "elsewhere" / "cats")
    (root / "train" / "cat" / "2.jpg").symlink_to(tmp_path / "elsewhere" / "cats" / "0.jpg")
    found = open_images(root)
    assert (len(found.train.names), len(found.validation.names)) == (5, 4)


def test_links_in_a_circle_end(tmp_path, caplog):
    made(tmp_path, "cat/a", "dog/b")
    (tmp_path / "cat" / "up").symlink_to(tmp_path)
    (tmp_path / "dog" / "self").symlink_to(tmp_path / "dog")
    assert len(all_used(tmp_path)) == 4
    assert "left out: 2 linked to a second time" in caplog.text


def test_folders_that_link_to_each_other_are_entered_once_a_class(tmp_path):
    """Each of ten links to all others: their paths would be millions."""
    names = [f"f{number}" for number in range(10)]
    made(tmp_path, *names, count=1)
    for name in names:
        for other in names:
            (tmp_path / name / f"to_{other}").symlink_to(tmp_path / other)
    assert len(folder_tree(tmp_path).images) == 10 + 10 * 9


# ---- layouts that are refused --------------------------------------------------------------------

REFUSED = [
    ([], "must have images: it has none"),
    (["a.jpg"], "its images must lie in a folder a class: they lie in none"),
    (["cat"], "must have a folder a class, two or more; it has 'cat'"),
    (["images/cat", "images/dog"], "two or more; it has 'images'"),
    ([*SPLITS, "valid/cat"], "must have one folder for validation; it has val and valid"),
    ([*SPLITS, "Train/cat"], "must have one folder for train; it has Train and train"),
    (
        ["Training/cat", "Testing/cat"],
        r"must have train/ and beside it .*; it has Testing, Training",
    ),
    (["train_1/cat", "val/cat", "masks"], "must have train/ and beside it"),
    (["seg_train/seg_train/cat", "seg_test/seg_test/cat"], "must have train/ and beside it"),
    (["val/cat", "val/dog", "test/cat", "test/dog"], "must have train/ and beside it"),
    (["train/cat", "train/dog", "bus", "car"], "must have train/ and .* are the folders in one of"),
    (["train/cat", "train/dog", "old/cat", "old/dog", "bus"], "must have train/ and beside it"),
    (["train/cat", "train/dog", "bus/red"], "must have train/ and beside it"),
    (["train_1/steam", "car/red", "plane/jet"], "must have train/ and beside it"),
    (["train/cat", "train/dog", "val/cat"], "must be the same: 'dog' only in train"),
    (["train/cat", "train/dog", "val/cat", "val/Dog"], "'dog' only in train; 'Dog' only in val"),
]


@pytest.mark.parametrize(("paths", "says"), REFUSED)
def test_what_is_of_no_layout_or_of_two_is_refused(tmp_path, paths, says):
    made(tmp_path, *paths)
    with pytest.raises(ValueError, match=f"^data is '.*', but .*{says}"):
        open_images(tmp_path)


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    made(tmp_path, "cat", "dog")
    real = os.scandir

    def refuse(path):
        if str(path).endswith("dog"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ValueError, match=r"but cannot be read: Permission denied \(.*dog\)"):
        open_images(tmp_path)


@pytest.mark.parametrize("count", [1, 30])
def test_whatever_the_folders_are_called_the_line_is_short_and_clean(tmp_path, caplog, count):
    names = [f"{number}\n\x1b[31m{'x' * 200}" for number in range(count)]
    made(tmp_path, *(f"train/{name}" for name in names), "val/cat", "train/a.\x07\nb", count=1)
    with pytest.raises(ValueError, match="^data is ") as error:
        open_images(tmp_path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) <= 400


@settings(max_examples=20)
@given(st.dictionaries(st.text(max_size=300), st.integers(1, 10**6), max_size=60))
def test_the_end_of_the_line_names_six_reasons(left_out):
    said = summary(Counter(left_out))
    assert said.count(", ") <= 6 + sum(reason.count(", ") for reason in left_out)


# ---- more than images ----------------------------------------------------------------------------


def test_images_in_folders_are_read_before_tables_beside_them(tmp_path, caplog):
    made(tmp_path, "cat", "dog")
    write_parquet(tmp_path / "features.parquet", range(2))
    (tmp_path / "dataset.tar").write_bytes(b"")
    assert len(all_used(tmp_path)) == 4
    assert "1 of suffix .parquet" in caplog.text
    assert "1 of suffix .tar" in caplog.text


def test_a_picture_beside_tables_is_left_out(tmp_path, caplog):
    made(tmp_path, "assets/logo.png")
    write_parquet(tmp_path / "data" / "train-00000-of-00001-0123456789abcdef.parquet", range(4))
    write_parquet(tmp_path / "data" / "test-00000-of-00001.parquet", range(2))
    write_parquet(tmp_path / ".cache" / "train.parquet", range(2))
    assert len(open_images(tmp_path).train.contents) == 4
    assert "1 beside the tables" in caplog.text


def test_tables_of_just_that_name_are_taken_and_the_others_said(tmp_path, caplog):
    for name, numbers in (("train", 6), ("train_masks", 4), ("val", 4), ("other", 2)):
        write_parquet(tmp_path / f"{name}.parquet", range(numbers))
    assert len(open_images(tmp_path).train.contents) == 6
    assert "1 named train_masks" in caplog.text
    assert "1 of no split" in caplog.text


def test_two_sets_of_tables_for_a_split_are_refused(tmp_path):
    for name in ("a_train", "b_train", "val"):
        write_parquet(tmp_path / f"{name}.parquet", range(4))
    with pytest.raises(ValueError, match="one set of tables for train; it has a_train and b_train"):
        open_images(tmp_path)


def test_shards_are_chosen_as_tables_are(tmp_path):
    for name in ("train", "train_masks", "val"):
        write_shards(tmp_path, name, range(4), 2)
    source = find_source(tmp_path)
    names = {split: [parts[-1] for parts in shards] for split, shards in source.splits.items()}
    assert names == {
        "train": ["train-000.tar", "train-001.tar"],
        "validation": ["val-000.tar", "val-001.tar"],
    }
    assert source.left_out == {"named train_masks": 2}


# ---- lists ---------------------------------------------------------------------------------------


def listed(root, rows, name="metadata.jsonl"):
    for row in rows:
        made(root, row["file_name"])
    (root / name).write_text("\n".join(map(json.dumps, rows)))
    return root


def test_images_of_a_list_may_be_called_as_splits_are(tmp_path, caplog):
    names = ["cat_0.jpg", "cat_test_1.jpg", "train/val_2.jpg", "test/3.jpg"]
    rows = [{"file_name": name, "label": "ab"[n % 2]} for n, name in enumerate(names)]
    made(listed(tmp_path, rows), "more.jpg")
    assert len(all_used(tmp_path)) == 4
    assert "left out: 1 in no list" in caplog.text


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_list_may_be_a_table(tmp_path, suffix):
    made(tmp_path, *(f"{n}.jpg" for n in range(4)))
    path = tmp_path / f"metadata{suffix}"
    if suffix == ".csv":
        path.write_bytes(
            b"\xef\xbb\xbffile_name,label\r\n0.jpg,10\r\n1.jpg,9\r\n2.jpg,10\r\n3.jpg,9\r\n"
        )
    else:
        import pyarrow
        from pyarrow import parquet

        rows = {"file_name": [f"{n}.jpg" for n in range(4)], "label": [10, 9, 10, 9]}
        parquet.write_table(pyarrow.table(rows), path)
    assert open_images(tmp_path).classes == ("9", "10")


def test_a_table_called_metadata_that_names_no_files_is_no_list(tmp_path, caplog):
    made(tmp_path, "cat", "dog")
    (tmp_path / "metadata.csv").write_text("id,age\n1,2\n")
    assert open_images(tmp_path).classes == ("cat", "dog")
    assert "1 of suffix .csv" in caplog.text


def test_files_are_found_whichever_system_wrote_their_names(tmp_path):
    composed, apart = (unicodedata.normalize(form, "é.jpg") for form in ("NFC", "NFD"))
    rows = [{"file_name": f"{n}{composed}", "label": n % 2} for n in range(4)]
    made(tmp_path, *(f"{n}{apart}" for n in range(4)))
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert len(all_used(tmp_path)) == 4


BAD_LISTS = [
    ('{"file_name": "gone.jpg", "label": 1}', "row 0 of .* must name an image .* not 'gone.jpg'"),
    ('{"file_name": 3, "label": 1}', "row 0 of .* must name an image .* not 3"),
    ('{"label": 1}', "row 0 of .* must name an image .* not None"),
    ('{"file_name": "0.jpg"}', "must have a column label; it has file_name"),
    ('{"file_name": "0.jpg", "label": null}', "row 0 of train has the label None"),
    ('{"file_name": "0.jpg", "label": {"a": 1}}', "row 0 of train has the label {'a': 1}"),
    ('{"file_name": "0.jpg", "label": 0.5}', "row 0 of train has the label 0.5"),
    ('{"file_name": "0.jpg", "label": ""}', "row 0 of train has the label ''"),
    ("[" * 10**5, "line 1 of its list is no object in JSON"),
    ("nothing", "line 1 of its list is no object in JSON"),
    ("", "must have a column label; it has no rows"),
]


@pytest.mark.parametrize(("text", "says"), BAD_LISTS)
def test_a_list_that_cannot_be_used_is_one_line(tmp_path, text, says):
    made(tmp_path, "0.jpg", "1.jpg")
    (tmp_path / "metadata.jsonl").write_text(text)
    with pytest.raises(ValueError, match=f"^data is '.*', but .*{says}") as error:
        open_images(tmp_path)
    assert len(str(error.value)) <= 400


# ---- labels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("metadata.csv", b"file_name,label\n0.jpg,1,2,3\n", "line 2 .* more fields than the first"),
        ("metadata.csv", b"file_name,label\n0.jpg," + b"x" * 200_000, "field larger than"),
        ("metadata.parquet", b"PAR1" + bytes(99) + b"PAR1", "cannot be read: Couldn't deserialize"),
        ("metadata.parquet", b"a text", "cannot be read: Parquet file size is 6 bytes"),
        ("metadata.parquet", b"", "cannot be read: Parquet file size is 0 bytes"),
    ],
)
def test_a_list_that_is_damaged_is_one_line_with_the_folder(tmp_path, name, content, says):
    made(tmp_path, "0.jpg", "1.jpg")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"^data is '.*', but .*{says}") as error:
        open_images(tmp_path)
    assert len(str(error.value)) <= 400


def test_a_damaged_table_is_said_once_and_by_us(tmp_path, caplog):
    (tmp_path / "train.parquet").write_bytes(b"PAR1junkPAR1")
    with pytest.raises(ValueError, match="^data is '.*', but cannot be read: Parquet file size is"):
        open_images(tmp_path)
    assert caplog.messages == []


def test_ids_are_values_and_not_places(tmp_path):
    ids = [2130706433, 90210, -7, 2**62]
    rows = [{"file_name": f"{n}.jpg", "label": ids[n % 4]} for n in range(8)]
    found = open_images(listed(tmp_path, rows), validation_share=0.5)
    assert found.classes == ("-7", "90210", "2130706433", str(2**62))
    names = [Path(name).stem for name in found.train.names]
    assert [found.classes[i] for i in found.train.labels] == [str(ids[int(n) % 4]) for n in names]


def test_a_label_that_means_none_is_no_class(tmp_path):
    rows = [{"file_name": f"{n}.jpg", "label": n % 3 - 1} for n in range(6)]
    with pytest.raises(ValueError, match="must have no label -1 beside 0, 1"):
        open_images(listed(tmp_path, rows))


# ---- what is no folder ---------------------------------------------------------------------------

NOT_THERE = ["data/flowrs", "flowrs/", "./flowrs", "a/b/c", "../flowrs", "x\0y", "/x" * 3000, "%s"]


@pytest.mark.parametrize("name", [*NOT_THERE, "", "C:\\flowers", "hf://", "hf://one", "s3://a/b"])
def test_a_place_that_is_not_there_is_a_path_and_said_at_once(name, monkeypatch):
    import datasets

    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *args: asked.append(args))
    with pytest.raises(ValueError, match=r"^data is .*no such file or folder") as error:
        open_images(name)
    assert not asked
    assert str(error.value).isprintable()
    assert len(str(error.value)) <= 400


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are Unix's")
@pytest.mark.parametrize("kind", ["pipe.parquet", "device.parquet", "link.parquet"])
def test_what_is_no_regular_file_is_called_that(tmp_path, kind):
    path = tmp_path / kind
    if kind.startswith("pipe"):
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind.startswith("device") else tmp_path / "gone")
    with pytest.raises(ValueError, match="must be there: it is no regular file"):
        open_images(path)
