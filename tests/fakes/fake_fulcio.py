"""A certificate authority for identities, and the log of certificates that it is bound to.

A certificate is issued for a checked token and a proof that the caller holds the key; it lasts ten minutes.
"""

import struct
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import core
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from fake_http import LoopbackServer, RefusedError, Reply, Request, reply_json
from fake_oidc import FORGE, FakeOidc
from fake_pki import P256, Clock, PublicKey, check_message, key_usage, known, make_authority, sha256, spki, unb64

FULCIO = "1.3.6.1.4.1.57264.1"
SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")


class FakeCtLog:
    """Promises to log a certificate: a signed certificate timestamp (RFC 6962, section 3.2) over the one without it."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())

    @property
    def log_id(self) -> bytes:
        return sha256(spki(self.key.public_key()))

    def sct_list(self, tbs: bytes, *, issuer: PublicKey, now: datetime) -> bytes:
        """The value of the extension: an OCTET STRING with a list of one."""
        milliseconds = int(now.timestamp() * 1000)
        entry = sha256(spki(issuer)) + len(tbs).to_bytes(3, "big") + tbs
        # Version 1, certificate timestamp, time, entry type precertificate, entry, no extensions.
        signed = struct.pack("!BBQH", 0, 0, milliseconds, 1) + entry + b"\0\0"
        signature = self.key.sign(signed, P256)
        # SHA-256 is 4 and ECDSA is 3 (RFC 5246, section 7.4.1.4.1).
        sct = struct.pack("!B32sQHBBH", 0, self.log_id, milliseconds, 0, 4, 3, len(signature)) + signature
        listed = struct.pack("!H", len(sct)) + sct
        return core.OctetString(struct.pack("!H", len(listed)) + listed).dump()


class FakeFulcio:
    def __init__(self, server: LoopbackServer, *, oidc: FakeOidc, now: Clock, since: datetime):
        self.now = now
        self.oidc = oidc
        self.lifetime = timedelta(minutes=10)
        self.root = make_authority("fulcio root", since=since, path_length=1)
        code_signing = ExtendedKeyUsageOID.CODE_SIGNING
        self.intermediate = make_authority(
            "fulcio intermediate", since=since, issuer=self.root, usage=code_signing, path_length=0
        )
        self.ct_log: FakeCtLog | None = FakeCtLog()  # None: certificates carry no timestamp of a log
        self.issued: list[x509.Certificate] = []
        server.route("fulcio", "POST", "/api/v2/signingCert", self._signing_certificate)
        server.route("fulcio", "GET", "/api/v2/trustBundle", self._trust_bundle)

    @property
    def chain(self) -> tuple[x509.Certificate, x509.Certificate]:
        return self.intermediate.certificate, self.root.certificate

    def _trust_bundle(self, _: Request) -> Reply:
        return reply_json({"chains": [{"certificates": [_pem(c) for c in self.chain]}]})

    def _signing_certificate(self, request: Request) -> Reply:
        body = request.json()
        claims = self.oidc.read_token(_token(request, body), now=self.now)
        name, challenge = _subject(claims)
        key = _proven_key(body, challenge=challenge)
        certificate = self.issue(key, name=name, claims=claims)
        chain = [_pem(c) for c in (certificate, *self.chain)]
        return reply_json({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}, status=201)

    def issue(self, key: PublicKey, *, name: x509.GeneralName, claims: Mapping[str, Any]) -> x509.Certificate:
        """A certificate for ``name``, without asking for any proof: what a client gets once its proofs were good."""
        start = self.now().replace(microsecond=0)
        issuer_key = self.intermediate.key
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.intermediate.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + self.lifetime)
            .add_extension(key_usage(end_entity=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
        )
        for number, value in _extensions(claims).items():
            extension = x509.UnrecognizedExtension(ObjectIdentifier(f"{FULCIO}.{number}"), value)
            builder = builder.add_extension(extension, critical=False)
        if self.ct_log:
            precertificate = builder.sign(issuer_key, hashes.SHA384())
            scts = self.ct_log.sct_list(precertificate.tbs_certificate_bytes, issuer=issuer_key.public_key(), now=self.now())
            builder = builder.add_extension(x509.UnrecognizedExtension(SCT_LIST, scts), critical=False)
        certificate = builder.sign(issuer_key, hashes.SHA384())
        self.issued.append(certificate)
        return certificate


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _token(request: Request, body: Mapping[str, Any]) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token
    try:
        return body["credentials"]["oidcIdentityToken"]
    except KeyError as err:
        raise RefusedError("no identity token", status=401) from err


def _subject(claims: Mapping[str, Any]) -> tuple[x509.GeneralName, str]:
    """The name that goes into the certificate, and the text whose signature proves possession of the key."""
    if "email" in claims:
        if claims.get("email_verified") is not True:
            raise RefusedError("email address of the token was not verified")
        return x509.RFC822Name(claims["email"]), claims["email"]
    if "job_workflow_ref" in claims:
        return x509.UniformResourceIdentifier(f"{FORGE}/{claims['job_workflow_ref']}"), claims["sub"]
    if "://" in claims["sub"]:
        return x509.UniformResourceIdentifier(claims["sub"]), claims["sub"]
    raise RefusedError("token names neither an email address, nor a workflow, nor a URI")


def _proven_key(body: Mapping[str, Any], *, challenge: str) -> PublicKey:
    """The key to certify, once the caller has shown that the private half is in its hands."""
    try:
        if "certificateSigningRequest" in body:
            pem = unb64(body["certificateSigningRequest"], what="certificate signing request")
            request = x509.load_pem_x509_csr(pem)
            if not request.is_signature_valid:
                raise RefusedError("signature of the certificate signing request could not be verified")
            return known(request.public_key())
        wanted = body["publicKeyRequest"]
        key = known(serialization.load_pem_public_key(wanted["publicKey"]["content"].encode()))
    except (ValueError, UnsupportedAlgorithm) as err:
        raise RefusedError(f"public key could not be read: {err}") from err
    check_message(key, unb64(wanted["proofOfPossession"], what="proof of possession"), challenge.encode())
    return key


def _extensions(claims: Mapping[str, Any]) -> dict[int, bytes]:
    """By number: 1 to 6 are raw strings, from 8 on they are DER UTF8Strings."""
    federated = claims.get("federated_claims", {}).get("connector_id")
    issuer = federated or claims["iss"]
    raw, texts = {1: issuer}, {8: issuer}
    if "job_workflow_ref" in claims:
        raw |= {
            2: claims["event_name"],
            3: claims["sha"],
            4: claims["workflow"],
            5: claims["repository"],
            6: claims["ref"],
        }
        texts |= {
            9: f"{FORGE}/{claims['job_workflow_ref']}",
            10: claims["job_workflow_sha"],
            11: claims["runner_environment"],
            12: f"{FORGE}/{claims['repository']}",
            13: claims["sha"],
            14: claims["ref"],
            15: claims["repository_id"],
            16: f"{FORGE}/{claims['repository_owner']}",
            17: claims["repository_owner_id"],
            18: f"{FORGE}/{claims['workflow_ref']}",
            19: claims["workflow_sha"],
            20: claims["event_name"],
            21: f"{FORGE}/{claims['repository']}/actions/runs/{claims['run_id']}/attempts/{claims['run_attempt']}",
            22: claims["repository_visibility"],
        }
    return {n: v.encode() for n, v in raw.items()} | {n: core.UTF8String(v).dump() for n, v in texts.items()}
