"""What stands around the network agrees with the peers too: ONNX, preprocessing, class names."""

import json

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from experiments.peers import calibrate, define_torchvision_operators, photographs
from xception_edu.architectures import XceptionConfig
from xception_edu.weights.export import export_onnx
from xception_edu.weights.predict import class_names, preprocess
from xception_edu.xception import Xception

define_torchvision_operators()


@pytest.mark.filterwarnings("ignore")  # the exporter's own
@pytest.mark.parametrize(
    ("config", "size"),
    [
        (XceptionConfig(width=0.25, middle_blocks=1, num_classes=10), (97, 96)),
        (
            XceptionConfig(
                width=0.25, middle_blocks=1, num_classes=10, padding="symmetric", segments=3
            ),
            96,
        ),
        (XceptionConfig(), 299),
    ],
    ids=["small", "segments", "full"],
)
def test_onnxruntime_computes_the_same(config, size, tmp_path):
    model = calibrate(Xception(config))
    names = [f"class {i}" for i in range(config.num_classes)]
    export_onnx(model, tmp_path / "x.onnx", size, classes=names)
    session = onnxruntime.InferenceSession(tmp_path / "x.onnx", providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == names
    for count in (1, 3):
        images = photographs(*(size if isinstance(size, tuple) else (size, size)), count=count)
        [logits] = session.run(None, {"images": images.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(logits, model(images).numpy(), atol=5e-5)


@pytest.mark.parametrize(
    "size",
    [(640, 427), (427, 640), (299, 299), (333, 333), (100, 71), (1, 9), (1200, 900), (2100, 300)],
)
def test_preprocessing_is_timms(size):
    from timm.data import create_transform

    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    transform = create_transform(
        (3, 299, 299), interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3, crop_pct=0.8975
    )
    torch.testing.assert_close(preprocess(image), transform(image), atol=1e-6, rtol=0)


def test_class_names_are_imagenets():
    from timm.data import ImageNetInfo
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    names, info = class_names(1000), ImageNetInfo()
    for i, name in enumerate(names):
        assert name.removesuffix(" (bird)").removesuffix(" (machine)") == info.index_to_description(
            i, detailed=False
        )
    same = sum(
        theirs.lower() in name.lower()
        for theirs, name in zip(_IMAGENET_CATEGORIES, names, strict=True)
    )
    assert same > 980
