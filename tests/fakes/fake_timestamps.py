"""A time stamping authority (RFC 3161), which also takes the same request as JSON."""

import hashlib
import secrets
from datetime import datetime
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from fake_http import LoopbackServer, RefusedError, Reply, Request
from fake_pki import P256, Clock, der, make_authority, sha256, unb64

POLICY = "1.3.6.1.4.1.57264.2"
PATH = "/api/v1/timestamp"
DIGEST_BYTES = {"sha256": 32, "sha384": 48, "sha512": 64}


class Rejection(core.Sequence):
    """A ``TimeStampResp`` without a token, for which asn1crypto has no type of its own."""

    _fields = [("status", tsp.PKIStatusInfo)]  # noqa: RUF012  as asn1crypto wants it


SHA256 = algos.DigestAlgorithm({"algorithm": "sha256"})


class FakeTimestamps:
    def __init__(self, server: LoopbackServer, *, now: Clock, since: datetime):
        self.now = now
        self.root = make_authority("timestamp root", since=since)
        self.leaf = make_authority(
            "timestamp authority",
            since=since,
            issuer=self.root,
            usage=ExtendedKeyUsageOID.TIME_STAMPING,
            end_entity=True,
            curve=ec.SECP256R1(),
        )
        self.url = server.url + PATH
        server.route("tsa", "POST", PATH, self._stamp)

    @property
    def chain(self):
        return self.leaf.certificate, self.root.certificate

    def _stamp(self, request: Request) -> Reply:
        if request.headers.get("content-type", "").startswith("application/json"):
            return self._reply(_from_json(request.json()))
        try:
            # Decoded as a whole: asn1crypto is lazy, and would say nothing of what nobody looks at.
            wanted = tsp.TimeStampReq.load(request.body, strict=True)
            _ = wanted.native
        except (TypeError, ValueError) as err:
            raise RefusedError(f"not a time stamp request: {err}") from err
        if wanted.dump(force=True) != request.body:
            raise RefusedError("not a time stamp request: it is not in DER")
        return self._reply(wanted)

    def _reply(self, wanted: tsp.TimeStampReq) -> Reply:
        failure = _why_not(wanted)
        if failure:
            status = {"status": "rejection", "status_string": [failure], "fail_info": {failure}}
            answer = Rejection({"status": status})
        else:
            answer = self.stamp(wanted)
        return Reply(status=201, body=answer.dump(), type="application/timestamp-reply")

    def stamp_message(self, message: bytes, *, algorithm: str = "sha256", certificates: bool = True) -> bytes:
        """The encoded answer to a good request for a time stamp over ``message``, without asking over the network."""
        imprint = {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": hashlib.new(algorithm, message).digest()}
        return self.stamp(tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, "cert_req": certificates})).dump()

    def stamp(self, wanted: tsp.TimeStampReq) -> tsp.TimeStampResp:
        """The answer to a good request, at the time of this service's clock."""
        moment = self.now().replace(microsecond=0)
        info: dict[str, Any] = {
            "version": "v1",
            "policy": POLICY,
            "message_imprint": wanted["message_imprint"],
            "serial_number": secrets.randbits(63),
            "gen_time": moment,
            "accuracy": {"seconds": 1},
        }
        if wanted["nonce"].native is not None:
            info["nonce"] = wanted["nonce"].native
        token = tsp.TSTInfo(info).dump()
        certificate = asn1_x509.Certificate.load(der(self.leaf.certificate))
        attributes = _attributes(token, certificate=certificate, moment=moment)
        signer = {
            "version": "v1",
            "sid": {"issuer_and_serial_number": {"issuer": certificate.issuer, "serial_number": certificate.serial_number}},
            "digest_algorithm": SHA256,
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "signature": self.leaf.key.sign(attributes.dump(), P256),
        }
        signed: dict[str, Any] = {
            "version": "v3",
            "digest_algorithms": [SHA256],
            "encap_content_info": {"content_type": "tst_info", "content": cms.ParsableOctetString(token)},
            "signer_infos": [signer],
        }
        if wanted["cert_req"].native:
            signed["certificates"] = [certificate]
        return tsp.TimeStampResp(
            {
                "status": {"status": "granted"},
                "time_stamp_token": {"content_type": "signed_data", "content": cms.SignedData(signed)},
            }
        )


def _attributes(token: bytes, *, certificate: asn1_x509.Certificate, moment: datetime) -> cms.CMSAttributes:
    certified = tsp.SigningCertificateV2({"certs": [tsp.ESSCertIDv2({"cert_hash": sha256(certificate.dump())})]})
    return cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "signing_time", "values": [cms.Time({"utc_time": core.UTCTime(moment)})]},
            {"type": "message_digest", "values": [sha256(token)]},
            {"type": "signing_certificate_v2", "values": [certified]},
        ]
    )


def _why_not(wanted: tsp.TimeStampReq) -> str | None:
    """The failure of RFC 3161, section 2.4.2, that fits, if any."""
    imprint = wanted["message_imprint"]
    algorithm = imprint["hash_algorithm"]["algorithm"].native
    if wanted["version"].native != "v1":
        return "bad_request"
    if algorithm not in DIGEST_BYTES:
        return "bad_alg"
    if len(imprint["hashed_message"].native) != DIGEST_BYTES[algorithm]:
        return "bad_data_format"
    if wanted["req_policy"].native is not None and wanted["req_policy"].dotted != POLICY:
        return "unaccepted_policy"
    if wanted["extensions"].native:
        return "unaccepted_extensions"
    return None


def _from_json(value: Any) -> tsp.TimeStampReq:
    algorithm = value["hashAlgorithm"]
    if algorithm not in DIGEST_BYTES:
        raise RefusedError(f"hash algorithm {algorithm} is not supported")
    wanted: dict[str, Any] = {
        "version": "v1",
        "message_imprint": {
            "hash_algorithm": {"algorithm": algorithm},
            "hashed_message": unb64(value["artifactHash"], what="artifact hash"),
        },
        "cert_req": value.get("certificates", False),
    }
    if "nonce" in value:
        wanted["nonce"] = int(value["nonce"])
    return tsp.TimeStampReq(wanted)
