"""What ``accel bench`` refuses before anything runs, and how quantities are read."""

from __future__ import annotations

import click
import pytest

from ipfs_accelerate.cli import quantities
from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.testing.conformance.models import onnx_artifact


@pytest.fixture
def model(tmp_path):
    onnx_artifact(tmp_path / "model")
    return str(tmp_path / "model")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--targets", "onnxruntime/cpu/in8"), "onnxruntime/cpu/int8"),
        (("--targets", "onnxruntime/cpu/fp32,"), "empty name"),
        (("--budget", "soon"), "10s"),
        (("--budget", "0s"), "not positive"),
        (("--batch", "0"), "positive"),
        (("--seq", "1,x"), "positive integers"),
        (("--precision-goal", "120%"), "below 100"),
        (("--memory-limit", "-1GiB"), "8GiB"),
        (("--format", "html"), "--report"),
        (("--report", "x.html", "--format", "htm"), "html"),
        (("--plugin", "no_such_module"), "no_such_module"),
        (("--input", "no-such-file.txt"), "no-such-file.txt"),
        (
            ("--targets", "onnxruntime/cuda/fp16", "--simulate", "--datasheet", "a100"),
            "nvidia-a100",
        ),
        (("--targets", "onnxruntime/mps/fp16", "--simulate"), "states no rate for fp16"),
    ],
)
def test_bad_options_are_refused(model, arguments, words, capsys):
    status = _run(["bench", "run", model, *arguments])
    printed = capsys.readouterr()
    assert status in {2, 3}
    assert words in printed.err
    assert not printed.out


def test_an_absent_device_is_refused_with_the_way_out(model, capsys):
    assert _run(["bench", "run", model, "--targets", "onnxruntime/cuda:0/fp16"]) == 3
    assert "GPU" in capsys.readouterr().err


def test_a_missing_model_is_refused(capsys):
    assert _run(["bench", "run", "./no-such-model"]) == 2
    assert "no-such-model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10", 10**10), ("10s", 10**10), ("500ms", 5 * 10**8), ("1.5m", 9 * 10**10)],
)
def test_durations_are_nanoseconds(text, expected):
    assert quantities.duration(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("8GiB", 8 * 2**30), ("1 gb", 10**9), ("512", 512), (".5KiB", 512)]
)
def test_sizes_are_bytes(text, expected):
    assert quantities.size(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("2%", 0.02), ("0.02", 0.02)])
def test_shares_are_fractions(text, expected):
    assert quantities.share(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "ten", "10 parsec", "1e3s", "--5", "٣s"])
def test_what_is_no_quantity_is_refused(text):
    with pytest.raises(click.BadParameter):
        quantities.duration(text)


def test_lists_keep_their_order_and_each_entry_once():
    assert quantities.integers("8,1,8") == (8, 1)
    assert quantities.names("b, a,b") == ("b", "a")
