"""Signing without keeping a key: a certificate of minutes for whoever an identity token names, through ``sigstore``.

The library talks to the services; what it brings back is checked by our own verification before it is kept
(``actions.sign``), so nothing here decides whether a bundle is good.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import jwt
import requests
from pydantic import ValidationError
from requests.exceptions import ContentDecodingError
from sigstore._internal.fulcio.client import ExpiredCertificate, FulcioClientError
from sigstore._internal.rekor import RekorClientError
from sigstore.dsse import Statement
from sigstore.errors import Error as SigstoreError
from sigstore.errors import NetworkError
from sigstore.models import ClientTrustConfig, InvalidBundle
from sigstore.oidc import ExpiredIdentity, IdentityError, IdentityToken, Issuer, IssuerError, detect_credential
from sigstore.sign import SigningContext
from urllib3.exceptions import HTTPError

from mlsign.errors import InputError, MlsignError, OutsideError, TrustError, shown
from mlsign.formats.bundle import Bundle, decode_bundle
from mlsign.formats.trusted_root import TrustedRoot, decode_trusted_root
from mlsign.identity import Identity
from mlsign.services import overheard
from mlsign.signers.bounded_http import AnswerTooLargeError, BoundedAdapter, OverdueAnswerError, bound_session
from mlsign.signers.token_claims import check_subject
from mlsign.strict import encode_json
from mlsign.trust.certificates import UNREADABLE, load_certificate
from mlsign.trust.fulcio import keyless_identity
from mlsign.trust.root import TrustRoot

EXCHANGE_SECONDS: Final = 60
"""A log of the second version answers once the entry is in its tree, which takes a while."""
SIGNING_SECONDS: Final = 120
_LIBRARIES: Final = ("sigstore", "urllib3")
_ODD_ANSWERS: Final = (
    *UNREADABLE,
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError),
    HTTPError,
)
"""What comes of an answer that the library took for something else: it looks into JSON without asking what that is."""
_AGAIN: Final = "nothing was written; signing again is safe"


class KeylessSigner:
    """Signs as the person or workflow that an identity token names."""

    material = None

    def __init__(self, token: IdentityToken, config: ClientTrustConfig, root: TrustedRoot) -> None:
        self._token = token
        self._config = config
        self._trust = TrustRoot(keys=(), sigstore=root)

    @property
    def identity(self) -> Identity | None:
        """None: who it is stands in the certificate, which is made while signing."""
        return None

    @property
    def trust(self) -> TrustRoot:
        return self._trust

    def sign(self, payload: bytes) -> Bundle:
        """A bundle over the payload, logged and timestamped as the configuration says.

        Raises ``OutsideError`` (``token.expired``, ``keyless.…``) and ``TrustError`` (``keyless.untrusted``,
        ``keyless.subject``).
        """
        with overheard(*_LIBRARIES) as heard:
            with _translated():
                context = SigningContext.from_trust_config(self._config)
            _bound(context)
            with _translated():
                with context.signer(self._token) as signer:
                    try:
                        made = signer.sign_dsse(Statement(payload))
                    except InvalidBundle as err:
                        # The library goes on without a timestamp and finds out here that there is no time at all.
                        raise _no_timestamp(heard) from err
                bundle = decode_bundle(encode_json(json.loads(made.to_json())))
            if self._config.signing_config.get_tsas() and not bundle.material.timestamps:
                raise _no_timestamp(heard)
        self._check_subject(bundle)
        return bundle

    def _check_subject(self, bundle: Bundle) -> None:
        """Whoever was asked certified the one who asked. That it was somebody trusted is checked with the whole bundle."""
        certified = keyless_identity(load_certificate(bundle.material.certificates[0])).subject
        check_subject(certified, jwt.decode(str(self._token), options={"verify_signature": False}))


def _bound(context: SigningContext) -> None:
    """The library asks for a certificate and a log entry without a timeout, and reads what comes to its end."""
    adapter = BoundedAdapter(each=EXCHANGE_SECONDS, total=SIGNING_SECONDS)
    # There is no public way. Where the library comes to keep them elsewhere, this fails rather than bounding nothing.
    clients = (context._rekor, *context._tsa_clients)  # noqa: SLF001
    for session in (context._fulcio.session, *(client._session for client in clients)):  # type: ignore[attr-defined]  # noqa: SLF001
        bound_session(session, adapter)


def _no_timestamp(heard: list[str]) -> OutsideError:
    return OutsideError(
        "no timestamp authority answered, and without a timestamp the signature would be good for minutes",
        code="keyless.timestamp",
        found=shown("; ".join(heard)),
        hint=_AGAIN,
    )


def read_config(data: bytes) -> tuple[ClientTrustConfig, TrustedRoot]:
    """Services and authorities of one instance of Sigstore, from its client configuration.

    Raises ``InputError`` (``root.…``, ``json.…``, ``keyless.config``).
    """
    root = decode_trusted_root(data)
    try:
        config = ClientTrustConfig.from_json(data.decode("utf-8"))
        # A configuration without a service that can be used is found out here and not half-way through.
        for find in (config.signing_config.get_fulcio, config.signing_config.get_tlogs, config.signing_config.get_tsas):
            find()
    except (ValidationError, ValueError, SigstoreError) as err:
        raise InputError(
            f"is no client configuration that can be signed with: {shown(err)}",
            code="keyless.config",
            where="trust configuration",
            hint="a ClientTrustConfig has trustedRoot and signingConfig; the latter names fulcio, rekor and timestamp services",
        ) from err
    return config, root


def given_token(text: str) -> IdentityToken:
    """A token that the user brought. Raises ``OutsideError`` (``token.…``)."""
    with _translated():
        return _decode_token(text)


def ambient_token() -> IdentityToken | None:
    """The token that the environment hands out (a CI system), or None where there is none. Raises ``OutsideError``."""
    with overheard(*_LIBRARIES, "id"), _translated():
        found = detect_credential()
        return None if found is None else _decode_token(found)


def _decode_token(text: str) -> IdentityToken:
    """The library expects every claim to be of the type that it should have."""
    try:
        return IdentityToken(text)
    except (AttributeError, TypeError, ValueError, RecursionError) as err:
        raise IdentityError("a claim is not of its type") from err


def interactive_token(config: ClientTrustConfig, *, out_of_band: bool) -> IdentityToken:
    """A token for whoever logs in: in a browser here, or elsewhere with a code to type. Raises ``OutsideError``."""
    with overheard(*_LIBRARIES), _translated():
        return Issuer(config.signing_config.get_oidc_url()).identity_token(force_oob=out_of_band)


@contextmanager
def _translated() -> Iterator[None]:
    """What the library raises, as the error of whoever must act."""
    try:
        yield
    except MlsignError:
        raise
    except (IdentityError, ExpiredIdentity) as err:
        raise _about_token(err) from err
    except IssuerError as err:
        raise OutsideError(f"the identity provider gave no token: {shown(err)}", code="token.issuer", hint=_AGAIN) from err
    except (AnswerTooLargeError, requests.JSONDecodeError, ContentDecodingError) as err:
        raise _unreadable(err) from err
    except (NetworkError, requests.RequestException) as err:
        raise _unreachable(err) from err
    except SigstoreError as err:
        raise TrustError(
            f"a service answered with something that does not hold: {shown(err)}",
            code="keyless.untrusted",
            hint="check that the trust configuration belongs to these services",
        ) from err
    except FulcioClientError as err:
        raise OutsideError(f"the certificate authority refused: {_answer(err)}", code="keyless.certificate", hint=_AGAIN) from err
    except RekorClientError as err:
        message = f"the transparency log did not take the entry: {_answer(err)}"
        raise OutsideError(message, code="keyless.log", hint=_AGAIN) from err
    except ExpiredCertificate as err:
        message = "the certificate expired before the signature was made"
        raise OutsideError(message, code="token.expired", hint=_AGAIN) from err
    except _ODD_ANSWERS as err:
        raise _unreadable(err) from err


def _unreadable(error: Exception) -> OutsideError:
    message = f"a service gave an answer that cannot be read: {shown(error)}"
    return OutsideError(message, code="keyless.answer", hint=_AGAIN)


def _about_token(error: Exception) -> OutsideError:
    cause = error.__cause__
    expired = isinstance(error, ExpiredIdentity) or isinstance(cause, jwt.ExpiredSignatureError) or "validity" in str(error)
    if isinstance(cause, jwt.ImmatureSignatureError):
        return OutsideError(
            "the identity token is of a time that has not come yet",
            code="token.clock",
            hint="check the clock of this machine",
        )
    if isinstance(cause, jwt.InvalidAudienceError):
        return OutsideError(
            "the identity token is for another audience, Sigstore takes tokens for sigstore",
            code="token.audience",
            expected="sigstore",
            hint="ask the identity provider for a token with the audience sigstore",
        )
    if expired:
        return OutsideError(
            "the identity token has expired",
            code="token.expired",
            hint="tokens are good for minutes: get a new one right before signing",
        )
    return OutsideError(
        f"the identity token cannot be used: {shown(cause or error)}",
        code="token.invalid",
        hint="in a GitHub workflow the job needs permissions: id-token: write",
    )


def _unreachable(error: Exception) -> OutsideError:
    request = getattr(error, "request", None)
    url = getattr(request, "url", None)
    name, where, hint = shown(url or "of Sigstore"), shown(url or ""), f"check the network and try again: {_AGAIN}"
    if isinstance(error, OverdueAnswerError):
        message = f"the service {name} did not answer in time: {shown(error)}"
        return OutsideError(message, code="keyless.unreachable", where=where, hint=hint)
    return OutsideError(f"the service {name} cannot be reached", code="keyless.unreachable", where=where, hint=hint)


def _answer(error: BaseException | None) -> str:
    """The words of the service that answered with an error, from wherever the library left them."""
    seen = 0
    while error is not None and seen < 8:
        response = getattr(error, "response", None)
        if response is not None:
            return shown(f"{response.status_code} {response.text}")
        for argument in error.args:
            response = getattr(argument, "response", None)
            if response is not None:
                return shown(f"{response.status_code} {response.text}")
        error, seen = error.__cause__, seen + 1
    return "no answer that could be read"
