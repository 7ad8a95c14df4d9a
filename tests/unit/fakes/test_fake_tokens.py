"""The ways in which clients come to a token: a browser, a typed code, another device, a workflow."""

import base64
import json
import threading
import urllib.parse

import pytest
from fake_http import ask
from fake_pki import sha256

pytest.importorskip("sigstore.oidc", reason="the Python client of Sigstore is not installed")

from sigstore.oidc import Issuer


def answer_prompt(monkeypatch, capsys):
    """Follows the printed link and types in what the page shows."""

    def read(_):
        link = capsys.readouterr().err.split()[-1]
        return ask(link)[1].decode()

    monkeypatch.setattr("builtins.input", read)


# The client leaves the socket open on which it waits for the browser.
leaves_a_socket = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@leaves_a_socket
def test_a_code_typed_in(sigstore, monkeypatch, capsys, sign):
    answer_prompt(monkeypatch, capsys)
    token = Issuer(sigstore.issuer).identity_token(force_oob=True)
    assert sign(sigstore, str(token)).signing_certificate


@leaves_a_socket
def test_a_code_brought_by_the_browser(sigstore, monkeypatch, no_hang):
    visits = []

    def visit(url):
        visits.append(threading.Thread(target=ask, args=(url,)))
        visits[0].start()
        return True

    monkeypatch.setattr("webbrowser.open", visit)
    token = Issuer(sigstore.issuer).identity_token()
    visits[0].join()
    assert token.issuer == sigstore.issuer


def form(url, **fields):
    media_type = "application/x-www-form-urlencoded"
    status, body = ask(url, urllib.parse.urlencode(fields).encode(), media_type=media_type)
    return status, json.loads(body)


CHALLENGE = {"code_challenge": base64.urlsafe_b64encode(sha256(b"v" * 43)).rstrip(b"=").decode(), "code_challenge_method": "S256"}


def test_a_code_is_good_once_and_with_its_verifier(sigstore):
    query = {"response_type": "code", "client_id": "sigstore", "scope": "openid email", "state": "s", **CHALLENGE}
    query["redirect_uri"] = "urn:ietf:wg:oauth:2.0:oob"

    def redeem(**changes):
        code = ask(f"{sigstore.url}/auth?{urllib.parse.urlencode(query)}")[1].decode()
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": "v" * 43,
            "client_id": "sigstore",
            "redirect_uri": query["redirect_uri"],
        }
        first = form(f"{sigstore.url}/token", **fields | changes)[1]
        assert form(f"{sigstore.url}/token", **fields)[1]["error"] == "invalid_grant"
        return first

    assert "id_token" in redeem()
    assert redeem(code_verifier="w" * 43)["error"] == "invalid_grant"
    assert redeem(redirect_uri="http://localhost/")["error"] == "invalid_grant"
    assert redeem(client_id="another")["error"] == "invalid_client"
    for wrong in ({"redirect_uri": "https://elsewhere.example/"}, {"code_challenge_method": "plain"}, {"state": ""}):
        assert ask(f"{sigstore.url}/auth?{urllib.parse.urlencode(query | wrong)}")[0] == 400


def test_a_device_is_approved_elsewhere(own, certify):
    own.oidc.approves_devices = False
    device = form(f"{own.url}/device/code", client_id="sigstore", scope="openid email", **CHALLENGE)[1]
    fields = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": device["device_code"],
        "client_id": "sigstore",
        "code_verifier": "v" * 43,
    }
    assert form(f"{own.url}/token", **fields)[1] == {"error": "authorization_pending"}
    ask(device["verification_uri_complete"])
    assert certify(own, form(f"{own.url}/token", **fields)[1]["id_token"])[0] == 201


def test_a_workflow_finds_its_token(sigstore, monkeypatch, certify):
    from sigstore.oidc import detect_credential

    for name, value in sigstore.oidc.actions_environment().items():
        monkeypatch.setenv(name, value)
    assert certify(sigstore, detect_credential())[0] == 201
    assert ask(f"{sigstore.url}/actions/token?audience=sigstore", headers={"Authorization": "bearer wrong"})[0] == 401


def test_published_keys_are_those_that_sign(sigstore):
    import jwt

    found = json.loads(ask(json.loads(ask(f"{sigstore.url}/.well-known/openid-configuration")[1])["jwks_uri"])[1])
    token = sigstore.oidc.email_token()
    key = jwt.PyJWKSet.from_dict(found)[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, audience="sigstore", issuer=sigstore.issuer)["email"] == "dev@example.com"
