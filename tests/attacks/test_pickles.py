"""Pickles are refused without an explicit flag, whatever name they carry; nothing is executed."""

import io
import pickle
import tarfile
import zipfile

import pytest

from ipfs_accelerate.errors import UnsafeModelError
from ipfs_accelerate.models import resolve, verify


class Bomb:
    """Executed by any reader that unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def torch_zip(payload):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3\n")
    return stream.getvalue()


def tar(payload):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("../../escape")
        info.size = len(payload)
        archive.addfile(info, io.BytesIO(payload))
    return stream.getvalue()


@pytest.fixture(params=[0, 2, 4, 5, "torch", "tar"])
def payload(request, tmp_path):
    bomb = Bomb(tmp_path / "exploded")
    if isinstance(request.param, int):
        return pickle.dumps(bomb, protocol=request.param)
    plain = pickle.dumps(bomb, protocol=2)
    return torch_zip(plain) if request.param == "torch" else tar(plain)


def test_a_folder_with_only_pickled_weights_is_refused(folder, settings, payload, tmp_path):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(payload)

    with pytest.raises(UnsafeModelError, match="pickled weights") as caught:
        resolve(folder, settings=settings)

    assert "allow_pickle" in caught.value.hint
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "name", ["model.safetensors", "model.onnx", "model.gguf", "model.tflite", "config.json"]
)
def test_a_pickle_under_another_name_is_refused(folder, settings, payload, name, tmp_path):
    (folder / name).write_bytes(payload)

    for allow in (False, True):
        with pytest.raises(UnsafeModelError, match="under the name of"):
            resolve(folder, settings=settings, allow_pickle=allow)

    assert not (tmp_path / "exploded").exists()
    assert not list(tmp_path.glob("**/escape"))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".pkl", ".bin"])
def test_a_pickled_file_is_refused_by_itself(tmp_path, settings, payload, suffix):
    file = tmp_path / f"weights{suffix}"
    file.write_bytes(payload)

    with pytest.raises(UnsafeModelError, match="pickled weights"):
        resolve(file, settings=settings)


def test_pickles_beside_safe_weights_are_not_touched(folder, settings, payload):
    (folder / "pytorch_model.bin").write_bytes(payload)
    (folder / "training_args.bin").write_bytes(payload)
    (folder / "modeling_evil.py").write_text("raise SystemExit")

    artifact = resolve(folder, settings=settings)
    report = verify(folder, settings=settings)

    assert {f.path for f in artifact.files} == {"config.json", "model.safetensors"}
    assert "pickle" in report.skipped["pytorch_model.bin"]
    assert "never run" in report.skipped["modeling_evil.py"]


def test_pickles_are_taken_only_with_the_flag_and_named_in_the_formats(folder, settings):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(torch_zip(pickle.dumps({})))

    artifact = resolve(folder, settings=settings, allow_pickle=True)

    assert artifact.formats == {"pytorch_bin"}
