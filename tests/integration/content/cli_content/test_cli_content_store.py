"""``accel content``: what is added is found again, and every command says what it did."""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path

import pytest

EMPTY_FOLDER = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
HELLO = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"


def test_add_prints_the_cid_alone_and_the_rest_on_stderr(machine, tmp_path: Path) -> None:
    (tmp_path / "hello").write_bytes(b"hello")
    found = machine.content("add", tmp_path / "hello")
    assert (found.code, found.out) == (0, HELLO + "\n")
    assert "1 file, 5 B, profile unixfs-v1-2025, pinned" in found.err


def test_hash_only_keeps_nothing(machine, model: Path) -> None:
    cid = machine.content("add", model, "--hash-only").first
    assert machine.content("ls", cid).code == 3
    assert machine.content("add", model).first == cid


def test_the_profile_decides_the_cid(machine, model: Path) -> None:
    cids = {
        profile: machine.content("add", model, "--profile", profile, "--json").json["cid"]
        for profile in ("unixfs-v1-2025", "unixfs-v0-2015", "dedup-v1-2026")
    }
    assert len(set(cids.values())) == 3
    assert cids["unixfs-v0-2015"].startswith("Qm")


def test_an_unknown_profile_names_the_nearest(machine, model: Path) -> None:
    found = machine.content("add", model, "--profile", "unixfs-v1-2052")
    assert found.code == 2
    assert "unixfs-v1-2025" in found.err


def test_nocopy_leaves_the_bytes_where_they_are(machine, model: Path) -> None:
    cid = machine.content("add", model, "--nocopy").first
    stats = machine.content("stats", "--json").json
    assert stats["references"] == 3
    assert machine.content("cat", f"{cid}/sub/vocab.txt").out == "a\nb\n"


def test_hidden_files_are_left_out_and_named(machine, model: Path) -> None:
    (model / ".git").mkdir()
    found = machine.content("add", model, "--json").json
    assert found["skipped"] == [".git"]
    assert found["files"] == 3


def test_folders_are_listed(machine, model: Path) -> None:
    cid = machine.content("add", model).first
    listed = machine.content("ls", cid).out
    assert [line.split()[-1] for line in listed.splitlines()] == [
        "config.json", "model.safetensors", "sub/"
    ]  # fmt: skip
    rows = machine.content("tree", cid, "--json").json["entries"]
    assert [row["path"] for row in rows] == [
        "config.json", "model.safetensors", "sub", "sub/vocab.txt"
    ]  # fmt: skip


def test_a_range_of_a_file_is_written_as_it_is(machine, model: Path) -> None:
    cid = machine.content("add", model).first
    found = machine.content("cat", f"{cid}/config.json", "--range", "2:12", "--json").json
    assert base64.b64decode(found["base64"]) == b"model_type"
    assert machine.content("cat", f"{cid}/config.json", "--range", "x").code == 2


@pytest.mark.parametrize("form", ["{}", "ipfs://{}", "/ipfs/{}", "{}/"])
def test_a_cid_is_taken_in_every_usual_form(machine, model: Path, form: str) -> None:
    cid = machine.content("add", model).first
    assert machine.content("stat", form.format(cid), "--json").json["files"] == 3


@pytest.mark.parametrize("text", ["nonsense", "Qm", "../etc", "bafy"])
@pytest.mark.parametrize("verb", ["ls", "cat", "stat", "tree", "get", "verify"])
def test_what_is_no_cid_is_a_usage_error(machine, verb: str, text: str) -> None:
    found = machine.content(verb, text)
    assert found.code == 2
    assert "not a content identifier" in found.err


def test_stat_says_how_much_is_here(machine, model: Path) -> None:
    cid = machine.content("add", model).first
    facts = machine.content("stat", cid, "--json").json
    assert facts["size_bytes"] == facts["here_bytes"] > 2_400_000
    assert facts["kind"] == "directory"
    assert machine.content("stat", EMPTY_FOLDER).code == 3


def test_pins_come_and_go(machine, model: Path) -> None:
    cid = machine.content("add", model, "--no-pin").first
    assert machine.content("pin", "ls", "--json").json["pins"] == []
    assert machine.content("pin", "add", cid, "--name", "production").code == 0
    assert machine.content("pin", "ls").out == f"{cid}  production\n"
    assert machine.content("pin", "rm", cid).code == 3
    assert machine.content("pin", "rm", cid, "--name", "production").code == 0


def test_gc_keeps_what_is_pinned(machine, model: Path, tmp_path: Path) -> None:
    kept = machine.content("add", model).first
    (tmp_path / "loose").write_bytes(b"x" * 100_000)
    loose = machine.content("add", tmp_path / "loose", "--no-pin").first
    assert machine.content("gc").code == 2
    found = machine.content("gc", "--all", "--json").json
    assert found["removed"] == [loose]
    assert machine.content("verify", kept).code == 0


def test_a_quota_below_what_is_pinned_removes_nothing(machine, model: Path) -> None:
    cid = machine.content("add", model).first
    found = machine.content("gc", "--quota", "1KiB")
    assert found.code == 3
    assert "error[quota_exceeded]" in found.err
    assert machine.content("verify", cid).code == 0


def test_check_finds_a_flipped_bit_and_heals_it_from_a_gateway(machine, other, model: Path) -> None:
    machine.content("add", model)
    cid = other.content("add", model).first
    damaged = next(
        p for p in (other.home / "content" / "files").rglob("*") if p.stat().st_size > 2e6
    )
    before = damaged.stat()
    damaged.chmod(0o644)
    with damaged.open("r+b") as stream:
        stream.seek(1_500_000)
        stream.write(b"!")
    import os

    os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))
    found = other.content("check", "--json")
    assert found.code == 1
    assert len(found.json["damaged"]) == 1
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = url
        healed = other.content("check", "--heal", "--json")
    assert healed.code == 0
    assert healed.json["healed"] == found.json["damaged"]
    assert other.content("verify", cid).code == 0


def test_check_names_the_file_that_was_edited_until_it_is_whole_again(
    machine, other, model: Path
) -> None:
    machine.content("add", model)
    other.content("add", model, "--nocopy")
    edited = model / "model.safetensors"
    good = edited.read_bytes()
    edited.write_bytes(good[:1_500_000] + b"!" + good[1_500_001:])
    for _ in range(2):
        found = other.content("check", "--json")
        assert found.code == 1
        assert found.json["broken"] == [str(edited)]
    assert f"broken  {edited}" in other.content("check").out
    with machine.serving() as url:
        other.environment["CONTENT_GATEWAYS"] = url
        healed = other.content("check", "--heal", "--json")
    assert (healed.code, healed.json["broken"]) == (0, [])
    assert edited.read_bytes()[1_500_000:1_500_001] == b"!", "another's file is never written to"


def test_an_archive_carries_content_to_another_machine(
    machine, other, model: Path, tmp_path: Path
) -> None:
    cid = machine.content("add", model).first
    archive = tmp_path / "model.car"
    for version in ("1", "2"):
        done = machine.content("car", "export", cid, archive, "--car-version", version, "--json")
        assert done.json["size_bytes"] == archive.stat().st_size
        found = other.content("car", "import", archive, "--json").json
        assert (found["version"], found["roots"]) == (int(version), [cid])
    assert other.content("verify", cid).code == 0
    assert other.content("pin", "ls", "--json").json["pins"][0]["cid"] == cid


def test_an_archive_of_what_is_not_here_leaves_no_file(machine, tmp_path: Path) -> None:
    assert machine.content("car", "export", EMPTY_FOLDER, tmp_path / "x.car").code == 3
    assert not list(tmp_path.glob("*.car*"))
    assert not list(tmp_path.glob(".x.car*"))


def test_a_broken_archive_is_refused(machine, tmp_path: Path) -> None:
    (tmp_path / "bad.car").write_bytes(b"\xff" * 100)
    found = machine.content("car", "import", tmp_path / "bad.car", "--json")
    assert found.code == 1
    assert json.loads(found.out)["error"]["code"] == "content_format"


def test_an_archive_is_read_from_stdin(
    machine, other, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cid = machine.content("add", model).first
    archive = tmp_path / "model.car"
    machine.content("car", "export", cid, archive)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(archive.read_bytes())))
    assert other.content("car", "import", "-").first == cid


def test_every_command_ends_its_help_with_an_example_and_takes_json() -> None:
    import click

    from ipfs_accelerate.cli.content import command

    def leaves(group: click.Group) -> list[click.Command]:
        context = click.Context(group)
        found = [group.get_command(context, name) for name in group.list_commands(context)]
        return [
            leaf for c in found if c for leaf in (leaves(c) if isinstance(c, click.Group) else [c])
        ]

    commands = leaves(command)
    assert len(commands) > 20
    for leaf in commands:
        assert (leaf.epilog or "").startswith("Example: accel content "), leaf.name
        assert "--json" in {o for p in leaf.params for o in p.opts}, leaf.name
