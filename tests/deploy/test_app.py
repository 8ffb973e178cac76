"""The page's answers by HTTP: what is said of images, and what is refused before anything is read of them."""

import base64
import io
import re
import socket
import struct
import subprocess
import sys
import zlib
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from threading import Barrier, Lock
from time import sleep
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from closure import ROOT
from conftest import Exported
from deploy_run import Made, picture
from fastapi.testclient import TestClient
from made import CLASSES
from PIL import Image

import erkt
from erkt.cli import app
from erkt.data import prepare
from erkt.deploy import onnx_file, timm_folder
from erkt.deploy.app import limits, panel
from erkt.deploy.describe import alone, card_of
from erkt.errors import ErktError
from erkt.evaluation.gradcam import heat
from erkt.networks import models
from erkt.params.network import Network, Weights
from erkt.params.prepare import Prepare

LOCAL = "http://localhost"


def options(*arguments: object) -> Namespace:
    parser = ArgumentParser()
    app.arguments(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def client(*arguments: object, address: str = LOCAL) -> TestClient:
    return TestClient(app.made(options(*arguments)), base_url=address)


@pytest.fixture(scope="module")
def page(exported: Exported) -> TestClient:
    return client(exported.path, "--megabytes", 1, "--megapixels", 1)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def blank(width: int, height: int) -> bytes:
    """Return a whole PNG file of one colour, which is small however many pixels it has."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows, squeeze = bytes(width + 1), zlib.compressobj(9)
    body = b"".join(squeeze.compress(rows) for _ in range(height)) + squeeze.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def sent(page: TestClient, *named: tuple[str, bytes], **query: Any) -> list[dict[str, Any]]:
    answer = page.post("/predict", files=[("images", one) for one in named], params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["images"]
    assert [image["name"] for image in found] == [name for name, _ in named]
    return found


def test_it_says_what_the_model_says(page: TestClient, exported: Exported, made: Made) -> None:
    model = erkt.load(exported.path)
    paths = sorted(made.images.glob("*/*.jpg"))[:5]
    found = sent(page, *((path.name, path.read_bytes()) for path in paths), top=2)
    for answer, expected in zip(found, model.predict(paths), strict=True):
        assert (answer["class"], answer["unsure"]) == (expected.class_name, expected.unsure)
        assert answer["probability"] == pytest.approx(expected.probability, abs=1e-6)
        assert answer["entropy"] == pytest.approx(expected.entropy, abs=1e-5)
        assert [(one["class"], one["probability"]) for one in answer["top"]] == [
            (name, pytest.approx(share, abs=1e-6)) for name, share in expected.top(2)
        ]
        assert answer["error"] is answer["ensemble"] is None


def test_a_file_that_is_no_image_is_one_line_and_the_others_are_answered(page: TestClient) -> None:
    good, cut = png(picture(0, 0)), png(picture(1, 1))[:-500]
    found = sent(page, ("a.png", good), ("b.png", b"text"), ("c.png", b""), ("d.png", cut), ("e.png", good))
    assert [image["error"] for image in found[:3]] == [None, "not an image of a known format", "empty file"]
    assert "truncated" in found[3]["error"]
    assert all(len(image["error"].splitlines()) == 1 for image in found[1:4])
    assert {**found[0], "name": ""} == {**found[4], "name": ""}
    assert {found[1][name] for name in ("class", "probability", "unsure", "ensemble")} == {None}


def test_a_large_image_is_refused_by_its_header_alone(
    page: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """50 megapixels in 50 kB; nothing of it may be decoded."""
    data = blank(10_000, 5_000)
    assert len(data) < 100_000
    monkeypatch.setattr(panel, "from_bytes", lambda *_: pytest.fail("decoded"))
    (found,) = sent(page, ("large.png", data))
    assert found["error"] == "10000 x 5000 pixels are 50.0 megapixels, more than 1"


def test_a_large_image_is_answered_where_it_is_allowed(exported: Exported) -> None:
    large = client(exported.path, "--megapixels", 50)
    black = png(Image.new("L", (40, 40)))
    found = sent(large, ("large.png", blank(10_000, 5_000)), ("small.png", black))
    assert found[0]["error"] is None
    assert found[0]["probability"] == pytest.approx(found[1]["probability"], abs=1e-6)
    (refused,) = sent(large, ("large.png", blank(10_000, 5_001)))
    assert refused["error"] == "10000 x 5001 pixels are 50.0 megapixels, more than 50"


def test_formats_are_those_that_preparation_reads(page: TestClient) -> None:
    """And no other: some of Pillow's decoders start programs."""
    for kind in ("JPEG", "PNG", "TIFF", "BMP", "WEBP", "GIF"):
        file = io.BytesIO()
        picture(2, 0).save(file, kind)
        assert sent(page, ("image", file.getvalue()))[0]["error"] is None, kind
    postscript = io.BytesIO()
    picture(2, 0).save(postscript, "EPS")
    assert sent(page, ("image", postscript.getvalue()))[0]["error"] == "not an image of a known format"


def test_a_file_over_the_limit_is_one_line(page: TestClient) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    data = png(Image.fromarray(noise))
    found = sent(page, ("large.png", data), ("good.png", png(picture(0, 0))))
    assert [image["error"] for image in found] == ["more than 1 MB", None]


@pytest.mark.parametrize("declared", [True, False])
def test_a_request_over_the_limit_is_refused_before_it_is_read(page: TestClient, declared: bool) -> None:
    """By the length that it declares; or, where it declares none, once so much has come."""
    head = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'

    def pieces() -> Any:
        yield head
        for _ in range(20):
            yield bytes(10**6)

    content = head + bytes(9 * 10**6) if declared else pieces()
    answer = page.post(
        "/predict", content=content, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 413
    assert "more than 8 MB" in answer.text


@pytest.mark.parametrize(
    ("field", "query"), [("picture", {}), ("images", {"top": 0}), ("images", {"top": "many"})]
)
def test_a_malformed_question_is_refused(page: TestClient, field: str, query: dict[str, Any]) -> None:
    assert page.post("/predict", files=[(field, ("a.png", b"x"))], params=query).status_code == 422


@pytest.mark.parametrize("path", ["/", "/about", "/predict", "/examples/0", "/openapi.json"])
@pytest.mark.parametrize("host", ["example.org", "localhost.example.org", "192.0.2.7", "", "evil:8000"])
def test_another_host_than_this_machine_is_refused(page: TestClient, path: str, host: str) -> None:
    answer = (
        page.post(path, headers={"host": host})
        if path == "/predict"
        else page.get(path, headers={"host": host})
    )
    assert (answer.status_code, answer.text) == (400, "Invalid host header")


def test_hosts_that_are_asked_for_are_answered(exported: Exported) -> None:
    for host in ("localhost:8000", "127.0.0.1", "127.0.0.1:9"):
        assert client(exported.path).get("/about", headers={"host": host}).status_code == 200
    for own, host in (("::1", "[::1]:8000"), ("127.0.0.2", "127.0.0.2:8000")):
        answer = client(exported.path, "--host", own).get("/about", headers={"host": host})
        assert answer.status_code == 200
    named = client(exported.path, "--host", "0.0.0.0", "--allow-host", "lab.example.org")
    assert named.get("/about", headers={"host": "lab.example.org:8000"}).status_code == 200
    assert named.get("/about", headers={"host": "example.org"}).status_code == 400


def test_another_sites_page_is_refused(page: TestClient) -> None:
    """It may send a form to any address; only the browser tells where from."""
    files = [("images", ("a.png", png(picture(0, 0))))]
    for origin, status in {LOCAL: 200, "http://example.org": 403, "null": 403, f"{LOCAL}:81": 403}.items():
        assert page.post("/predict", files=files, headers={"origin": origin}).status_code == status, origin


def test_the_policy_allows_the_pages_own_script_and_style_alone(page: TestClient) -> None:
    answer = page.get("/")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert (policy["connect-src"], policy["img-src"]) == ("'self'", "data:")
    assert all(re.fullmatch(r"'sha256-[\w+/]{43}='", policy[name]) for name in ("script-src", "style-src"))
    for headers in (page.get("/nothing").headers, page.get("/", headers={"host": "x"}).headers):
        assert headers["content-security-policy"] == answer.headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_the_page_names_no_other_address_and_has_no_code_in_attributes(page: TestClient) -> None:
    text = page.get("/").text
    assert re.findall(r"(?:https?:)?//[\w.]+\.\w+|@import|url\(", text) == []
    assert re.findall(r"<[^>]*\s(?:style|on\w+)=", text) == []
    assert re.findall(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text) == []


def test_names_are_text(page: TestClient) -> None:
    name = '<img src=x onerror="alert(1)">.png'
    answer = page.post("/predict", files=[("images", (name, b"no image"))])
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["images"][0]["name"].replace("%22", '"') == name


def test_twenty_at_once_get_the_answers_of_one_at_a_time(page: TestClient) -> None:
    images = [png(picture(number % 3, number)) for number in range(20)]
    alone = [sent(page, ("image", data))[0] for data in images]
    assert len({answer["probability"] for answer in alone}) > 10
    with ThreadPoolExecutor(20) as pool:
        together = list(pool.map(lambda data: sent(page, ("image", data))[0], images))
    assert together == alone


def test_no_more_are_decoded_at_once_than_there_are_threads(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, both, begun, now, most = Lock(), Barrier(2), 0, 0, 0
    original: Callable[..., Any] = panel.from_bytes

    def counted(*arguments: Any) -> Any:
        nonlocal begun, now, most
        with lock:
            begun, now = begun + 1, now + 1
            first = begun <= both.parties
            most = max(most, now)
        if first:
            both.wait(60)
        sleep(0.01)
        with lock:
            now -= 1
        return original(*arguments)

    monkeypatch.setattr(panel, "from_bytes", counted)
    page = client(exported.path, "--threads", 2)
    with page, ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda number: sent(page, ("image", png(picture(0, number)))), range(12)))
    assert most == 2


@pytest.fixture(scope="module")
def teachers(made: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, settings = tmp_path_factory.mktemp("teachers"), made.described().card.preparation
    for name in ("one", "two"):
        found = alone(made.run.teachers / name, lambda _: settings)
        onnx_file.write(found.model, found.card, folder / f"{name}.onnx")
    return {name: folder / f"{name}.onnx" for name in ("one", "two")}


def test_the_ensemble_is_the_softmax_of_the_weighted_mean_of_logits(
    exported: Exported, teachers: dict[str, Path]
) -> None:
    data = png(picture(1, 3))
    pixels = prepare.decode(data, erkt.load(exported.path).card.preparation).pixels.transpose(1, 2, 0)[None]
    one, two = (erkt.load(path).model.logits(np.ascontiguousarray(pixels))[0] for path in teachers.values())
    mean = 0.75 * one.astype(np.float64) + 0.25 * two
    shares = np.exp(mean) / np.exp(mean).sum()
    for weights in ((3, 1), (0.75, 0.25)):
        given = [
            part
            for path, weight in zip(teachers.values(), weights, strict=True)
            for part in ("--teacher", path, weight)
        ]
        (found,) = sent(client(exported.path, *given), ("a.png", data))
        best = int(shares.argmax())
        assert found["ensemble"]["class"] == erkt.load(exported.path).classes[best]
        assert found["ensemble"]["probability"] == pytest.approx(shares[best], abs=1e-6)
        assert sum(one["probability"] for one in found["ensemble"]["top"]) == pytest.approx(1)


def test_pictures_are_what_the_network_sees_and_the_same_lit_by_its_heat(
    exported: Exported, made: Made, tmp_path: Path
) -> None:
    """At 32 px there is one place to look at; at 96 px there are nine."""
    settings = Prepare(96, "bilinear", "center_crop", "refuse")
    plain = Network("test_resnet", Weights("none", None, None, None), 0.0, 0.0)
    looking = models.build(plain, exported.described.card.classes, 96, seed=0, environment={}).eval()
    with torch.no_grad():
        list(looking.network.parameters())[-2].add_(2.0)  # all logits alike
    (tmp_path / "timm").mkdir()
    timm_folder.write(looking, card_of(looking, settings), tmp_path / "timm")
    images, warmest = [picture(number % 3, number) for number in range(6)], []
    for model, folder, network in (
        (exported.path, made.run.network, exported.described.model),
        (tmp_path / "timm", tmp_path / "timm", looking),
    ):
        page = client(model, "--heat", folder)
        answers = sent(page, *(("a.png", png(image)) for image in images), pictures=True)
        for found, image in zip(answers, images, strict=True):
            seen, lit = (_pixels(found[name]) for name in ("seen", "heat"))
            expected = prepare.decode(png(image), erkt.load(model).card.preparation).pixels
            np.testing.assert_array_equal(seen, expected.transpose(1, 2, 0))
            (warm,) = heat(network, expected[None], np.array([CLASSES.index(found["class"])]))
            np.testing.assert_allclose(lit, seen * (0.25 + 0.75 * warm[..., None]), atol=1)
            warmest.append(warm.max())
    assert max(warmest) > 0.9


def _pixels(address: str) -> Any:
    head, data = address.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_without_pictures_none_are_sent(page: TestClient) -> None:
    (found,) = sent(page, ("a.png", png(picture(0, 0))))
    assert not {"seen", "heat"} & set(found)
    (found,) = sent(page, ("a.png", png(picture(0, 0))), pictures=True)
    assert found["heat"] is None


def test_examples_are_spread_over_the_folder_and_are_its_files(exported: Exported, made: Made) -> None:
    page = client(exported.path, "--examples", made.images)
    listed = page.get("/about").json()["examples"]
    names = [example["name"] for example in listed]
    paths = sorted(path.relative_to(made.images).as_posix() for path in made.images.rglob("*.jpg"))
    assert names == paths[::2]
    assert page.get("/examples/3").content == (made.images / names[3]).read_bytes()
    assert _pixels(listed[3]["picture"]).shape == (32, 32, 3)
    for place, status in {"12": 404, "-1": 404, "%2e%2e%2fpyproject.toml": 404, "x": 422}.items():
        assert page.get(f"/examples/{place}").status_code == status


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "--port 70000: expected 0 to 65535"),
        (["--megapixels", "90"], f"--megapixels 90: expected 1 to {limits.MOST_MEGAPIXELS}"),
        (["--megabytes", "0"], "--megabytes 0: expected 1 to 1024"),
        (["--threads", "0"], "--threads 0: expected 1 to 1024"),
        (["--host", "0.0.0.0"], "--host 0.0.0.0 lets other machines in; say by which name"),
        (["--host", "0.0.0.0", "--allow-host", "*"], "--allow-host *: expected a name"),
        (["--host", "192.0.2.1", "--allow-host", "x"], "192.0.2.1:8000: "),
        (["--port", "0", "--examples", "nowhere"], "nowhere: no such folder of examples"),
        (["--port", "0", "--teacher", "MODEL", "much"], "the weight is no number"),
        (["--port", "0", "--teacher", "MODEL", "0"], "weight 0; expected a number above 0"),
        (["--port", "0", "--teacher", "MODEL", "nan"], "weight nan; expected a number above 0"),
        (["--port", "0", "--heat", "MODEL"], "Grad-CAM needs weights"),
        (["--port", "0", "--heat", "TEACHER"], "is another network than the model of the page"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    exported: Exported, made: Made, tmp_path: Path, arguments: list[str], message: str
) -> None:
    timm = tmp_path / "timm"
    if "TEACHER" in arguments:
        found = alone(made.run.teachers / "one", lambda _: exported.described.card.preparation)
        timm.mkdir()
        timm_folder.write(found.model, found.card, timm)
    places = {"MODEL": str(exported.path), "TEACHER": str(timm)}
    with pytest.raises(ErktError, match=re.escape(message)) as refused:
        app.run(options(exported.path, *(places.get(one, one) for one in arguments)))
    assert len(str(refused.value).splitlines()) == 1


def test_a_port_that_is_taken_is_one_line(exported: Exported) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ErktError, match=f"127.0.0.1:{port}: address already in use; choose another"):
            app.run(options(exported.path, "--port", port))


def test_nobody_but_this_machine_reaches_the_page(exported: Exported) -> None:
    command = [sys.executable, "-m", "erkt", "app", str(exported.path), "--port", "0", "--threads", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http://127.0.0.1:")
            found = psutil.Process(process.pid).net_connections(kind="all")
            heard = {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN and one.laddr}
            assert heard == {"127.0.0.1"}
        finally:
            process.terminate()


def test_the_page_is_part_of_the_package() -> None:
    assert files("erkt.deploy.app").joinpath("page.html").is_file()
