"""Weight files: everyone's are read whole, every key is accounted for, and no file of a stranger
does more than be refused.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pickle
import re
import struct
import zipfile

import h5py
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.helpers.configurations import xception_configs
from tests.helpers.loaded_weights import assert_same_weights, refused_file
from tests.helpers.weight_writers import (
    SMALL,
    TIMM,
    cadene_tensors,
    network,
    timm_tensors,
    write_keras,
    write_keras_zip,
)
from xception_edu.__main__ import main
from xception_edu.weights import published as published_weights
from xception_edu.weights.load import (
    import_weights,
    load_pretrained,
    save_weights,
    timm_state_dict,
)
from xception_edu.xception import Xception

MODEL = network()
WRITERS = {
    "named.weights.h5": lambda path: write_keras(MODEL, path, "named"),
    "unnamed.weights.h5": lambda path: write_keras(MODEL, path, "unnamed"),
    "old.h5": lambda path: write_keras(MODEL, path, "old"),
    "oldest.h5": lambda path: write_keras(MODEL, path, "oldest"),
    "zip.keras": lambda path: write_keras_zip(MODEL, path),
    "timm.pth": lambda path: torch.save(timm_tensors(MODEL), path),
    "legacy.pth": lambda path: torch.save(
        timm_tensors(MODEL), path, _use_new_zipfile_serialization=False
    ),
    "checkpoint.pth": lambda path: torch.save(
        {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in timm_tensors(MODEL).items()}}, path
    ),
    "timm.safetensors": lambda path: save_file(timm_tensors(MODEL), path),
    "cadene.pth": lambda path: torch.save(cadene_tensors(MODEL), path),
    "ours.safetensors": lambda path: save_weights(MODEL, path),
    "ours.pth": lambda path: torch.save(MODEL.state_dict(), path),
}


# ---- what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITERS)
def test_everyones_file_gives_the_same_network(name, tmp_path):
    WRITERS[name](tmp_path / name)
    model = import_weights(tmp_path / name)
    timms = name.startswith(("timm", "cadene", "legacy", "checkpoint"))
    assert model.config == (dataclasses.replace(SMALL, **TIMM) if timms else SMALL)
    assert not model.training
    assert_same_weights(model, MODEL)


@settings(max_examples=25)
@given(xception_configs())
def test_our_own_files_bring_their_dials_along(tmp_path_factory, config):
    path = tmp_path_factory.mktemp("round") / "x.safetensors"
    model = network(config)
    save_weights(model, path)
    loaded = import_weights(path)
    assert loaded.config == config
    assert_same_weights(loaded, model)


def test_what_is_written_for_timm_comes_back_as_the_same_function(tmp_path):
    model = network(dataclasses.replace(SMALL, padding="symmetric"))
    save_weights(model, tmp_path / "x.safetensors", names="timm")
    loaded = import_weights(tmp_path / "x.safetensors")
    assert (loaded.config.bn_eps, model.config.bn_eps) == (1e-5, 1e-3)
    images = torch.randn(2, 3, 40, 40)
    torch.testing.assert_close(loaded(images), model(images), rtol=1e-5, atol=1e-5)


def test_what_timm_cannot_have_is_not_written_for_it():
    with pytest.warns(UserWarning, match="padding is 'tensorflow', but timm pads symmetrically"):
        timm_state_dict(MODEL)
    for name, value in {
        "segments": 2,
        "order": "pointwise_first",
        "activation": "relu",
        "residual": False,
    }.items():
        with pytest.raises(ValueError, match=f"config.{name} is {value!r}"):
            timm_state_dict(
                Xception(dataclasses.replace(SMALL, padding="symmetric", **{name: value}))
            )


@pytest.mark.parametrize("name", ["named.weights.h5", "oldest.h5", "timm.pth", "ours.pth"])
def test_without_a_top_the_classifier_stays_as_it_is(name, tmp_path):
    path = tmp_path / name
    WRITERS[name](path)
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            del file["layers/dense" if "layers" in file else "dense_1"]
    else:
        content = torch.load(path, weights_only=True)
        torch.save(
            {k: v for k, v in content.items() if not k.startswith(("fc", "classifier"))}, path
        )
    refused_file(path, "2 missing", "include_top=False")
    model = import_weights(path, include_top=False)
    assert model.classifier.out_features == 1000
    other = MODEL.state_dict()
    assert all(
        torch.equal(v, other[k])
        for k, v in model.state_dict().items()
        if "classifier" not in k and "num_b" not in k
    )


def test_half_precision_and_big_endian_numbers_are_read(tmp_path):
    torch.save(
        {k: v.half() if v.is_floating_point() else v for k, v in MODEL.state_dict().items()},
        tmp_path / "x.pth",
    )
    model = import_weights(tmp_path / "x.pth")
    assert model.classifier.weight.dtype == torch.float32
    assert torch.equal(model.classifier.weight, MODEL.classifier.weight.half().float())
    write_keras(MODEL, tmp_path / "x.h5", "old")
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        kernel = file["predictions/predictions/kernel:0"][()]
        del file["predictions/predictions/kernel:0"]
        file["predictions/predictions/kernel:0"] = kernel.astype(">f8")
    assert_same_weights(import_weights(tmp_path / "x.h5"), MODEL)


# ---- every key -----------------------------------------------------------------------------------


@settings(max_examples=15)
@given(st.data())
def test_missing_unexpected_and_misshaped_weights_are_all_named(tmp_path_factory, data):
    tensors = timm_tensors(MODEL)
    keys = st.sampled_from(
        sorted(k for k in tensors if "num_batches" not in k and not k.startswith(("conv", "fc")))
    )
    changed = data.draw(st.lists(keys, min_size=1, max_size=6, unique=True))
    missing, shaped = changed[::2], changed[1::2]
    for key in missing:
        del tensors[key]
    for key in shaped:
        tensors[key] = torch.zeros(*tensors[key].shape[:-1], 999)
    extra = data.draw(st.lists(st.text("abc", min_size=9), max_size=3, unique=True))
    tensors |= {key: torch.zeros(1) for key in extra}
    path = tmp_path_factory.mktemp("keys") / "x.pth"
    torch.save(tensors, path)
    message = refused_file(
        path,
        *missing,
        *shaped,
        *extra,
        f"{len(missing)} missing",
        config=dataclasses.replace(SMALL, **TIMM),
    )
    assert message.count("mis-shaped") == len(shaped)
    assert message.count("unexpected") == len(extra)


def test_keras_keys_are_named_as_in_the_file(tmp_path):
    path = write_keras(MODEL, tmp_path / "x.h5", "old")
    with h5py.File(path, "r+") as file:
        del file["block5_sepconv2"]
        del file["block4_sepconv1/block4_sepconv1/pointwise_kernel:0"]
        file["block4_sepconv1/block4_sepconv1/pointwise_kernel:0"] = np.zeros((1, 1, 5, 5), "f4")
        file["lstm/lstm/kernel:0"] = np.zeros(3, "f4")
    refused_file(
        path,
        "2 missing",
        "middle.0.sep2.conv.depthwise.weights.0",
        "1 unexpected: lstm/lstm/kernel:0",
        "block4_sepconv1/block4_sepconv1/pointwise_kernel:0 is (5, 5, 1, 1)",
        config=SMALL,
    )


def test_a_file_for_other_dials_is_refused(tmp_path):
    save_weights(MODEL, tmp_path / "x.safetensors")
    refused_file(
        tmp_path / "x.safetensors",
        "classifier.weight is (7, 18)",
        config=dataclasses.replace(SMALL, num_classes=8),
    )
    refused_file(
        tmp_path / "x.safetensors",
        "missing",
        "middle.2.sep1",
        config=dataclasses.replace(SMALL, middle_blocks=3),
    )
    refused_file(
        tmp_path / "x.safetensors",
        "unexpected",
        "middle.1.sep1",
        config=dataclasses.replace(SMALL, middle_blocks=1),
    )
    refused_file(tmp_path / "x.safetensors", "source is 'keras'", "'ours'", source="keras")
    with pytest.raises(ValueError, match="source is 'caffe', but must be one of 'keras', 'timm'"):
        import_weights(tmp_path / "x.safetensors", source="caffe")
    torch.save({"layer1.0.conv1.weight": torch.zeros(3)}, tmp_path / "resnet.pth")
    refused_file(tmp_path / "resnet.pth", "layer1.0.conv1.weight", "no Xception")


def test_integers_are_no_weights(tmp_path):
    tensors = MODEL.state_dict() | {"conv1.weight": torch.zeros(4, 3, 3, 3, dtype=torch.int32)}
    torch.save(tensors, tmp_path / "x.pth")
    refused_file(tmp_path / "x.pth", "conv1.weight is (4, 3, 3, 3) int32")


# ---- files of strangers --------------------------------------------------------------------------


class Harm:
    """A pickle that would make a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_no_pickle_runs_code(tmp_path, zipped):
    torch.save(
        {"conv1.weight": Harm(tmp_path / "harm")},
        tmp_path / "x.pth",
        _use_new_zipfile_serialization=zipped,
    )
    refused_file(tmp_path / "x.pth")
    (tmp_path / "y.pth").write_bytes(pickle.dumps(Harm(tmp_path / "harm")))
    refused_file(tmp_path / "y.pth")
    assert not (tmp_path / "harm").exists()


def h5_link(file, folder):
    with h5py.File(folder / "secret.h5", "w") as other:
        other["x"] = np.zeros(3, "f4")
    file["conv1"] = h5py.ExternalLink(str(folder / "secret.h5"), "x")


def h5_raw(file, folder):
    (folder / "secret").write_bytes(bytes(64))
    file.create_dataset("conv1", (4,), "f4", external=[(str(folder / "secret"), 0, 16)])


def h5_virtual(file, folder):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "x", (4,))
    file.create_virtual_dataset("conv1", layout)


def h5_cycle(file, folder):
    file.create_group("a")
    file["a/b"] = file["a"]


BAD_HDF5 = {
    "soft link": (lambda file, folder: file.update({"a": h5py.SoftLink("/nowhere")}), "link"),
    "external link": (h5_link, "link"),
    "external data": (h5_raw, "external"),
    "virtual data": (h5_virtual, "virtual"),
    "a cycle": (h5_cycle, "too deep"),
    "a compressed bomb": (
        lambda file, _: file.create_dataset("a", (2**28,), "f4", compression="gzip"),
        "chunked",
    ),
    "a terabyte declared": (
        lambda file, _: file.create_dataset("a", (2**38,), "f4"),
        "declares tensors of",
    ),
    "text": (lambda file, _: file.create_dataset("a", data="text"), "must be numbers"),
    "references": (
        lambda file, _: file.create_dataset("a", (3,), h5py.ref_dtype),
        "must be numbers",
    ),
    "nothing": (lambda file, _: None, "of no Xception"),
}


@pytest.mark.parametrize("kind", BAD_HDF5)
def test_hdf5_with_more_than_plain_numbers_is_refused(kind, tmp_path):
    write, part = BAD_HDF5[kind]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        write(file, tmp_path)
    refused_file(tmp_path / "x.h5", part)


def zip_of(members, **options):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", **options) as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    return content.getvalue()


def header(length, text=b"{}"):
    return struct.pack("<Q", length) + text


HUGE = {"conv1.weight": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4 * 10**18]}}
BAD_BYTES = {
    "empty": (b"", "is empty"),
    "one byte": (b"\x80", "cannot be read"),
    "text": (b"hello, I am no weight file", "must be .h5, .keras, .pth or .safetensors"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "must be .h5"),
    "the signature of HDF5 alone": (b"\x89HDF\r\n\x1a\n", "cannot be read"),
    "a billion bytes of header": (header(10**9, b"{" + bytes(50)), "cannot be read"),
    "the largest header": (header(2**64 - 1), "cannot be read"),
    "a tensor of exabytes": (
        header(len(json.dumps(HUGE)), json.dumps(HUGE).encode()),
        "cannot be read",
    ),
    "nested JSON": (header(100_000, b"{" + b'"a":{' * 20_000), "cannot be read"),
    "an empty zip": (zip_of({"x": ""}), "cannot be read"),
    "a bomb in a .pth": (
        zip_of({"a/data.pkl": bytes(10**7)}, compression=zipfile.ZIP_DEFLATED),
        "unpacks to",
    ),
    "a bomb in a .keras": (
        zip_of({"model.weights.h5": bytes(10**7)}, compression=zipfile.ZIP_DEFLATED).replace(
            struct.pack("<I", 10**7), struct.pack("<I", 2**31)
        ),
        "unpacks to",
    ),
    "a .keras without HDF5": (zip_of({"model.weights.h5": b"hello"}), "cannot be read"),
    "a pickled list": (pickle.dumps([1, 2, 3]), "cannot be read"),
}


@pytest.mark.parametrize("kind", BAD_BYTES)
def test_what_is_no_weight_file_is_refused(kind, tmp_path):
    content, part = BAD_BYTES[kind]
    (tmp_path / "x").write_bytes(content)
    refused_file(tmp_path / "x", part)


def test_what_is_no_file_is_refused(tmp_path):
    refused_file(tmp_path, "is no file")
    refused_file(tmp_path / "nothing", "does not exist")
    refused_file("/dev/zero", "is no file")


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {},
        {"a": 1},
        {1: torch.zeros(1)},
        {"a": torch.zeros(2, 2).to_sparse()},
        {"a": torch.zeros(1).expand(10**12)},
    ],
    ids=["list", "empty", "number", "unnamed", "sparse", "expanded"],
)
def test_a_pth_without_named_dense_tensors_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "x.pth")
    refused_file(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "config",
    [
        "[",
        "[]",
        '{"depth": 3}',
        '{"middle_blocks": 1000000000}',
        '{"width": 1e308}',
        '{"width": NaN}',
        '{"num_classes": 1000000000}',
        '{"fc_widths": [1000000000]}',
        '{"entry_widths": "abc"}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_a_lying_config_costs_no_memory(config, tmp_path):
    state = {k: v for k, v in MODEL.state_dict().items() if not k.startswith("classifier")}
    save_file(state, tmp_path / "x.safetensors", {"config": config})
    refused_file(tmp_path / "x.safetensors", "config", include_top=False)


def test_an_endless_layer_costs_no_memory(tmp_path):
    save_file(
        MODEL.state_dict() | {"sep3.bn.weight": torch.zeros(10**6)}, tmp_path / "x.safetensors"
    )
    refused_file(tmp_path / "x.safetensors", "at most 65536")


SPOILED = {
    name: WRITERS[name]
    for name in ("named.weights.h5", "zip.keras", "timm.pth", "legacy.pth", "ours.safetensors")
}


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    for name, write in SPOILED.items():
        write(folder / name)
    return {name: (folder / name).read_bytes() for name in SPOILED}


@pytest.mark.parametrize("name", SPOILED)
@settings(max_examples=20)
@given(data=st.data())
def test_a_truncated_file_is_refused(whole_files, tmp_path_factory, name, data):
    whole = whole_files[name]
    path = tmp_path_factory.mktemp("cut") / name
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1) | st.integers(0, 300))])
    refused_file(path)


@pytest.mark.parametrize("name", SPOILED)
@settings(max_examples=20)
@given(data=st.data())
def test_a_garbled_file_is_read_or_refused(whole_files, tmp_path_factory, name, data):
    """Some changes only change a number. None may end in anything but a network or a ValueError
    with the file's name.
    """
    content = bytearray(whole_files[name])
    places = (
        st.integers(0, len(content) - 1)
        | st.integers(0, 4000)
        | st.integers(len(content) - 4000, len(content) - 1)
    )
    for place, value in data.draw(
        st.lists(st.tuples(places, st.integers(0, 255)), min_size=1, max_size=20)
    ):
        content[place] = value
    path = tmp_path_factory.mktemp("garbled") / name
    path.write_bytes(content)
    with contextlib.suppress(ValueError):
        assert isinstance(import_weights(path), Xception)
        return
    refused_file(path)


def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path):
    for extra in range(256):
        save_file(MODEL.state_dict(), tmp_path / "x.safetensors", {"note": "x" * extra})
        if (tmp_path / "x.safetensors").read_bytes().startswith(b"\x80"):
            break
    assert_same_weights(import_weights(tmp_path / "x.safetensors"), MODEL)


@given(st.binary(max_size=300))
@example(b"PK\x03\x04" + bytes(30))
def test_any_bytes_are_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "x"
    path.write_bytes(content)
    refused_file(path)


# ---- the published file, the command line --------------------------------------------------------


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A published file that needs no internet, and an empty cache."""
    path = write_keras(MODEL, tmp_path / "published.h5", "oldest")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    entry = {
        "url": path.as_uri(),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    monkeypatch.setitem(published_weights.PUBLISHED, "imagenet", entry)
    return path


def test_published_weights_are_downloaded_once_and_checked(published, tmp_path):
    assert_same_weights(load_pretrained("imagenet"), MODEL)
    [kept] = (tmp_path / "cache").rglob("published.h5")
    published.unlink()
    assert_same_weights(load_pretrained(), MODEL)
    kept.write_bytes(b"broken on the disk")
    with pytest.raises(ValueError, match="cannot be downloaded"):
        load_pretrained()


def test_a_changed_download_is_refused_and_not_kept(published, tmp_path):
    published.write_bytes(published.read_bytes() + b"!")
    with pytest.raises(ValueError, match="cannot be downloaded .the file has another SHA-256.: "):
        load_pretrained()
    assert not list((tmp_path / "cache").rglob("published*"))


def test_without_internet_the_error_says_what_to_do(published, tmp_path):
    published.unlink()
    with pytest.raises(
        ValueError,
        match=(
            f"with internet download {re.escape(published.as_uri())}, and put it at .*published.h5"
        ),
    ):
        load_pretrained()
    with pytest.raises(ValueError, match="name is 'jft', but must be one of 'imagenet'"):
        load_pretrained("jft")


def test_the_published_file_is_the_authors():
    entry = published_weights.PUBLISHED["imagenet"]
    assert entry["url"].startswith(
        "https://storage.googleapis.com/tensorflow/keras-applications/xception/"
    )
    assert re.fullmatch("[0-9a-f]{64}", entry["sha256"])


def test_import_weights_writes_our_file(tmp_path, capsys):
    WRITERS["cadene.pth"](tmp_path / "x.pth")
    out = tmp_path / "y.safetensors"
    assert (
        main(["import-weights", str(tmp_path / "x.pth"), "--out", str(out), "--from", "timm"]) == 0
    )
    assert capsys.readouterr().out == f"{out}\n"
    assert_same_weights(import_weights(out), MODEL)
    assert load_file(out).keys() == MODEL.state_dict().keys()
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["nothing.pth", "--out", "y.safetensors"], "nothing.pth: does not exist"),
        (["x.pth", "--out", "y.pth"], "argument --out: is 'y.pth', but must end in .safetensors"),
        (["x.pth", "--out", "no/y.safetensors"], "its folder does not exist"),
        (
            ["x.pth", "--out", "y.safetensors", "--from", "keras"],
            "source is 'keras', but the keys are of 'timm'",
        ),
        (["x.pth", "--out", "y.safetensors", "--from", "caffe"], "argument --from"),
    ],
)
def test_import_weights_refuses_in_one_line(argv, part, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    WRITERS["timm.pth"](tmp_path / "x.pth")
    with pytest.raises(SystemExit) as stop:
        main(["import-weights", *argv])
    err = capsys.readouterr().err
    assert (stop.value.code, err.count("\n")) == (2, 1)
    assert part in err
    assert not (tmp_path / "y.safetensors").exists()
