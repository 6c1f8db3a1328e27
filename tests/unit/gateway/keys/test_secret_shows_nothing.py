"""A secret gets out by `reveal` and in no other way."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import traceback
from dataclasses import asdict, dataclass

import pytest

from ipfs_accelerate.errors import ConfigurationError, InputError
from ipfs_accelerate.gateway.keys import Secret
from ipfs_accelerate.gateway.routes import Endpoint, Key

VALUE = "sk-very-secret-0123456789"


@dataclass
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        format,
        lambda s: f"{s}",
        lambda s: f"{s!r:>40}",
        lambda s: f"{s:*^60}",
        lambda s: "%s %r" % (s, s),  # noqa: UP031 - one of the ways
        ascii,
        pprint.pformat,
        lambda s: repr([s, {"key": s}]),
        lambda s: repr(Holder(s)),
        lambda s: repr(asdict(Holder(s))),
        lambda s: json.dumps({"key": s}, default=str),
        lambda s: repr(Key("first", s)),
        lambda s: repr(Endpoint("e", "openai", keys=(Key("first", s),))),
        lambda s: str(vars(type(s))),
        dir,
    ],
)
def test_no_way_of_showing_a_secret_shows_it(show):
    assert VALUE not in str(show(Secret(VALUE)))


def test_a_secret_is_revealed_by_name():
    assert Secret(f" {VALUE}\n").reveal() == VALUE


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol):
    with pytest.raises(InputError) as caught:
        pickle.dumps(Key("first", Secret(VALUE)), protocol)
    assert VALUE not in str(caught.value)


def test_json_refuses_a_secret():
    with pytest.raises(TypeError) as caught:
        json.dumps({"key": Secret(VALUE)})
    assert VALUE not in str(caught.value)


def test_logs_do_not_show_a_secret(caplog):
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").info("calling with %s %r", Secret(VALUE), Key("a", Secret(VALUE)))
    assert "Secret(***)" in caplog.text
    assert VALUE not in caplog.text


def test_copies_of_what_holds_a_secret_hold_the_same_one():
    key = Key("first", Secret(VALUE))
    assert copy.deepcopy(key).secret is key.secret
    assert copy.copy(key.secret) is key.secret


def test_secrets_compare_by_value_with_secrets_alone():
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE
    assert len({Secret(VALUE), Secret(VALUE)}) == 1


@pytest.mark.parametrize("bad", ["", " \n", "sk\r\nX-Evil: 1", "sk\x00", "schlüssel", "a\tb"])
def test_what_no_header_may_hold_is_refused_without_showing_it(bad):
    with pytest.raises(ConfigurationError) as caught:
        Secret(bad, origin="the variable X")
    shown = "".join(traceback.format_exception(caught.value))
    assert "X-Evil" not in shown
    assert "the variable X" in str(caught.value)
