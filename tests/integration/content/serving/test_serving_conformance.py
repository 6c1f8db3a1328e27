"""What the gateway conformance suite expects of its vectors (specs.ipfs.tech/http-gateways)."""

from __future__ import annotations

import io
import re

import httpx
import pytest

from ipfs_accelerate.content import Cid, MemoryBlocks
from ipfs_accelerate.content.car import read_car
from ipfs_accelerate.content.dag import Link, hamt
from ipfs_accelerate.content.serving import GatewayServer

RAW_ROOT = "bafybeie72edlprgtlwwctzljf6gkn2wnlrddqjbkxo3jomh4n7omwblxly"
RAW_DIR = "bafybeifaqksygmsbnqe76kwvxoqxtkzcwssq5jkhuo65ldtqiunr3bxlra"
RAW_FILE = "bafkreihhpc5y2pqvl5rbe5uuyhqjouybfs3rvlmisccgzue2kkt5zq6upq"
FILES = "bafybeihchr7vmgjaasntayyatmp5sv6xza57iy2h4xj7g46bpjij6yhrmy"
ASCII = "bafkreifkam6ns4aoolg3wedr4uzrs3kvq66p4pecirz6y2vlrngla62mxm"
HELLO = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"
MULTI = "bafybeigcisqd7m5nf3qmuvjdbakl5bdnh4ocrmacaqkpuh77qjvggmt2sa"
PARTS = [
    "bafkreie5noke3mb7hqxukzcy73nl23k6lxszxi5w3dtmuwz62wnvkpsscm",
    "bafkreih4ephajybraj6wnxsbwjwa77fukurtpl7oj7t7pfq545duhot7cq",
    "bafkreigu7buvm3cfunb35766dn7tmqyh2um62zcio63en2btvxuybgcpue",
    "bafkreicll3huefkc3qnrzeony7zcfo7cr3nbx64hnxrqzsixpceg332fhe",
    "bafkreifst3pqztuvj57lycamoi7z34b4emf7gawxs74nwrc2c7jncmpaqm",
]
UTF8 = "bafybeig6ka5mlwkl4subqhaiatalkcleo4jgnr3hqwvpmsqfca27cijp3i"
JSON_CBOR = "bafybeiafyvqlazbbbtjnn6how5d6h6l6rxbqc4qgpbmteaiskjrffmyy4a"
SYMLINK = "QmWvY6FaqFMS89YAQ9NAPjVP4WZKA1qbHbicc9HeSKQTgt"
PERCENT = "bafybeig675grnxcmshiuzdaz2xalm6ef4thxxds6o6ypakpghm5kghpc34"
DAG_CBOR = "bafyreibs4utpgbn7uqegmd2goqz4bkyflre2ek2iwv743fhvylwi4zeeim"
DAG_JSON = "baguqeeram5ujjqrwheyaty3w5gdsmoz6vittchvhk723jjqxk7hakxkd47xq"
MISSING = "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"
CAR = {"Accept": "application/vnd.ipld.car"}


def car_of(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [str(cid) for cid, _ in read_car(io.BytesIO(answer.content))]


# Raw blocks


@pytest.mark.parametrize(
    "ask",
    [
        {"params": {"format": "raw"}},
        {"headers": {"Accept": "application/vnd.ipld.raw"}},
        {"params": {"format": "raw"}, "headers": CAR},
        {"headers": {"Accept": "text/html;q=0.9, application/vnd.ipld.raw;q=0.5"}},
    ],
)
def test_a_raw_block_at_a_path(web: httpx.Client, vectors: MemoryBlocks, ask: dict) -> None:
    answer = web.get(f"/ipfs/{RAW_ROOT}/dir", **ask)
    assert answer.content == vectors.get(Cid.parse(RAW_DIR))
    assert answer.headers["content-type"] == "application/vnd.ipld.raw"
    assert answer.headers["content-disposition"] == f'attachment; filename="{RAW_DIR}.bin"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["etag"] == f'"{RAW_DIR}.raw"'
    assert answer.headers["x-ipfs-path"] == f"/ipfs/{RAW_ROOT}/dir"
    assert answer.headers["x-ipfs-roots"] == f"{RAW_ROOT},{RAW_DIR}"
    assert answer.headers["cache-control"] == "public, max-age=29030400, immutable"


def test_a_form_taken_from_accept_has_an_address_of_its_own(web: httpx.Client) -> None:
    answer = web.get(f"/ipfs/{RAW_FILE}?x=1", headers=CAR)
    assert answer.headers["content-location"] == f"/ipfs/{RAW_FILE}?x=1&format=car"
    assert "content-location" not in web.get(f"/ipfs/{RAW_FILE}?format=car").headers


def test_a_range_of_a_raw_block(web: httpx.Client, vectors: MemoryBlocks) -> None:
    ask = {"params": {"format": "raw"}, "headers": {"Range": "bytes=6-16"}}
    answer = web.get(f"/ipfs/{RAW_ROOT}/dir", **ask)
    assert answer.status_code == 206
    assert answer.headers["content-range"] == "bytes 6-16/57"
    assert answer.content == vectors.get(Cid.parse(RAW_DIR))[6:17]


def test_of_several_ranges_the_first_is_served(web: httpx.Client) -> None:
    answer = web.get(f"/ipfs/{RAW_FILE}?format=raw", headers={"Range": "bytes=6-16,0-4"})
    assert (answer.status_code, answer.headers["content-range"]) == (206, "bytes 6-16/31")


def test_a_file_name_may_be_asked_for(web: httpx.Client) -> None:
    answer = web.get(f"/ipfs/{RAW_FILE}?format=raw&filename=foobar.bin")
    assert answer.headers["content-disposition"] == 'attachment; filename="foobar.bin"'


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("form", ["raw", "car"])
def test_the_probe_of_the_empty_block_is_answered(
    web: httpx.Client, method: str, form: str
) -> None:
    answer = web.request(method, f"/ipfs/bafkqaaa?format={form}")
    assert answer.status_code == 200
    if method == "GET" and form == "car":
        assert list(map(str, read_car(io.BytesIO(answer.content)).roots)) == ["bafkqaaa"]
    else:
        assert answer.content == b""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", ["", "?format=raw", "?format=car"])
def test_what_is_not_here_is_404_or_412(web: httpx.Client, method: str, query: str) -> None:
    url = f"/ipfs/{MISSING}{query}"
    assert web.request(method, url).status_code == 404
    cached = {"Cache-Control": "only-if-cached"}
    assert web.request(method, url, headers=cached).status_code == 412
    here = f"/ipfs/{RAW_FILE}{query}"
    assert web.request(method, here, headers=cached).status_code == 200


# CARs


def test_a_car_says_how_it_is_made(web: httpx.Client) -> None:
    answer = web.get(f"/ipfs/{FILES}", headers=CAR)
    expected = "application/vnd.ipld.car; version=1; order=dfs; dups=n"
    assert answer.headers["content-type"] == expected
    assert answer.headers["content-disposition"] == f'attachment; filename="{FILES}.car"'
    assert re.fullmatch(rf'W/"{FILES}\.car\.[0-9a-f]+"', answer.headers["etag"])
    assert list(map(str, read_car(io.BytesIO(answer.content)).roots)) == [FILES]


def test_a_car_of_everything_is_depth_first(web: httpx.Client) -> None:
    expected = [FILES, ASCII, HELLO, MULTI, *PARTS]
    assert car_of(web.get(f"/ipfs/{FILES}?format=car")) == expected


@pytest.mark.parametrize(
    "ask",
    [
        {"headers": {"Accept": "application/vnd.ipld.car; order=dfs; dups=y"}},
        {"params": {"format": "car", "car-dups": "y"}},
    ],
)
def test_duplicates_are_sent_where_asked_for(web: httpx.Client, ask: dict) -> None:
    answer = web.get(f"/ipfs/{FILES}", **ask)
    assert car_of(answer) == [FILES, ASCII, ASCII, HELLO, MULTI, *PARTS]
    assert answer.headers["content-type"].endswith("dups=y")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("dag-scope=block", [FILES, MULTI]),
        ("dag-scope=entity", [FILES, MULTI, *PARTS]),
        ("dag-scope=all", [FILES, MULTI, *PARTS]),
        ("entity-bytes=0:*", [FILES, MULTI, *PARTS]),
        ("entity-bytes=0:255", [FILES, MULTI, PARTS[0]]),
        ("entity-bytes=0:256", [FILES, MULTI, *PARTS[:2]]),
        ("entity-bytes=512:767", [FILES, MULTI, PARTS[2]]),
        ("entity-bytes=-2:*", [FILES, MULTI, PARTS[4]]),
        ("entity-bytes=-3:*", [FILES, MULTI, *PARTS[3:]]),
        ("entity-bytes=300:-700", [FILES, MULTI, PARTS[1]]),
        ("entity-bytes=-99999:10", [FILES, MULTI, PARTS[0]]),
        ("entity-bytes=1000:999999", [FILES, MULTI, *PARTS[3:]]),
        ("entity-bytes=5000:6000", [FILES, MULTI]),
        ("entity-bytes=10:5", [FILES, MULTI]),
    ],
)
def test_a_car_at_a_path_holds_its_proof_and_its_scope(
    web: httpx.Client, query: str, expected: list[str]
) -> None:
    assert car_of(web.get(f"/ipfs/{FILES}/multiblock.txt?format=car&{query}")) == expected


def test_a_folder_as_entity_is_its_own_block(web: httpx.Client) -> None:
    assert car_of(web.get(f"/ipfs/{FILES}?format=car&dag-scope=entity")) == [FILES]
    assert car_of(web.get(f"/ipfs/{FILES}?format=car&entity-bytes=0:9")) == [FILES]
    assert car_of(web.get(f"/ipfs/{DAG_CBOR}?format=car&dag-scope=entity")) == [DAG_CBOR]


def test_each_scope_has_an_etag_of_its_own(web: httpx.Client) -> None:
    queries = ["", "&dag-scope=block", "&dag-scope=entity", "&entity-bytes=0:9", "&car-dups=y"]
    path = f"/ipfs/{FILES}/multiblock.txt?format=car"
    tags = [web.head(path + query).headers["etag"] for query in queries]
    assert len(set(tags)) == len(tags)
    again = web.get(path, headers={"If-None-Match": tags[0]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("query", "accept", "status"),
    [
        ("format=car&dag-scope=some", "", 400),
        ("format=car&entity-bytes=a:b", "", 400),
        ("format=car&entity-bytes=5", "", 400),
        ("format=car&car-version=2", "", 406),
        ("format=car&car-order=bfs", "", 406),
        ("format=car&car-dups=z", "", 406),
        ("", "application/vnd.ipld.car; version=2", 406),
        ("format=nonsense", "", 400),
        ("format=tar", "", 406),
        ("format=ipns-record", "", 400),
        ("format=dag-json", "", 406),
    ],
)
def test_what_is_not_offered_is_said(
    web: httpx.Client, query: str, accept: str, status: int
) -> None:
    headers = {"Accept": accept} if accept else {}
    assert web.get(f"/ipfs/{FILES}?{query}", headers=headers).status_code == status


def test_the_best_of_several_accepted_cars_is_sent(web: httpx.Client) -> None:
    accept = "application/vnd.ipld.car;order=foo, application/vnd.ipld.car;order=dfs;dups=y;q=0.5"
    answer = web.get(f"/ipfs/{FILES}", headers={"Accept": accept})
    assert answer.headers["content-type"].endswith("order=dfs; dups=y")


# Files and folders


def test_a_folder_without_slash_is_redirected(web: httpx.Client) -> None:
    answer = web.get(f"/ipfs/{UTF8}/ą/ę")
    assert answer.status_code == 301
    assert answer.headers["location"] == f"/ipfs/{UTF8}/%C4%85/%C4%99/"


def test_a_folder_is_listed(web: httpx.Client) -> None:
    answer = web.get(f"/ipfs/{UTF8}/ą/ę/")
    assert "Index of" in answer.text
    link = f'<a href="/ipfs/{UTF8}/%C4%85/%C4%99/file-%C5%BA%C5%82.txt">file-źł.txt</a>'
    assert link in answer.text
    assert answer.headers["etag"].startswith('"DirIndex-')
    assert answer.headers["x-ipfs-path"] == f"/ipfs/{UTF8}/%C4%85/%C4%99/"
    again = {"If-None-Match": f"W/{answer.headers['etag']}"}
    assert web.get(f"/ipfs/{UTF8}/ą/ę/", headers=again).status_code == 304


def test_a_listing_for_programs(web: httpx.Client) -> None:
    made = web.get(f"/ipfs/{SYMLINK}?format=json").json()
    assert [entry["name"] for entry in made["entries"]] == ["bar", "foo"]
    assert made["is_complete"]


def test_a_file_that_is_not_there_is_404(web: httpx.Client) -> None:
    assert web.get(f"/ipfs/{UTF8}/i-do-not-exist").status_code == 404


def test_a_file_is_its_bytes_with_its_type(web: httpx.Client) -> None:
    answer = web.get(f"/ipfs/{FILES}/ascii.txt")
    assert answer.text == "hello application/vnd.ipld.car\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["etag"] == f'"{ASCII}"'
    for known in (f'"{ASCII}"', f'W/"{ASCII}"', f'"a", "b", "{ASCII}"', "*"):
        again = web.get(f"/ipfs/{FILES}/ascii.txt", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "shown", "part"),
    [
        ("bytes=6-16", "bytes 6-16/1026", slice(6, 17)),
        ("bytes=-3", "bytes 1023-1025/1026", slice(1023, None)),
        ("bytes=1000-", "bytes 1000-1025/1026", slice(1000, None)),
        ("bytes=255-256", "bytes 255-256/1026", slice(255, 257)),
        ("bytes=1000-99999999999", "bytes 1000-1025/1026", slice(1000, None)),
    ],
)
def test_ranges_of_a_file_of_many_blocks(
    web: httpx.Client, asked: str, shown: str, part: slice
) -> None:
    whole = web.get(f"/ipfs/{FILES}/multiblock.txt").content
    assert len(whole) == 1026
    answer = web.get(f"/ipfs/{FILES}/multiblock.txt", headers={"Range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (206, shown)
    assert answer.content == whole[part]


def test_a_range_behind_the_end_is_416(web: httpx.Client) -> None:
    answer = web.get(f"/ipfs/{FILES}/multiblock.txt", headers={"Range": "bytes=1026-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */1026")


def test_a_range_of_another_version_is_everything(web: httpx.Client) -> None:
    headers = {"Range": "bytes=0-1", "If-Range": '"other"'}
    assert web.get(f"/ipfs/{FILES}/ascii.txt", headers=headers).status_code == 200
    headers["If-Range"] = f'"{ASCII}"'
    assert web.get(f"/ipfs/{FILES}/ascii.txt", headers=headers).status_code == 206


def test_a_symlink_is_its_target(web: httpx.Client) -> None:
    assert web.get(f"/ipfs/{SYMLINK}/bar").text == "foo"
    assert web.get(f"/ipfs/{SYMLINK}/foo").text == "content\n"
    listing = web.get(f"/ipfs/{SYMLINK}/").text
    assert ">foo<" in listing
    assert ">bar<" in listing


def test_a_name_with_percent_signs(web: httpx.Client) -> None:
    path = f"/ipfs/{PERCENT}/Portugal%252C+España=Peninsula%20Ibérica.txt"
    assert web.get(path).text == "hello from a percent encoded filename\n"


def test_json_in_a_file_is_json(web: httpx.Client) -> None:
    cid = "bafkreibrppizs3g7axs2jdlnjua6vgpmltv7k72l7v7sa6mmht6mne3qqe"
    for headers in ({}, {"Accept": "application/json"}):
        answer = web.get(f"/ipfs/{cid}", headers=headers)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == {"test": "i am a plain json file"}


def test_a_path_through_shards_is_proved_by_those_on_the_way() -> None:
    target = Cid.of(b"target")
    blocks = MemoryBlocks([(target, b"target")])
    entries = [Link(f"name-{number}", target, 6) for number in range(300)]
    root, nodes = hamt.build(entries, 16, lambda block: Cid.of(block, codec=0x70))
    for cid, block in nodes:
        blocks.put(cid, block)
    with GatewayServer(blocks, token=None) as server, httpx.Client(base_url=server.url) as client:
        path = f"/ipfs/{root.cid}/name-123"
        assert client.get(path).text == "target"
        proof = car_of(client.get(f"{path}?format=car"))
        assert (proof[0], proof[-1]) == (str(root.cid), str(target))
        assert 3 <= len(proof) <= 6
        shards = car_of(client.get(f"/ipfs/{root.cid}?format=car&dag-scope=entity"))
        assert set(shards) == {str(cid) for cid, _ in nodes}
        listing = client.get(f"/ipfs/{root.cid}?format=json").json()
        assert {entry["name"] for entry in listing["entries"]} == {link.name for link in entries}
        assert client.get(f"/ipfs/{root.cid}/name-1234").status_code == 404


# Other codecs


@pytest.mark.parametrize(
    ("cid", "media", "shown"),
    [
        (
            "bafireif3aymeikgfbofx533yf5vlx4kimzq6zmzmpra2mnzfsfnmv4hchm",
            "application/cbor",
            'attachment; filename="{}.cbor"',
        ),
        (
            "bagaaierajjsnhsxqlgfrvknlt7z2heoljcgfv37cn45tu7mhmr23x3ekiboq",
            "application/json",
            'inline; filename="{}.json"',
        ),
    ],
)
def test_plain_codecs_are_sent_as_they_are(
    web: httpx.Client, vectors: MemoryBlocks, cid: str, media: str, shown: str
) -> None:
    answer = web.get(f"/ipfs/{cid}")
    assert answer.content == vectors.get(Cid.parse(cid))
    assert answer.headers["content-type"] == media
    assert answer.headers["content-disposition"] == shown.format(cid)
    wrong = {"application/cbor": "json", "application/json": "cbor"}[media]
    assert web.get(f"/ipfs/{cid}?format={wrong}").status_code == 406


@pytest.mark.parametrize(("cid", "form"), [(DAG_CBOR, "dag-cbor"), (DAG_JSON, "dag-json")])
def test_paths_lead_through_links_of_maps(web: httpx.Client, cid: str, form: str) -> None:
    ends = web.get(f"/ipfs/{cid}/foo/link/bar?format={form}")
    assert ends.status_code == 200
    assert b"this is not a link" in ends.content
    assert ends.headers["content-type"] == f"application/vnd.ipld.{form}"
    inside = web.get(f"/ipfs/{cid}/foo?format={form}")
    assert inside.status_code == 501
    assert "reading IPLD Kinds other than Links (CBOR Tag 42) is not implemented" in inside.text
    assert web.get(f"/ipfs/{cid}/foo/i-do-not-exist").status_code == 404
    proof = car_of(web.get(f"/ipfs/{cid}/foo/link/bar?format=car"))
    assert (len(proof), proof[0]) == (3, cid)


def test_writing_is_refused(web: httpx.Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = web.request(method, f"/ipfs/{RAW_FILE}")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
