"""What does not change while the application runs: pages, assets, files, cookies."""
import os
import tempfile
from pathlib import Path

from .report import Skip, check, expect

UPLOAD = 5 << 20


@check("the first request, sent while Rails boots, is answered")
def boot(scene):
    expect("accepts connections before", [], list(scene.application.records("worker accepts connections")))
    expect("status", 200, scene.bare("/up").status)
    after = scene.application.await_record("worker accepts connections")["after_ms"]
    return f"{after / 1000:.1f} s"


@check("Puma listens where it was told to, and nowhere else")
def listens(scene):
    listening = [line.split("Listening on ")[1] for line in scene.application.lines() if "Listening on " in line]
    expected = "unix:///" if scene.application.has_socket else f"http://0.0.0.0:{scene.application.worker_port}"
    assert len(listening) == 1 and listening[0].startswith(expected), f"expected {expected}, came {listening}"


@check("/up of Rails itself")
def health(scene):
    if scene.application.rails < (7, 1):
        raise Skip("Rails::HealthController: needs Rails 7.1; the application has its own")
    assert "background-color: green" in scene.bare("/up").text


@check("force_ssl redirects what did not come by TLS, but for /up")
def force_ssl(scene):
    response = scene.bare("/", "--header", "Host: app.test")
    expect("status and place", (301, "https://app.test/"), (response.status, response.header("location")))
    behind = scene.get("/")
    expect("status behind a proxy that speaks TLS", 200, behind.status)
    assert behind.header("strict-transport-security"), "no Strict-Transport-Security"
    expect("status of /up", 200, scene.bare("/up").status)


@check("a page knows what it was asked for as, and by whom")
def forwarded(scene):
    page = scene.get("/", "--header", "Host: app.test", "--header", "X-Forwarded-For: 203.0.113.9").text
    assert "asked for as https://app.test by 203.0.113.9" in page, page[-300:]


@check("pages are private and never answered from memory")
def pages(scene):
    for _ in range(2):
        response = scene.get("/")
        assert "private" in response.header("cache-control"), response.fields
        expect("X-Cache", "miss", response.header("x-cache"))


@check("fingerprinted assets come from memory the second time")
def assets(scene):
    found = scene.assets()
    expect("assets of the page", 3, len(found))
    for path in found:
        first, second = scene.get(path), scene.get(path)
        expect(f"X-Cache of {path}", ["miss", "hit"], [first.header("x-cache"), second.header("x-cache")])
        expect("body", first.body, second.body)
        told = "public, max-age=31536000, immutable" if scene.application.says_how_to_cache else None
        expect("Cache-Control", told, second.header("cache-control"))
        again = scene.get(path, "--header", f"If-None-Match: {second.header('etag')}")
        expect("status where it is known", 304, again.status)
    return "with public_file_server.headers" if scene.application.says_how_to_cache else "without Cache-Control"


@check("pages and assets in zstd, Brotli and gzip")
def encodings(scene):
    script = next(path for path in scene.assets() if "action_cable" in path)
    plain = scene.get(script)
    for coding in ("zstd", "br", "gzip"):
        accept = ["--compressed", "--header", f"Accept-Encoding: {coding}"]
        asset, page = scene.get(script, *accept), scene.get("/", *accept)
        for response in (asset, page):
            expect("encoding", coding, response.header("content-encoding"))
            assert "Accept-Encoding" in response.header("vary"), response.fields
        expect("decoded asset", plain.body, asset.body)
        assert page.text.strip().endswith("</html>"), page.text[-100:]


@check("send_file: Puma names the file, thrust sends it")
def send_file(scene):
    file = (scene.application.folder / "README.md").read_bytes()
    named = scene.from_worker("/downloads/file")
    assert str(named.header("x-sendfile")).endswith("/README.md"), f"no X-Sendfile from Puma: {named.fields}"
    expect("body from Puma", b"", named.body)
    sent = scene.get("/downloads/file")
    expect("status and body", (200, file), (sent.status, sent.body))
    expect("X-Sendfile, which is for thrust only", None, sent.header("x-sendfile"))
    assert 'filename="README.md"' in sent.header("content-disposition"), sent.fields


@check("send_file: a part of it")
def send_file_range(scene):
    file = (scene.application.folder / "README.md").read_bytes()
    part = scene.get("/downloads/file", "--range", "2-40")
    expect("status and body", (206, file[2:41]), (part.status, part.body))
    expect("Content-Range", f"bytes 2-40/{len(file)}", part.header("content-range"))


@check("send_data")
def send_data(scene):
    response = scene.get("/downloads/data")
    expect("body", b"name,value\n" + b"thrust,1\n" * 1000, response.body)
    expect("Content-Type", "text/csv", response.header("content-type"))
    assert 'filename="report.csv"' in response.header("content-disposition"), response.fields


@check("login: a cookie for TLS only, and a page that knows it")
def login(scene):
    form = ["--form-string", f"authenticity_token={scene.token()}", "--form-string", "name=Ada"]
    response = scene.visit("/session", *form)
    expect("status", 302, response.status)
    expect("place", f"{scene.front.url}/", response.header("location"))
    attributes = {it.strip().lower() for it in response.header("set-cookie").split(";")}
    assert {"secure", "httponly"} <= attributes, attributes
    page = scene.visit("/")
    assert "You are Ada." in page.text, page.text
    expect("X-Cache", "miss", page.header("x-cache"))
    assert "You are Ada." not in scene.get("/").text, "somebody else is taken for Ada"


@check("upload, and Active Storage sends it back, whole and in part")
def upload(scene):
    data = os.urandom(UPLOAD)
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        token = f"authenticity_token={scene.token()}"
        response = scene.visit("/uploads", "--form-string", token, "--form", f"file=@{file.name};filename=a b.bin")
    expect("status", 302, response.status)
    scene.uploaded = response.header("location").removeprefix(scene.front.url)
    whole = scene.visit(scene.uploaded, "--location")
    expect("status and length", (200, UPLOAD), (whole.status, len(whole.body)))
    assert whole.body == data, "it came back changed"
    disk = scene.visit(scene.uploaded).header("location").removeprefix(scene.front.url)
    assert scene.from_worker(disk).header("x-sendfile"), "Active Storage's disk service did not name the file"
    part = scene.visit(scene.uploaded, "--location", "--range", "100-199")
    expect("status and body of a part", (206, data[100:200]), (part.status, part.body))


@check("Active Storage in proxy mode: a part")
def storage_proxy(scene):
    if scene.application.rails < (7, 0):
        raise Skip("ranges in Active Storage's proxy mode: need Rails 7.0")
    path = scene.uploaded.replace("/blobs/redirect/", "/blobs/proxy/")
    part = scene.visit(path, "--range", "100-199")
    expect("status and length", (206, 100), (part.status, len(part.body)))
