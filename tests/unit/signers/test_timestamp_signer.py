"""Timestamps over signatures of every kind, and services that do not give one."""

import http.client
import ssl
import threading
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from certificate_authority import SERVER_AUTH, issue, make_organisation
from cryptography import x509
from fake_pki import wall_clock
from local_sigstore import LocalSigstore
from making import make_key

import mlsign.signers.timestamp
from mlsign.actions.signing.sign import sign
from mlsign.errors import InputError, OutsideError, TrustError
from mlsign.formats.bundle import MAX_TIMESTAMP_BYTES, decode_bundle, encode_bundle
from mlsign.formats.trusted_root import decode_trusted_root
from mlsign.identity import Method
from mlsign.signers.timestamp import TimestampingSigner
from mlsign.strict import encode_json
from mlsign.times import TimeSource
from mlsign.trust.authenticate import authenticate_envelope


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """Loopback is reached without a proxy, whatever the environment says."""
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="module")
def key():
    return make_key().signer


def root_of(sigstore):
    return decode_trusted_root(encode_json(sigstore.trusted_root()))


def refused(signer, payload=b"{}", kind=OutsideError):
    with pytest.raises(kind) as caught:
        signer.sign(payload)
    assert caught.value.message[:1].islower()
    return caught.value


@pytest.mark.parametrize("method", [Method.KEY, Method.CERTIFICATE])
@pytest.mark.parametrize("known", [True, False], ids=["with a trust root", "without"])
def test_a_signature_gets_a_time_that_others_prove(sigstore, method, known):
    now = wall_clock()
    organisation = make_organisation(since=now - timedelta(days=1), until=now + timedelta(days=1))
    inner = make_key().signer if method is Method.KEY else organisation.signer(now=now)
    signer = TimestampingSigner(inner, sigstore.timestamps.url, root=root_of(sigstore) if known else None)
    bundle = decode_bundle(encode_bundle(signer.sign(b"{}")))
    assert signer.identity == inner.identity
    assert (bundle.method, len(bundle.material.timestamps)) == (method, 1)
    after = wall_clock()
    found, _ = authenticate_envelope(bundle, root=replace(signer.trust, sigstore=root_of(sigstore)), now=after)
    assert [time.source for time in found.times] == [TimeSource.TIMESTAMP]
    assert now - timedelta(seconds=2) < found.times[0].time <= after
    times = authenticate_envelope(bundle, root=signer.trust, now=after)[0].times
    assert len(times) == known


def test_several_authorities_may_stamp_one_signature(sigstore, own, key):
    signer = TimestampingSigner(TimestampingSigner(key, own.timestamps.url), sigstore.timestamps.url)
    bundle = signer.sign(b"{}")
    assert len(bundle.material.timestamps) == 2
    for service in (sigstore, own):
        found, _ = authenticate_envelope(bundle, root=replace(key.trust, sigstore=root_of(service)), now=wall_clock())
        assert len(found.times) == 1


def test_there_is_an_end_to_stamps(sigstore, key, monkeypatch):
    monkeypatch.setattr(mlsign.signers.timestamp, "MAX_TIMESTAMPS", 1)
    signer = TimestampingSigner(TimestampingSigner(key, sigstore.timestamps.url), sigstore.timestamps.url)
    assert refused(signer, kind=InputError).code == "timestamp.many"


def test_an_authority_that_nobody_believes_is_refused_where_that_is_known(sigstore, own, key):
    signer = TimestampingSigner(key, own.timestamps.url, root=root_of(sigstore))
    assert refused(signer, kind=TrustError).code == "timestamp.untrusted"
    over = decode_trusted_root(encode_json(own.trusted_root(end=wall_clock() - timedelta(hours=1))))
    assert refused(TimestampingSigner(key, own.timestamps.url, root=over), kind=TrustError).code == "timestamp.period"


# Services that fail


@pytest.mark.parametrize("how", ["unavailable", "drop", "hang"])
def test_a_service_that_gives_no_answer(own, key, how, package):
    own.break_service("tsa", how)
    signer = TimestampingSigner(key, own.timestamps.url, timeout=0.5)
    error = refused(signer)
    assert error.code == "timestamp.unreachable"
    assert "safe to try again" in error.hint
    before = sorted(path.name for path in package.rglob("*"))
    with pytest.raises(OutsideError):
        sign(package, signer)
    assert sorted(path.name for path in package.rglob("*")) == before
    own.repair_service("tsa")
    assert sign(package, signer).bundle


def test_a_service_that_is_not_there(key):
    with LocalSigstore() as gone:
        url = gone.timestamps.url
    error = refused(TimestampingSigner(key, url))
    assert error.code == "timestamp.unreachable"
    assert error.where == url
    assert refused(TimestampingSigner(key, url + "/nothing")).code == "timestamp.unreachable"


def test_a_service_that_answers_something_else(own, key):
    own.break_service("tsa", "garbage")
    assert refused(TimestampingSigner(key, own.timestamps.url)).code == "timestamp.answer"


@pytest.fixture
def answering():
    """A service that answers with what it is told: by a function of handler and request."""
    servers = []

    def start(answer):
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                answer(self, b"")

            def do_POST(self):
                answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler, data, *, status=200, **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def stamp(sigstore, request, edit=None):
    """What the local service makes of a request after a change."""
    from asn1crypto import tsp

    wanted = tsp.TimeStampReq.load(request)
    if edit:
        edit(wanted)
    return sigstore.timestamps.stamp(wanted).dump()


def test_a_timestamp_for_another_request(sigstore, key, answering):
    def another_nonce(wanted):
        wanted["nonce"] = wanted["nonce"].native ^ 1

    def another_digest(wanted):
        wanted["message_imprint"]["hashed_message"] = bytes(32)

    def another_hash(wanted):
        wanted["message_imprint"]["hash_algorithm"] = {"algorithm": "sha512"}

    def no_nonce(wanted):
        wanted["nonce"] = None

    for edit in (another_nonce, another_digest, another_hash, no_nonce):
        url = answering(lambda handler, request, edit=edit: send(handler, stamp(sigstore, request, edit)))
        assert refused(TimestampingSigner(key, url)).code == "timestamp.answer", edit.__name__
    url = answering(lambda handler, request: send(handler, stamp(sigstore, request)))
    assert TimestampingSigner(key, url, root=root_of(sigstore)).sign(b"{}")


@pytest.mark.parametrize("time", [b"00000101000000Z", b"20261301000000Z", b"20260101996060Z"])
def test_a_time_that_nobody_could_read_is_refused_before_it_is_written(sigstore, key, answering, time):
    def answer(handler, request):
        made = stamp(sigstore, request)
        at = made.index(b"\x18\x0f") + 2  # GeneralizedTime of 15 bytes
        send(handler, made[:at] + time + made[at + 15 :])

    error = refused(TimestampingSigner(key, answering(answer)))
    assert error.code == "timestamp.answer"
    assert "safe to try again" in error.hint


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5, 6])
def test_a_refusal_is_told(sigstore, key, answering, status):
    from asn1crypto import tsp

    def answer(handler, request):
        response = tsp.TimeStampResp.load(stamp(sigstore, request))
        granted = bytes.fromhex("3003020100")
        assert response.dump().count(granted) == 1
        send(handler, response.dump().replace(granted, bytes.fromhex("30030201") + bytes([status])))

    error = refused(TimestampingSigner(key, answering(answer)))
    assert error.code == ("timestamp.answer" if status == 6 else "timestamp.refused")


def test_a_rejection_without_a_token(own, key, answering):
    url = answering(lambda handler, _: send(handler, bytes.fromhex("30053003020102")))
    error = refused(TimestampingSigner(key, url))
    assert (error.code, error.found) == ("timestamp.refused", "rejection")
    url = answering(lambda handler, _: send(handler, bytes.fromhex("30053003020100")))
    assert refused(TimestampingSigner(key, url)).code == "timestamp.answer"


def test_redirects_are_not_followed(sigstore, key, answering):
    for status in (301, 302, 303, 307, 308):
        url = answering(lambda handler, _, status=status: send(handler, b"", status=status, Location=sigstore.timestamps.url))
        assert f"status {status}" in refused(TimestampingSigner(key, url)).message


def test_an_answer_without_end(key, answering):
    def endless(handler, request):
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(MAX_TIMESTAMP_BYTES // 1000 + 100):
                handler.wfile.write(bytes(1000))
        except OSError:
            pass

    assert refused(TimestampingSigner(key, answering(endless))).code == "timestamp.answer"


def test_an_answer_that_trickles(key, answering, monkeypatch):
    """Each piece comes in time, all of them do not."""

    def slow(handler, request):
        handler.send_response(200)
        handler.end_headers()
        stopped = threading.Event()
        try:
            for _ in range(20):
                handler.wfile.write(b"\x30")
                handler.wfile.flush()
                stopped.wait(0.05)
        except OSError:
            pass

    error = refused(TimestampingSigner(key, answering(slow), timeout=0.3))
    assert error.code == "timestamp.unreachable"


@pytest.mark.parametrize("start", ["", "HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
@pytest.mark.parametrize("drip", ["0", "HTTP/1.1 100 Continue\r\n\r\n"])
def test_an_answer_that_drips_before_its_body(key, answering, start, drip):
    """No pause is long, and no piece of a body ever comes."""

    def slow(handler, request):
        stopped = threading.Event()
        try:
            handler.wfile.write(start.encode())
            for _ in range(20):
                handler.wfile.write(drip.encode())
                stopped.wait(0.05)
        except OSError:
            pass

    error = refused(TimestampingSigner(key, answering(slow), timeout=0.3))
    assert error.code == "timestamp.unreachable"
    assert start.startswith("HTTP/1.1 200 OK\r\nT") or "in 0.3 seconds" in error.message


def test_an_answer_that_is_no_http(key, answering):
    url = answering(lambda handler, _: handler.wfile.write(b"nonsense\r\n\r\n"))
    assert refused(TimestampingSigner(key, url)).code == "timestamp.unreachable"
    short = answering(lambda handler, _: send(handler, b"30", **{"Content-Length": "10"}))
    assert refused(TimestampingSigner(key, short)).code == "timestamp.answer"
    assert issubclass(http.client.IncompleteRead, http.client.HTTPException)


def test_a_service_that_nobody_vouches_for(sigstore, key, tmp_path, monkeypatch):
    """Over https the service must be the one of that name; where somebody vouches for it, it is asked."""
    certified = issue(
        "localhost", names=[x509.DNSName("localhost")], extended=SERVER_AUTH, until=wall_clock() + timedelta(days=1)
    )
    (tmp_path / "tls.pem").write_bytes(certified.private_pem + certified.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem")

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            send(self, stamp(sigstore, self.rfile.read(int(self.headers["Content-Length"]))))

    class Server(HTTPServer):
        def handle_error(self, *_):
            pass  # whoever does not trust the certificate hangs up

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        signer = TimestampingSigner(key, f"https://localhost:{server.server_port}/", root=root_of(sigstore), timeout=5)
        error = refused(signer)
        assert error.code == "timestamp.unreachable"
        assert "certificate" in error.message.lower()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "tls.pem"))
        assert signer.sign(b"{}").material.timestamps
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/tsa",
        "ftp://example.org/tsa",
        "file:///etc/passwd",
        "data:,x",
        "http://",
        "https:///tsa",
        "http://user:secret@example.org/tsa",
        "http://example.org/\r\nX: y",
        "http://example.org/a b",
        "http://example.org/ä",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://example.org/#part",
        "http://[::1/",
        "http://example.org/" + 2048 * "a",
    ],
)
def test_addresses_of_no_service(key, url):
    with pytest.raises(InputError) as caught:
        TimestampingSigner(key, url)
    assert caught.value.code == "timestamp.url"
