"""Headers that servers and proxies are known to believe, sent to a real server: none of them changes an answer."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import RequestFactory

from salesagg.core import trusted_request
from tests.services.processes import ROOT, wait_until
from tests.services.site import EMAIL, Site, log_in

EVIL = "evil.example"
# What a header of each kind says when an attacker writes it.
URLS = ("Daphne-Root-Path", "X-Original-URL", "X-Rewrite-URL", "Base-Url", "X-Wap-Profile", "Referer", "Destination")
HOSTS = (
    *("X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host", "X-Host", "X-HTTP-Host-Override", "X-Real-Host"),
    *("X-Backend-Host", "X-Proxy-Host", "X-ProxyUser-Host", "Proxy-Host", "X-Forwarded-By"),
)
PATHS = (
    *("Daphne-Root-Path", "X-Original-URL", "X-Rewrite-URL", "X-Script-Name", "Script-Name", "X-Forwarded-Prefix"),
    *("X-Forwarded-Path", "X-Forwarded-Uri", "X-Original-Uri", "X-Envoy-Original-Path", "X-Replaced-Path"),
    *("X-Accel-Redirect", "X-Sendfile", "Path-Info", "Request-Uri"),
)
ADDRESSES = (
    *("X-Forwarded-For", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6", "X-Client-IP"),
    *("X-Cluster-Client-IP", "X-Originating-IP", "X-Remote-IP", "X-Remote-Addr", "Remote-Addr", "Client-IP"),
    *("Fastly-Client-IP", "X-Azure-ClientIP", "X-Appengine-User-Ip", "Fly-Client-IP", "X-Envoy-External-Address"),
    *("X-ProxyUser-Ip", "X-Forwarded", "Forwarded-For", "Via"),
)
SCHEMES = (
    *("X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Scheme", "X-Scheme", "X-Url-Scheme", "Url-Scheme"),
    *("X-Request-Scheme", "CloudFront-Forwarded-Proto", "X-ARR-SSL-Dummy"),
)
SWITCHES = ("X-Forwarded-Ssl", "Front-End-Https", "X-Forwarded-Https", "X-Https")
METHODS = ("X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Method")
USERS = (
    *("X-Remote-User", "Remote-User", "X-Forwarded-User", "X-Forwarded-Email", "X-Auth-Request-Email", "X-User"),
    *("X-Auth-Request-User", "X-Webauth-User", "X-Authenticated-User", "X-Goog-Authenticated-User-Email", "X-Email"),
    *("Cf-Access-Authenticated-User-Email", "X-Ssl-Client-S-Dn", "X-Client-Cert", "Ssl-Client-Verify"),
)
BELIEVED: list[dict[str, str]] = [
    *(dict.fromkeys((name,), f"https://{EVIL}") for name in URLS),
    *({name: EVIL} for name in HOSTS),
    *({name: "/admin"} for name in PATHS),
    *({name: "203.0.113.9"} for name in ADDRESSES),
    *({name: "https"} for name in SCHEMES),
    *({name: "on"} for name in SWITCHES),
    *({name: "DELETE"} for name in METHODS),
    *({name: EMAIL} for name in USERS),
    {"X-Forwarded-Port": "4443"},
    {"Forwarded": f"for=203.0.113.9;host={EVIL};proto=https"},
    {"X_Forwarded_Host": EVIL},
    {"Connection": "close, X-Forwarded-For, Host, Cookie"},
]
NAMES = [next(iter(headers)) for headers in BELIEVED]


class Server:
    """A site in one process, which writes its emails into its log."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.site = Site(folder, **env)
        self.token = self.site.prepare()
        self.url = self.site.serve(SITE_URL="https://sales.example.com", HTTPS="false")
        self.bearer = {"Authorization": f"Bearer {self.token}"}

    def send(self, method: str, path: str, headers: dict[str, str], **options: Any) -> requests.Response:
        return requests.request(method, self.url + path, headers=headers, allow_redirects=False, timeout=20, **options)

    @property
    def emails(self) -> str:
        return self.site.processes[0].output


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("believing"), API_REQUESTS_PER_MINUTE_PER_ADDRESS="0")
    yield started
    started.site.end()


@pytest.fixture(scope="module")
def job(server: Server) -> str:
    """The id of a job with files to download."""
    headers = {**server.bearer, "Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    data = b"Department Name,Date,Number of Sales\nToys,2026-01-02,3\n"
    name = base64.b64encode(b"a.csv").decode()
    headers |= {"Upload-Length": str(len(data)), "Upload-Metadata": f"filename {name}"}
    assert server.send("POST", "/uploads/", headers, data=data).status_code == 201

    def finished() -> str:
        jobs = server.send("GET", "/api/jobs", server.bearer).json()["items"]
        return str(jobs[0]["jobId"]) if jobs and jobs[0]["status"] == "completed" else ""

    return wait_until(finished, what="the job's end")


def told(answer: requests.Response) -> tuple[int, str, str]:
    """What a client goes by: the status, where it is sent, and the URLs in the answer."""
    found = re.findall(r"https?://[^\s\"'<>]+", answer.text)
    urls = sorted(re.sub(r"/downloads/[^/]+", "/downloads/x", url) for url in found)
    return answer.status_code, answer.headers.get("Location", ""), " ".join(urls)


@pytest.mark.parametrize("headers", BELIEVED, ids=NAMES)
def test_no_header_changes_an_answer(server: Server, job: str, headers: dict[str, str]) -> None:
    asked: list[tuple[str, str, dict[str, str]]] = [
        ("GET", "/", {}),
        ("GET", "/account/", {}),
        ("GET", "/admin/", {}),
        ("GET", "/accounts/login/", {"Accept": "text/html"}),
        ("GET", "/jobs", {}),
        ("GET", "/api/docs", {}),
        ("GET", "/api/jobs", {}),
        ("GET", "/api/nothing", {"Accept": "text/html"}),
        ("GET", f"/api/jobs/{job}", server.bearer),
        ("OPTIONS", "/uploads/", {}),
        ("POST", "/uploads/", {"Tus-Resumable": "1.0.0", "Upload-Length": "5"}),
    ]
    for method, path, own in asked:
        plain, claimed = (server.send(method, path, {**own, **more}) for more in ({}, headers))
        assert told(claimed) == told(plain), (method, path)
        assert EVIL not in claimed.text, (method, path)
        assert EVIL not in str(claimed.headers), (method, path)
    assert server.send("GET", f"/api/jobs/{job}", server.bearer).status_code == 200


@pytest.mark.parametrize("headers", BELIEVED, ids=NAMES)
def test_no_header_changes_where_an_upload_is(server: Server, headers: dict[str, str]) -> None:
    if headers.get("X-HTTP-Method-Override"):
        pytest.skip("tus 1.0 says that a client may send PATCH and DELETE by it")
    own = {**server.bearer, "Tus-Resumable": "1.0.0", "Upload-Length": "5"}
    answer = server.send("POST", "/uploads/", {**own, **headers})
    assert answer.status_code == 201
    assert re.fullmatch(r"/uploads/[0-9a-f-]{36}/", answer.headers["Location"])
    assert server.send("DELETE", answer.headers["Location"], own).status_code == 204


def test_no_header_changes_the_link_in_an_email(server: Server) -> None:
    """All of them at once: the limits for emails allow few. Each alone is tried where it is answered, above."""
    merged = {name: value for headers in BELIEVED for name, value in headers.items()}
    merged |= {"Daphne-Root-Path": f"https://{EVIL}", "X-Original-URL": "/accounts/password/reset/"}
    merged.pop("Connection")
    link = "https://sales.example.com/accounts/password/reset/key/"
    for headers in ({}, {"Daphne-Root-Path": f"https://{EVIL}"}, {"Daphne-Root-Path": f"//{EVIL}/"}, merged):
        before = server.emails.count(link)
        session = requests.Session()
        page = session.get(f"{server.url}/accounts/password/reset/", timeout=20)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert token
        form = {"email": EMAIL, "csrfmiddlewaretoken": token[1]}
        url = f"{server.url}/accounts/password/reset/"
        answer = session.post(url, data=form, headers=headers, timeout=20, allow_redirects=False)
        assert answer.headers["Location"] == "/accounts/password/reset/done/", headers
        wait_until(lambda before=before: server.emails.count(link) > before, what="the email")  # type: ignore[misc]
        assert EVIL not in server.emails


def test_share_links_and_downloads_begin_with_the_site_url(server: Server, job: str) -> None:
    headers = {**server.bearer, "Daphne-Root-Path": f"https://{EVIL}", "X-Forwarded-Host": EVIL}
    described = server.send("GET", f"/api/jobs/{job}", headers).json()
    share = server.send("POST", f"/api/jobs/{job}/shares", headers, json={"days": 1}).json()
    urls = [described["url"], share["url"], *described["downloadUrls"].values()]
    assert len(urls) > 3
    assert [url for url in urls if not url.startswith("https://sales.example.com/")] == []
    browser = log_in(server.url)
    page = browser.get(f"{server.url}/jobs/{job}/", headers={"Daphne-Root-Path": f"https://{EVIL}"}, timeout=20).text
    assert EVIL not in page
    assert 'value="https://sales.example.com/shared/' in page
    page = browser.get(
        f"{server.url}/account/tokens/", headers={"Daphne-Root-Path": f"https://{EVIL}"}, timeout=20
    ).text
    assert "https://sales.example.com/api/" in page


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A site that answers three requests a minute from one IP address."""
    started = Server(tmp_path_factory.mktemp("counting"), API_REQUESTS_PER_MINUTE_PER_ADDRESS="3")
    yield started
    started.site.end()


@pytest.mark.parametrize("headers", BELIEVED, ids=NAMES)
def test_no_header_escapes_the_limit_of_an_ip_address(counting: Server, headers: dict[str, str]) -> None:
    def limited(path: str) -> bool:
        """Whether the request with the header is refused as the plain ones before it are, or reaches no API."""
        while counting.send("GET", "/api/jobs", {}).status_code != 429:
            pass
        return counting.send("GET", path, headers).status_code in (302, 404, 429)

    for path in ("/api/jobs", "/x/api/jobs", "//api/jobs", "/admin/api/jobs"):
        # A minute may end between two requests, and the count begins again; not twice.
        assert limited(path) or limited(path), path


def test_a_root_path_leads_to_no_page(counting: Server) -> None:
    assert counting.send("GET", "/x/api/jobs", {"Daphne-Root-Path": "/x"}).status_code == 404


def test_a_proxy_is_believed_only_by_its_setting(settings: Any) -> None:
    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.9", "X-Real-IP": "192.0.2.7", "Forwarded": "for=192.0.2.8"}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="127.0.0.1")
    assert trusted_request.client_ip(request) == "127.0.0.1"
    settings.BEHIND_PROXY = True
    assert trusted_request.client_ip(request) == "203.0.113.9"


@pytest.mark.parametrize(
    ("written", "ip"),
    [
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("evil", ""),
        ("", "127.0.0.1"),
    ],
)
def test_an_ip_address_is_read_as_proxies_write_it(settings: Any, written: str, ip: str) -> None:
    settings.BEHIND_PROXY = True
    request = RequestFactory().get("/", headers={"X-Forwarded-For": written}, REMOTE_ADDR="127.0.0.1")
    assert trusted_request.client_ip(request) == ip


# How code asks a request for what decides a URL, a limit or an identity.
_ASKS = re.compile(
    r"build_absolute_uri|\.get_host\(|\.is_secure\(|request\.scheme|request\.get_host|get_current_site|REMOTE_ADDR"
    r"|META\[?.{0,6}HTTP_|(?i:[\"']x-forwarded|headers.{0,8}authorization|[\"']x-http-method)|root_path"
)
# The module that names them; a Host that is checked and not used; gRPC's metadata, which is no header of HTTP.
_MAY = {"salesagg/core/trusted_request.py", "reports/rpc/web/bridge.py", "reports/rpc/web/metadata.py"}
_MAY |= {"reports/rpc/callers.py", "reports/rpc/guard.py", "salesagg/settings.py"}
# They only name the header: what other pages may send, and what our client sends.
_MAY |= {"reports/rpc/web/cors.py", "salesagg/client/server.py"}


def test_only_one_module_asks_a_request_for_what_decides() -> None:
    folders = ("accounts", "reports", "uploads", "salesagg", "templates")
    paths = [
        path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".html", ".txt")
    ]
    asking = {str(path.relative_to(ROOT)) for path in paths if _ASKS.search(path.read_text())}
    assert asking - _MAY == set()
    assert "salesagg/core/trusted_request.py" in asking


def test_an_answer_with_a_cached_description_names_the_site(server: Server) -> None:
    page = server.send("GET", "/api/docs", {"Host": "localhost:1"})
    assert "https://sales.example.com/api/" in page.text
    assert "localhost:1/" not in page.text
    json.loads(server.send("GET", "/api/openapi.json", {}).text)
