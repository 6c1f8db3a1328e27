"""The first useful line of an error."""

from ipfs_accelerate.bench.sweep.reasons import reason_of
from ipfs_accelerate.errors import LoadError, TargetUnsupportedError


def chained(inner: BaseException, outer: BaseException) -> BaseException:
    outer.__cause__ = inner
    return outer


def test_the_innermost_error_speaks():
    error = chained(TypeError("bad operand"), RuntimeError("Failed to export the model"))
    found = reason_of(error)
    assert (found.error_class, found.first_line) == ("TypeError", "bad operand")


def test_noise_paths_addresses_and_colours_are_left_out():
    text = (
        "\x1b[31mFailed to export the model with torch.export.\x1b[0m\n\n----\n"
        "cannot read /home/somebody/models/x/model.onnx at 0x7f00deadbeef"
    )
    assert reason_of(RuntimeError(text)).first_line == "cannot read model.onnx at 0x…"


def test_an_endless_line_is_cut():
    assert len(reason_of(ValueError("x" * 10_000)).first_line) == 240


def test_an_error_that_says_nothing_is_named():
    assert reason_of(AssertionError()).first_line == "AssertionError"


def test_what_is_missing_here_is_told_from_what_fails():
    timm = ImportError("\nTimmBackbone requires the timm library but it was not found in your …")
    assert reason_of(timm).is_missing
    assert reason_of(timm).first_line == (
        "needs the library timm, which is not installed (pip install timm)"
    )
    assert reason_of(TargetUnsupportedError("no such device")).is_missing
    assert reason_of(RuntimeError("Torch not compiled with CUDA enabled")).is_missing
    assert not reason_of(LoadError("operator Foo is unknown")).is_missing
