"""An OpenID provider: tokens for people and workflows, and the flows by which a client asks for one.

The provider signs ES256 and never asks anybody: whoever arrives at the authorization page is ``person``.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from fake_http import LoopbackServer, RefusedError, Reply, Request, reply_json
from fake_pki import Clock, sha256, spki
from jwt.algorithms import ECAlgorithm

AUDIENCE = "sigstore"
OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
FORGE = "https://github.com"


@dataclass(kw_only=True)
class _Grant:
    """A code that was handed out, and what has to be shown to redeem it."""

    client: str
    challenge: str
    redirect: str | None = None
    nonce: str | None = None
    approved: bool = True


class FakeOidc:
    def __init__(self, server: LoopbackServer, *, now: Clock, issuer: str | None = None):
        self.now = now
        self.url = server.url
        self.issuer = issuer or server.url
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.key_id = sha256(spki(self.key.public_key())).hex()[:16]
        self.person: Mapping[str, Any] = email_claims("dev@example.com")
        self.approves_devices = True  # whether a device is approved by asking for its code, without a visit to /device
        self.actions_secret = secrets.token_hex(16)
        self.actions_claims: Mapping[str, Any] = workflow_claims()
        self._grants: dict[str, _Grant] = {}
        self._devices: dict[str, _Grant] = {}
        self._user_codes: dict[str, _Grant] = {}
        for method, path, handler in (
            ("GET", "/.well-known/openid-configuration", self._discovery),
            ("GET", "/keys", self._keys),
            ("GET", "/auth", self._authorize),
            ("POST", "/token", self._redeem),
            ("POST", "/device/code", self._device),
            ("GET", "/device", self._approve),
            ("GET", "/actions/token", self._actions_token),
        ):
            server.route("oidc", method, path, handler)

    # Tokens, also such as no honest provider would issue.

    def token(
        self,
        claims: Mapping[str, Any],
        *,
        audience: str = AUDIENCE,
        age: timedelta = timedelta(0),
        lifetime: timedelta = timedelta(minutes=10),
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> str:
        """A token issued ``age`` ago; a claim that is None is left out, and any may replace those that are always there."""
        issued = int((self.now() - age).timestamp())
        usual = {"iss": self.issuer, "aud": audience, "iat": issued, "nbf": issued, "exp": issued + int(lifetime.total_seconds())}
        body = {name: value for name, value in (usual | dict(claims)).items() if value is not None}
        return jwt.encode(body, key or self.key, algorithm="ES256", headers={"kid": self.key_id})

    def email_token(self, email: str = "dev@example.com", *, verified: bool = True, **options: Any) -> str:
        return self.token(email_claims(email, verified=verified), **options)

    def workflow_token(self, *, claims: Mapping[str, Any] | None = None, **options: Any) -> str:
        """``claims`` as for ``workflow_claims``, such as ``{"repository": "acme/fraud", "ref": "refs/tags/v1"}``."""
        return self.token(workflow_claims(**(claims or {})), **options)

    def expired_token(self, email: str = "dev@example.com") -> str:
        return self.email_token(email, age=timedelta(hours=1))

    def forged_token(self, email: str = "dev@example.com") -> str:
        """Signed by a key that is not the provider's."""
        return self.email_token(email, key=ec.generate_private_key(ec.SECP256R1()))

    def actions_environment(self) -> dict[str, str]:
        """The environment in which a workflow finds the place to ask for its token."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.actions_secret,
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/actions/token?api-version=2.0",
        }

    def read_token(self, token: str, *, now: Clock) -> dict[str, Any]:
        """The claims of a token, checked as a certificate authority has to."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("kid") != self.key_id:
                raise RefusedError("token is signed by an unknown key")
            claims = jwt.decode(
                token,
                self.key.public_key(),
                algorithms=["ES256"],
                audience=AUDIENCE,
                issuer=self.issuer,
                # Times are held against the clock of the service, below.
                options={
                    "require": ["iss", "aud", "exp", "iat", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidTokenError as err:
            raise RefusedError(f"token is not valid: {err}") from err
        moment = now().timestamp()
        if moment >= claims["exp"]:
            raise RefusedError("token is not valid: it has expired")
        if moment < claims.get("nbf", 0):
            raise RefusedError("token is not valid: it is not valid yet")
        return claims

    # The endpoints.

    def _discovery(self, _: Request) -> Reply:
        return reply_json(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.url}/auth",
                "token_endpoint": f"{self.url}/token",
                "device_authorization_endpoint": f"{self.url}/device/code",
                "jwks_uri": f"{self.url}/keys",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", DEVICE_GRANT],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "scopes_supported": ["openid", "email"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    def _keys(self, _: Request) -> Reply:
        key = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return reply_json({"keys": [{**key, "kid": self.key_id, "use": "sig", "alg": "ES256"}]})

    def _authorize(self, request: Request) -> Reply:
        query = request.query
        redirect = query["redirect_uri"]
        if query["response_type"] != "code" or "openid" not in query["scope"].split():
            raise RefusedError("only codes are handed out, and only for scope openid")
        if redirect != OUT_OF_BAND and urlsplit(redirect).hostname not in {"localhost", "127.0.0.1", "::1"}:
            raise RefusedError(f"redirect to {redirect} is not allowed")
        if not query.get("state"):
            raise RefusedError("state is missing")
        grant = _Grant(client=query["client_id"], challenge=_challenge(query), redirect=redirect, nonce=query.get("nonce"))
        code = secrets.token_urlsafe(16)
        self._grants[code] = grant
        if redirect == OUT_OF_BAND:
            return Reply(body=code.encode(), type="text/plain")
        there = f"{redirect}{'&' if '?' in redirect else '?'}{urlencode({'code': code, 'state': query['state']})}"
        return Reply(status=302, headers={"Location": there})

    def _device(self, request: Request) -> Reply:
        form = request.form()
        grant = _Grant(client=form["client_id"], challenge=_challenge(form), approved=self.approves_devices)
        device, user = secrets.token_urlsafe(16), secrets.token_hex(4).upper()
        self._devices[device] = self._user_codes[user] = grant
        where = f"{self.url}/device"
        return reply_json(
            {
                "device_code": device,
                "user_code": user,
                "verification_uri": where,
                "verification_uri_complete": f"{where}?user_code={user}",
                "expires_in": 300,
                "interval": 1,
            }
        )

    def _approve(self, request: Request) -> Reply:
        self._user_codes.pop(request.query["user_code"]).approved = True
        return Reply(body=b"approved", type="text/plain")

    def _redeem(self, request: Request) -> Reply:
        form = request.form()
        if form["grant_type"] == DEVICE_GRANT:
            grants, code = self._devices, form["device_code"]
        elif form["grant_type"] == "authorization_code":
            grants, code = self._grants, form["code"]
        else:
            return _oauth_error("unsupported_grant_type")
        grant = grants.get(code)
        if grant is None:
            return _oauth_error("invalid_grant")
        if not grant.approved:
            return _oauth_error("authorization_pending")
        del grants[code]  # a code is good once, even where redeeming it fails
        if _client(request, form) != grant.client:
            return _oauth_error("invalid_client", status=401)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        if proof != grant.challenge or form.get("redirect_uri") != grant.redirect:
            return _oauth_error("invalid_grant")
        token = self.token({**self.person, "nonce": grant.nonce}, audience=grant.client)
        return reply_json({"access_token": token, "id_token": token, "token_type": "bearer", "expires_in": 600})

    def _actions_token(self, request: Request) -> Reply:
        if request.headers.get("authorization", "").lower() != f"bearer {self.actions_secret}":
            raise RefusedError("wrong bearer token", status=401)
        return reply_json({"value": self.token(self.actions_claims, audience=request.query["audience"])})


def email_claims(email: str, *, verified: bool = True) -> dict[str, Any]:
    return {"sub": sha256(email.encode()).hex()[:24], "email": email, "email_verified": verified}


def workflow_claims(
    *,
    repository: str = "acme/fraud",
    workflow: str = "release.yml",
    ref: str = "refs/tags/v1.2.0",
    sha: str = "8f1d3b5a7c9e0f2d4b6a8c0e1f3d5b7a9c0e2f4d",
    event_name: str = "release",
    **more: Any,
) -> dict[str, Any]:
    """What a hosted runner claims for a run of ``.github/workflows/<workflow>``; ``more`` adds to it or replaces."""
    owner = repository.split("/", maxsplit=1)[0]
    path = f"{repository}/.github/workflows/{workflow}@{ref}"
    return {
        "sub": f"repo:{repository}:ref:{ref}",
        "repository": repository,
        "repository_id": "420001",
        "repository_owner": owner,
        "repository_owner_id": "42",
        "repository_visibility": "private",
        "ref": ref,
        "ref_type": "tag" if ref.startswith("refs/tags/") else "branch",
        "sha": sha,
        "workflow": workflow.removesuffix(".yml"),
        "workflow_ref": path,
        "workflow_sha": sha,
        "job_workflow_ref": path,
        "job_workflow_sha": sha,
        "event_name": event_name,
        "runner_environment": "github-hosted",
        "run_id": "7001",
        "run_number": "12",
        "run_attempt": "1",
        "actor": "dev",
        "actor_id": "77",
    } | more


def _challenge(fields: Mapping[str, str]) -> str:
    if fields.get("code_challenge_method") != "S256" or len(fields.get("code_challenge", "")) != 43:
        raise RefusedError("a code challenge with method S256 is required")
    return fields["code_challenge"]


def _client(request: Request, form: Mapping[str, str]) -> str | None:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    return form.get("client_id")


def _oauth_error(code: str, *, status: int = 400) -> Reply:
    return reply_json({"error": code}, status=status)
