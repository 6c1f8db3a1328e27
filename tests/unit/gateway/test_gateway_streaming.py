"""Pieces become an answer, and a repeated answer is joined to the one begun or refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipfs_accelerate.errors import StreamTruncatedError
from ipfs_accelerate.gateway.messages import (
    ChatChunk,
    ChatRequest,
    FinishReason,
    Message,
    ToolCall,
    ToolCallPart,
    Usage,
)
from ipfs_accelerate.gateway.providers import Capabilities
from ipfs_accelerate.gateway.streaming import Delivered, joint_for

REQUEST = ChatRequest("m", (Message("user", "Count."),))
PLAIN = Capabilities(frozenset())
PREFILL = Capabilities(frozenset(), has_prefill=True)
STOP = ChatChunk(finish_reason=FinishReason.STOP)


def delivered(*texts: str) -> Delivered:
    so_far = Delivered()
    for text in texts:
        so_far.add(ChatChunk(text))
    return so_far


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


def test_pieces_of_tool_calls_are_joined_by_their_index() -> None:
    so_far = Delivered()
    so_far.add(
        ChatChunk(tool_calls=(ToolCallPart(0, "a", "sum", '{"x"'), ToolCallPart(1, "b", "no")))
    )
    so_far.add(ChatChunk(tool_calls=(ToolCallPart(0, arguments=":1}"),)))
    so_far.add(ChatChunk(finish_reason=FinishReason.TOOL_CALLS))
    so_far.add(ChatChunk(usage=Usage(1, 2)))
    answer = so_far.response("m")
    assert answer.message.tool_calls == (ToolCall("a", "sum", '{"x":1}'), ToolCall("b", "no", ""))
    assert answer.usage == Usage(1, 2)


def test_half_an_answer_is_no_response() -> None:
    with pytest.raises(StreamTruncatedError):
        delivered("One, ").response("m")


@given(st.text(), st.integers(0, 100), st.lists(st.integers(0, 100)))
def test_a_repeated_answer_goes_on_where_the_first_was_cut(
    text: str, end: int, places: list[int]
) -> None:
    begun = text[: end % (len(text) + 1)]
    joint = joint_for(REQUEST, delivered(begun), PLAIN)
    parts = [joint.fit(ChatChunk(part)) for part in cut(text, places)]
    parts.append(joint.fit(STOP))
    assert begun + "".join(part.text for part in parts if part) == text
    assert parts[-1] is not None


@given(st.text(min_size=1), st.text(), st.lists(st.integers(0, 100)))
def test_another_answer_is_never_glued_to_the_one_begun(
    begun: str, other: str, places: list[int]
) -> None:
    if other.startswith(begun):
        return
    joint = joint_for(REQUEST, delivered(begun), PLAIN)
    parts = [*map(ChatChunk, cut(other, places)), STOP]
    with pytest.raises(StreamTruncatedError):
        assert [joint.fit(part) for part in parts] == []


def test_a_service_that_continues_turns_is_given_what_was_delivered() -> None:
    joint = joint_for(REQUEST, delivered("One, ", "two"), PREFILL)
    assert joint.request.messages[-1] == Message("assistant", "One, two")
    assert joint.fit(ChatChunk(", three")) == ChatChunk(", three")


def test_text_that_ends_in_a_blank_is_asked_for_again() -> None:
    """Claude refuses a turn to continue that ends in white space."""
    joint = joint_for(REQUEST, delivered("One, "), PREFILL)
    assert joint.request == REQUEST
    assert joint.fit(ChatChunk("One, two")) == ChatChunk("two")
