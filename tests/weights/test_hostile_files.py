"""What a file of a stranger may cost is bounded before it is unpacked; every answer is one line."""

import random
import struct
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.helpers.loaded_weights import refused_file
from tests.helpers.weight_writers import SMALL, network, timm_tensors, write_keras, write_keras_zip
from xception_edu.__main__ import COMMANDS, main
from xception_edu.configs import XceptionConfig
from xception_edu.weights.load import import_weights, save_weights

MODEL = network(SMALL)
MEBIBYTE = 2**20


def zeros_in_a_zip(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(64 * MEBIBYTE))


def zeros_in_a_config(path):
    part = write_keras(MODEL, path.with_suffix(".h5"), "named")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(part, "model.weights.h5")
        archive.writestr("config.json", bytes(64 * MEBIBYTE))


def empty_groups(path):
    with h5py.File(path, "w", libver="latest") as file:
        for i in range(12_000):
            file.create_group(f"layers/a{i}")


def a_tree_of_links(path):
    with h5py.File(path, "w") as file:
        file.create_group("a")
        file["a/b"] = file["a/c"] = file["a"]


def long_names(path):
    with h5py.File(path, "w", libver="latest") as file:
        file["x" * 60_000] = np.zeros(3, "f4")


def long_names_of_torch(path):
    torch.save({"block1.rep." + "x" * 60_000: torch.zeros(1)}, path)


def long_names_of_safetensors(path):
    save_file({"block1.rep." + "x" * 60_000: torch.zeros(1)}, path)


def a_header_of_spaces(path):
    path.write_bytes(struct.pack("<Q", 40 * MEBIBYTE) + b"{}" + b" " * (40 * MEBIBYTE - 2))


def many_members(path):
    """A zip whose directory, which is read whole, is said to have 100 MiB."""
    end = b"PK\x05\x06" + bytes(8) + struct.pack("<II", 100 * MEBIBYTE, 0) + bytes(2)
    path.write_bytes(b"PK\x03\x04" + bytes(26) + end)


def deep_dictionaries(path):
    content = {"conv1.weight": torch.zeros(1)}
    for _ in range(150):
        content = {"model": content}
    torch.save(content, path)


def shared_dictionaries(path):
    """60 names for each of six dictionaries, one in another: 60**6 places in some kilobytes."""
    content = {"w": torch.zeros(1)}
    for _ in range(6):
        content = {f"k{i}": content for i in range(60)}
    torch.save(content, path)


BOMBS = {
    "zeros in a zip": (zeros_in_a_zip, "unpacks to"),
    "zeros in a config": (zeros_in_a_config, "unpacks to"),
    "12,000 empty groups": (empty_groups, "12000 parts"),
    "a tree of links": (a_tree_of_links, "too deep"),
    "a name of 60,000 letters": (long_names, "a name of 60000 letters"),
    "in a .pth": (long_names_of_torch, "a name of"),
    "in a .safetensors": (long_names_of_safetensors, "a name of"),
    "a header of spaces": (a_header_of_spaces, "its header has"),
    "members without number": (many_members, "too many members"),
    "150 dictionaries in one another": (deep_dictionaries, "must be"),
    "dictionaries by many names": (shared_dictionaries, "more than 10000 dictionaries"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_before_it_is_unpacked(kind, tmp_path):
    write, part = BOMBS[kind]
    write(tmp_path / "x")
    tracemalloc.start()
    refused_file(tmp_path / "x", part)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 * MEBIBYTE


# ---- fuzz ----------------------------------------------------------------------------------------

TINY = network(
    XceptionConfig(num_classes=3, entry_widths=(2, 2, 3), middle_blocks=0, exit_widths=(3, 3, 3))
)
WRITERS = {
    "named.weights.h5": lambda path: write_keras(TINY, path, "named"),
    "old.h5": lambda path: write_keras(TINY, path, "old"),
    "zip.keras": lambda path: write_keras_zip(TINY, path),
    "timm.pth": lambda path: torch.save({"state_dict": timm_tensors(TINY)}, path),
    "ours.safetensors": lambda path: save_weights(TINY, path, classes=["a", "b", "c"]),
}
# 2,000 in all; those that are read fastest more often.
TIMES = {"named.weights.h5": 250, "old.h5": 250, "zip.keras": 200, "timm.pth": 500}
PIECES = (b"\x00", b"\xff", b"{", b"}", b"9999999999", b"\x1b[31m", b"../", b"PK\x05\x06", b"(((((")


def mutated(content, rng):
    """Bytes changed, cut, doubled or put in, mostly where a format keeps its structure."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 6)):
        ends = (rng.randrange(len(content)), rng.randrange(min(4000, len(content))))
        place = rng.choice((*ends, len(content) - 1 - ends[1]))
        action = rng.random()
        if action < 0.6:
            content[place] = rng.randrange(256)
        elif action < 0.8:
            content[place:place] = rng.choice(PIECES) * rng.randint(1, 40)
        elif action < 0.9:
            del content[place : place + rng.randint(1, 200)]
        else:
            content[place:] = content[place : place + rng.randint(1, len(content))]
    return bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_mutated_files_are_read_or_refused_in_one_line(name, tmp_path):
    WRITERS[name](tmp_path / name)
    whole, rng = (tmp_path / name).read_bytes(), random.Random(name)
    for i in range(TIMES.get(name, 800)):
        path = tmp_path / f"{i}.bin"
        path.write_bytes(mutated(whole, rng))
        try:
            import_weights(path)
        except ValueError as error:
            message = str(error)
            assert message.isprintable(), repr(message)
            assert len(message) <= 400
            assert path.name in message
        path.unlink()


WORDS = """
--out --weights --format --checkpoint --data --recipe --labels --from --no-top --ema --verbose
--image-size --segments --input-size --check --force --device --threads --max-pixels --seed
--epochs --model.segments --model.width --resume --help -h -- - json csv text xception vgg16
module inception_v3 digits cifar10 imagefolder 0 -1 1e308 nan null true [] [4,4,8] x.png
nothing.pth . / /dev/null
""".split()  # noqa: SIM905 (a list of so many would be as many lines)
HOSTILE = ("", " ", "\x00", "\x1b[31m", "é\udcff", "a" * 5000, "9" * 5000, "\n", "%s%n", "고양이")


def command_lines(number):
    rng = random.Random(0)
    # those that would begin to work: draw, open a browser, train, write, measure
    safe = ("costs", "evaluate", "predict", "import-weights", "train")
    for _ in range(number):
        command = rng.choice((*safe, *safe, *COMMANDS, *HOSTILE))
        words = [rng.choice((*WORDS, *WORDS, *HOSTILE)) for _ in range(rng.randint(0, 6))]
        if command in ("figures", "notebooks", "lab", "benchmark", "sweep"):
            words = ["--nonsense", *words]
        if command == "train":
            words += ["--dry-run", "x"]
        yield [command, *words]


@pytest.mark.slow
def test_2000_command_lines_end_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for argv in command_lines(2000):
        try:
            status = main(argv)
        except SystemExit as stop:
            status = stop.code
        _, err = capsys.readouterr()
        assert status in (0, 1, 2), argv
        assert "Traceback" not in err
        assert all(len(line) <= 400 and line.isprintable() for line in err.splitlines()), argv
        assert err.count("\n") == (1 if status == 2 else err.count("\n")), (argv, err)
