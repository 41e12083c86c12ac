"""Packages that only some need: without one of them, one line says which extra brings it."""

import sys

import pytest
import torch

from tests.helpers.image_files import encoded, photograph, write_folder, write_parquet
from tests.helpers.refusals import refused
from tests.helpers.tiny import TINY
from tests.helpers.weight_writers import network, write_keras
from xception_edu import checks
from xception_edu.data import image_files
from xception_edu.data.images import Preprocessing, load_array
from xception_edu.data.sources import open_images
from xception_edu.data.streams import open_streams
from xception_edu.training import train
from xception_edu.training.tensorboard import is_wanted
from xception_edu.weights.export import export_onnx
from xception_edu.weights.load import import_weights


@pytest.fixture
def without(monkeypatch):
    """A function that takes a package away."""
    return lambda package: monkeypatch.setitem(sys.modules, package, None)


def test_a_package_that_is_there_is_imported_and_one_that_is_not_is_named(without):
    assert checks.extra("json", "data", "a table") is sys.modules["json"]
    without("json")
    says = r'^a table needs json: pip install "xception_edu\[data\]"$'
    with pytest.raises(ValueError, match=says):
        checks.extra("json", "data", "a table")


@pytest.mark.parametrize("read", [open_images, open_streams])
def test_tables_and_streams_without_datasets_name_the_extra(read, tmp_path, without):
    for split in ("train", "test"):
        write_parquet(tmp_path / f"{split}.parquet", range(4))
    without("datasets")
    with pytest.raises(ValueError, match=r'needs datasets: pip install "xception_edu\[data\]"$'):
        read(tmp_path)


def test_a_folder_of_images_needs_no_datasets(tmp_path, without):
    write_folder(tmp_path, range(8))
    without("datasets")
    assert open_images(tmp_path).classes == ("china", "flower")


def test_a_file_of_keras_without_h5py_names_the_extra(tmp_path, without, capsys):
    path = write_keras(network(), tmp_path / "x.weights.h5", "named")
    without("h5py")
    says = r'x\.weights\.h5: .* needs h5py: pip install "xception_edu\[weights\]"$'
    with pytest.raises(ValueError, match=says):
        import_weights(path)
    out = str(tmp_path / "y.safetensors")
    assert "xception_edu[weights]" in refused(["import-weights", str(path), "--out", out], capsys)


def test_other_weight_files_need_no_h5py(tmp_path, without):
    model = network()
    torch.save(model.state_dict(), tmp_path / "ours.pth")
    without("h5py")
    assert import_weights(tmp_path / "ours.pth").config == model.config


def test_without_simplejpeg_pillow_decodes_the_same_pixels(monkeypatch):
    content = encoded(photograph(1, (64, 48)))
    fast = load_array(content, "x", Preprocessing(48))
    monkeypatch.setattr(image_files, "simplejpeg", None)
    assert (load_array(content, "x", Preprocessing(48)) == fast).all()


def needs(extra, run):
    """Whether `run` fails with one line that names the extra."""
    with pytest.raises(ValueError, match=rf'pip install "xception_edu\[{extra}\]"$') as error:
        run()
    return str(error.value).count("\n") == 0


def test_onnx_names_the_extra_onnx(without, tmp_path):
    without("onnx")
    assert needs("onnx", lambda: export_onnx(network(), tmp_path / "model.onnx"))


def test_tensorboard_that_is_asked_for_names_its_extra_before_anything_is_written(
    without, tmp_path
):
    without("tensorboard")
    assert needs("tensorboard", lambda: train.train(TINY, tmp_path / "run", tensorboard=True))
    assert not (tmp_path / "run").exists()


def test_tensorboard_is_written_unless_it_is_missing_or_not_wanted(without):
    assert is_wanted(None)
    assert not is_wanted(False)
    without("tensorboard")
    assert not is_wanted(None)
    assert not is_wanted(False)
