"""Every provider passes one suite, on answers written from its service's public description."""

import pytest

from ipfs_accelerate.gateway.providers.registry import provider_names
from ipfs_accelerate.testing.conformance.provider import ProviderConformance
from ipfs_accelerate.testing.conformance.provider_case import ProviderCase
from ipfs_accelerate.testing.conformance.recorded import cases

CASES = cases()


class TestProviders(ProviderConformance):
    @pytest.fixture(params=sorted(CASES))
    def case(self, request: pytest.FixtureRequest) -> ProviderCase:
        return CASES[request.param]


def test_every_provider_has_a_case():
    assert sorted(CASES) == list(provider_names())


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_case_holds_answers_for_everything_that_is_declared(name: str):
    case = CASES[name]
    able = case.provider.capabilities
    assert able.has_streaming == (case.stream is not None)
    assert able.has_tools == (case.tools is not None) == (case.tool_stream is not None)
    declared = {str(operation) for operation in able.operations}
    answered = {
        kind for kind in ("chat", "completion", "embedding", "rerank") if getattr(case, kind)
    }
    assert declared == answered
