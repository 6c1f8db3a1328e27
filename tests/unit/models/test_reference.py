"""References parse to what they mean, or are refused with a hint."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipfs_accelerate.errors import ModelReferenceError
from ipfs_accelerate.models import ModelRef, Scheme

CID = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"


@pytest.mark.parametrize(
    ("text", "scheme", "location", "revision"),
    [
        ("org/name", Scheme.HUB, "org/name", None),
        ("gpt2", Scheme.HUB, "gpt2", None),
        ("org/name@v1.0", Scheme.HUB, "org/name", "v1.0"),
        ("hf://org/name@refs/pr/1", Scheme.HUB, "org/name", "refs/pr/1"),
        ("random://bert?seed=0&size=tiny", Scheme.RANDOM, "bert?seed=0&size=tiny", None),
        ("s3://bucket/models/bert", Scheme.S3, "bucket/models/bert", None),
        (f"ipfs://{CID}/onnx", Scheme.IPFS, CID, None),
    ],
)
def test_references_parse(text, scheme, location, revision):
    ref = ModelRef.parse(text)

    assert (ref.scheme, ref.location, ref.revision) == (scheme, location, revision)
    assert ModelRef.parse(str(ref)) == ref


def test_an_existing_path_wins_over_a_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "name").mkdir(parents=True)

    assert ModelRef.parse("org/name").scheme is Scheme.DIRECTORY
    assert ModelRef.parse("hub://org/name").scheme is Scheme.HUB


@pytest.mark.parametrize("text", ["", "  ", "./absent", "a/b/c", "org/na me", "-x/y", "model.onnx"])
def test_what_is_no_reference_is_refused_with_a_hint(text):
    with pytest.raises(ModelReferenceError) as caught:
        ModelRef.parse(text)

    assert "random://" in caught.value.hint


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text):
    try:
        ref = ModelRef.parse(text)
    except ModelReferenceError:
        return
    if ref.scheme is Scheme.HUB:
        assert ".." not in str(ref)
        assert not str(ref).startswith("/")
