import importlib.util
import json
from pathlib import Path

import pytest

from ipfs_accelerate.cli.main import _run
from ipfs_accelerate.store import Ledger

_ROWS = Path(__file__).parents[1] / "evidence" / "certification" / "conftest.py"


@pytest.fixture(scope="module")
def db(tmp_path_factory):
    spec = importlib.util.spec_from_file_location("certified_rows", _ROWS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = tmp_path_factory.mktemp("ledger") / "ledger.duckdb"
    module.store(Ledger(path), [module.quiet_row(day) for day in range(3)])
    return path


@pytest.fixture
def certify(db, capsys):
    def run(*arguments):
        status = _run(["bench", "certify", *map(str, arguments), "--db", str(db)])
        return status, capsys.readouterr()

    return run


def test_a_certificate_is_made_and_holds(certify, tmp_path, capsys):
    assert _run(["content", "key", "new", "lab"]) == 0
    file = tmp_path / "cert.json"
    status, printed = certify("--target", "onnxruntime/cpu/fp32", "--output", file, "--key", "lab")
    assert status == 0
    assert "certified, score" in printed.out
    status, printed = certify("--verify", file)
    assert (status, "it holds" in printed.out) == (0, True)
    assert "did:key:z6Mk" in printed.out
    status, printed = certify("--verify", file, "--json")
    found = json.loads(printed.out)
    assert (found["schema"], found["holds"]) == ("ipfs-accelerate/certificate-audit/1", True)
    assert found["rows_checked"] == 3


def test_a_result_is_named_by_the_beginning_of_its_id(certify, db):
    whole = Ledger(db, read_only=True).performance()[0].result_id
    status, printed = certify(whole[:12], "--json")
    found = json.loads(printed.out)
    assert (status, found["result_id"], found["level"]) == (0, whole, "certified")
    assert len(found["rules"]) == len({rule["id"] for rule in found["rules"]})


def test_a_result_that_is_not_certified_ends_with_1_and_says_why(certify):
    status, printed = certify("--target", "onnxruntime/cpu/fp32", "--quantile", "99")
    assert status == 1
    assert "refused by: enough_samples" in printed.out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("zz",),
        ("",),
        ("3f", "--target", "x"),
        ("--target", "torch/cpu/fp32"),
        ("--target", "onnxruntime/cpu/fp32", "--output", "c.json"),
        ("--target", "onnxruntime/cpu/fp32", "--key", "lab"),
        ("--target", "onnxruntime/cpu/fp32", "--output", "c.json", "--key", "nobody"),
        ("--target", "onnxruntime/cpu/fp32", "--runs", "1"),
        ("--target", "onnxruntime/cpu/fp32", "--quantile", "p"),
        ("--target", "onnxruntime/cpu/fp32", "--quantile", "100"),
        ("--verify", __file__, "--run"),
        ("--verify", "nothing.json"),
    ],
)
def test_usage_errors_end_with_2(certify, arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, printed = certify(*arguments)
    assert status == 2, printed
    assert not list(tmp_path.iterdir())


def test_what_is_no_certificate_does_not_hold(certify, tmp_path):
    file = tmp_path / "c.json"
    file.write_bytes(b"\xff\xfe{")
    status, printed = certify("--verify", file)
    assert status == 1
    assert "error[" in printed.err
