"""What only a part needs: where it is not installed, one line says which extra has it."""

import sys

import pytest

from tests.helpers.image_files import recipe, write_parquet
from tests.helpers.tiny import TINY
from tests.helpers.weight_writers import network, write_keras
from xception_edu.data.load import load_dataset
from xception_edu.training import train
from xception_edu.training.tensorboard import is_wanted
from xception_edu.weights import import_weights
from xception_edu.weights.export import export_onnx


@pytest.fixture
def without(monkeypatch):
    """Takes a package away, as if it were not installed."""
    return lambda package: monkeypatch.setitem(sys.modules, package, None)


def refused(extra, run):
    """Whether `run` fails with one line that names the extra."""
    with pytest.raises(ValueError, match=rf'pip install "xception_edu\[{extra}\]"$') as error:
        run()
    return str(error.value).count("\n") == 0


def test_a_table_of_images_names_the_extra_data(without, tmp_path):
    write_parquet(tmp_path / "train.parquet", range(4))
    without("datasets")
    assert refused("data", lambda: load_dataset(recipe(), str(tmp_path)))


def test_a_weight_file_of_keras_names_the_extra_weights(without, tmp_path):
    write_keras(network(), tmp_path / "keras.h5", "published")
    without("h5py")
    assert refused("weights", lambda: import_weights(tmp_path / "keras.h5"))


def test_onnx_names_the_extra_onnx(without, tmp_path):
    without("onnx")
    assert refused("onnx", lambda: export_onnx(network(), tmp_path / "model.onnx"))


def test_tensorboard_that_is_asked_for_names_its_extra_before_anything_is_written(
    without, tmp_path
):
    without("tensorboard")
    assert refused("tensorboard", lambda: train.train(TINY, tmp_path / "run", tensorboard=True))
    assert not (tmp_path / "run").exists()


def test_tensorboard_is_written_unless_it_is_missing_or_not_wanted(without):
    assert is_wanted(None)
    assert not is_wanted(False)
    without("tensorboard")
    assert not is_wanted(None)
    assert not is_wanted(False)
