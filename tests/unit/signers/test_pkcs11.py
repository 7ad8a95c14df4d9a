"""Keys on a token, with SoftHSM2 for one: every way to find a key, every refusal, and what others make of the bundles."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from making import bundle_of, make_package, write_policy

import mlsign
from mlsign.actions.signing.load_pkcs11 import load_pkcs11
from mlsign.errors import InputError, MlsignError, OutsideError, TrustError
from mlsign.formats.bundle import decode_bundle
from mlsign.formats.dsse import IN_TOTO_TYPE, pre_authentication_encoding
from mlsign.policy.model import Verdict
from mlsign.trust.authenticate import authenticate
from mlsign.trust.keys import describe_public_key, verify_signature
from mlsign.trust.root import TrustRoot

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")

PIN, WRONG, OFFICER = b"1234-team", b"9999-team", "5678-officer"
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
CURVES = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}


@dataclass(frozen=True)
class Token:
    """A token made for these tests, and the keys on it as cryptography knows them."""

    module: Path
    keys: dict[str, ec.EllipticCurvePrivateKey]

    def public(self, name: str):
        return describe_public_key(self.keys[name].public_key())


@pytest.fixture(scope="session")
def module() -> Path:
    found = [Path(path) for path in MODULES if Path(path).is_file()]
    if not found or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM2 is not installed (apt install softhsm2)")
    return found[0]


def configure(folder: Path) -> Path:
    (folder / "tokens").mkdir(parents=True)
    path = folder / "softhsm2.conf"
    path.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    return path


def make_token(configuration: Path, label: str) -> None:
    argv = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN.decode(), "--so-pin", OFFICER]
    subprocess.run(argv, check=True, capture_output=True, env=os.environ | {"SOFTHSM2_CONF": str(configuration)})


def certificate_of(key, *, issuer=None) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(issuer or key, hashes.SHA256()).public_bytes(Encoding.DER)


class Writer:
    """Puts objects on a token as its owner would."""

    def __init__(self, session) -> None:
        self._session = session

    def private(self, key, label: str, key_id: bytes, **more) -> None:
        from pkcs11.util.ec import decode_ec_private_key
        from pkcs11.util.rsa import decode_rsa_private_key

        der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        attributes = decode_rsa_private_key(der) if isinstance(key, rsa.RSAPrivateKey) else decode_ec_private_key(der)
        self._put(attributes | {pkcs11.Attribute.SIGN: True, pkcs11.Attribute.PRIVATE: True}, label, key_id, **more)

    def public(self, key, label: str, key_id: bytes, **more) -> None:
        from pkcs11.util.ec import decode_ec_public_key
        from pkcs11.util.rsa import decode_rsa_public_key

        if isinstance(key, rsa.RSAPrivateKey):
            attributes = decode_rsa_public_key(key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1))
        else:
            attributes = decode_ec_public_key(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        self._put(attributes, label, key_id, **more)

    def certificate(self, der: bytes, label: str, key_id: bytes) -> None:
        self._put(
            {
                pkcs11.Attribute.CLASS: pkcs11.ObjectClass.CERTIFICATE,
                pkcs11.Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                pkcs11.Attribute.SUBJECT: b"0\0",
                pkcs11.Attribute.VALUE: der,
            },
            label,
            key_id,
        )

    def _put(self, attributes, label: str, key_id: bytes, **more) -> None:
        attributes |= {pkcs11.Attribute.TOKEN: True, pkcs11.Attribute.LABEL: label}
        if key_id:
            attributes[pkcs11.Attribute.ID] = key_id
        attributes |= {getattr(pkcs11.Attribute, name): value for name, value in more.items()}
        self._session.create_object(attributes)


def fill(write: Writer) -> dict[str, ec.EllipticCurvePrivateKey]:
    keys = {name: ec.generate_private_key(curve) for name, curve in CURVES.items()}
    for number, name in enumerate(CURVES):
        write.private(keys[name], name, bytes([0xA1 + number]))
        write.public(keys[name], name, bytes([0xA1 + number]))

    def another(name: str, curve: ec.EllipticCurve = CURVES["p256"]) -> ec.EllipticCurvePrivateKey:
        keys[name] = ec.generate_private_key(curve)
        return keys[name]

    write.private(another("certified"), "certified", b"\xb1")
    write.certificate(certificate_of(keys["certified"]), "certified", b"\xb1")
    write.private(another("alone"), "alone", b"\xb2")
    write.private(another("mistaken"), "mistaken", b"\xb3")
    write.public(ec.generate_private_key(CURVES["p256"]), "mistaken", b"\xb3")
    write.private(another("two publics"), "two publics", b"\xb4")
    write.public(keys["two publics"], "two publics", b"\xb4")
    write.public(keys["p384"], "two publics", b"\xb4")
    for key_id in (b"\xc1", b"\xc2"):
        write.private(another(f"twin {key_id.hex()}"), "twin", key_id)
        write.public(keys[f"twin {key_id.hex()}"], "twin", key_id)
    number = rsa.generate_private_key(65537, 2048)
    write.private(number, "rsa", b"\xd1")
    write.public(number, "rsa", b"\xd1")
    write.private(another("silent"), "silent", b"\xd2", SIGN=False)
    write.public(keys["silent"], "silent", b"\xd2")
    write.private(another("k1", ec.SECP256K1()), "k1", b"\xd3")
    write.public(keys["k1"], "k1", b"\xd3")
    write.private(another("always"), "always", b"\xd4", ALWAYS_AUTHENTICATE=True)
    write.public(keys["always"], "always", b"\xd4")
    write.private(another("no id"), "no id", b"")
    write.public(keys["no id"], "no id", b"")
    write.private(another("of rsa"), "of rsa", b"\xd5")
    write.certificate(certificate_of(number), "of rsa", b"\xd5")
    write.private(another("of junk"), "of junk", b"\xd6")
    write.certificate(b"junk", "of junk", b"\xd6")
    write.private(another("renewed"), "renewed", b"\xd7")
    for _ in range(2):
        write.certificate(certificate_of(keys["renewed"]), "renewed", b"\xd7")
    write.private(another("beside rsa"), "beside rsa", b"\xd8")
    write.public(number, "beside rsa", b"\xd8")
    write.private(another("raw"), "raw", b"\xd9")
    write.public(keys["raw"], "raw", b"\xd9", EC_POINT=point_of(keys["raw"]))
    write.private(another("off"), "off", b"\xda")
    write.public(keys["off"], "off", b"\xda", EC_POINT=b"\x04\x41" + b"\x04" + bytes(64))
    return keys


def point_of(key) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@pytest.fixture(scope="session")
def configured(tmp_path_factory: pytest.TempPathFactory, module: Path) -> tuple[Path, Token]:
    """A token "team" with keys, and two that are both called "twins"."""
    configuration = configure(tmp_path_factory.mktemp("softhsm"))
    for label in ("team", "twins", "twins"):
        make_token(configuration, label)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(configuration))
        library = pkcs11.lib(str(module))
        with library.get_token(token_label="team").open(rw=True, user_pin=PIN.decode()) as session:
            keys = fill(Writer(session))
        library.finalize()
    return configuration, Token(module=module, keys=keys)


@pytest.fixture
def token(configured: tuple[Path, Token], monkeypatch: pytest.MonkeyPatch) -> Iterator[Token]:
    configuration, made = configured
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    monkeypatch.delenv("MLSIGN_PKCS11_PIN", raising=False)
    monkeypatch.delenv("MLSIGN_PKCS11_MODULE", raising=False)
    yield made
    assert_released(made.module)


def assert_released(module: Path) -> None:
    """Whatever happened, no session is left: the module itself was ended."""
    library = pkcs11._loaded.get(str(module))
    assert library is None or not library.initialized


def never() -> bytes:
    raise AssertionError("asked for a PIN")


def load(token: Token, uri: str, *, ask_pin: Callable[[], bytes] = lambda: PIN, **how):
    return load_pkcs11(uri, module=how.pop("module", token.module), ask_pin=ask_pin, **how)


def refused(token: Token, uri: str, **how) -> MlsignError:
    with pytest.raises(MlsignError) as caught:
        load(token, uri, **how).close()
    return caught.value


# What is found


@pytest.mark.parametrize("name", CURVES)
def test_a_signature_by_each_curve_verifies(token, name):
    with load(token, f"pkcs11:token=team;object={name}") as signer:
        bundle = signer.sign(b"payload")
        assert signer.public == token.public(name)
        assert signer.identity == signer.public.identity
        assert signer.trust.keys == (signer.public,)
    assert bundle.key_hint == token.public(name).hint
    message = pre_authentication_encoding(IN_TOTO_TYPE, b"payload")
    verify_signature(token.public(name), message=message, signature=bundle.envelope.signature)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("pkcs11:token=team;id=%A2", "p384"),
        ("pkcs11:token=team;id=%A2;object=p384;type=private", "p384"),
        ("pkcs11:token=team;object=twin;id=%c2", "twin c2"),
        ("pkcs11:token=team;object=certified", "certified"),
        ("pkcs11:token=team;object=renewed", "renewed"),
        ("pkcs11:token=team;object=no%20id", "no id"),
        ("pkcs11:token=team;object=raw", "raw"),
        ("pkcs11:manufacturer=SoftHSM%20project;model=SoftHSM%20v2;token=team;object=p256", "p256"),
        ("pkcs11:library-manufacturer=SoftHSM;library-description=Implementation%20of%20PKCS11;token=team;id=%A1", "p256"),
    ],
)
def test_ways_to_name_a_key(token, uri, name):
    with load(token, uri) as signer:
        assert signer.public == token.public(name)
        assert signer.sign(b"payload").key_hint == token.public(name).hint


def test_a_key_that_wants_the_pin_with_each_signature(token):
    asked = []
    with load(token, "pkcs11:token=team;object=always", ask_pin=lambda: asked.append(1) or PIN) as signer:
        for payload in (b"one", b"two"):
            signer.sign(payload)
        assert signer._pin == PIN.decode()
    assert (asked, signer._pin) == ([1], None)
    with load(token, "pkcs11:token=team;object=p256") as signer:
        assert signer._pin is None


def test_a_package_is_signed_and_verified(token, tmp_path):
    from mlsign.actions.signing.sign import Addition, sign

    package = make_package(tmp_path)
    with load(token, "pkcs11:token=team;object=p384") as signer:
        assert sign(package, signer).addition is Addition.ADDED
        assert sign(package, signer).addition is Addition.PRESENT
    bundle = decode_bundle(bundle_of(package, SimpleNamespace(signer=signer)).read_bytes())
    root = TrustRoot(keys=(token.public("p384"),))
    assert authenticate(bundle, root=root, now=datetime.now(UTC)).identity == token.public("p384").identity
    with pytest.raises(TrustError):
        authenticate(bundle, root=TrustRoot(keys=(token.public("p256"),)), now=datetime.now(UTC))
    public = token.keys["p384"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    gate = mlsign.Gate.load(write_policy(tmp_path / "p", {"release": (1, [public])}))
    assert gate.verify(package).decision.verdict is Verdict.ALLOW
    (package / "MODEL_CARD.md").write_text("changed")
    assert gate.verify(package).decision.verdict is Verdict.DENY


@pytest.mark.parametrize("name", CURVES)
def test_the_openssf_tool_accepts_it(token, tmp_path, name):
    pytest.importorskip("model_signing", reason="the OpenSSF tool is not installed (pip install model-signing pyopenssl)")
    from mlsign.actions.signing.sign import sign

    package = make_package(tmp_path)
    with load(token, f"pkcs11:token=team;object={name}") as signer:
        sign(package, signer)
        signature = bundle_of(package, SimpleNamespace(signer=signer))
    (tmp_path / "k.pub").write_bytes(token.keys[name].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    argv = [sys.executable, "-W", "ignore", "-m", "model_signing", "verify", "key", package, "--signature", signature]
    argv += ["--public_key", tmp_path / "k.pub", "--ignore-paths", package / "signatures"]
    done = subprocess.run(list(map(str, argv)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# Where the module and the PIN come from


def test_the_module_may_stand_in_the_uri_or_the_environment(token, monkeypatch):
    with load(token, f"pkcs11:token=team;object=p256?module-path={token.module}", module=None):
        pass
    with load(token, f"pkcs11:token=team;object=p256?module-path={token.module}&module-name=softhsm2"):
        pass
    monkeypatch.setenv("MLSIGN_PKCS11_MODULE", str(token.module))
    with load(token, "pkcs11:token=team;object=p256?module-name=libsofthsm2.so", module=None):
        pass
    # What is said goes before what surrounds it.
    monkeypatch.setenv("MLSIGN_PKCS11_MODULE", "/nowhere")
    with load(token, "pkcs11:token=team;object=p256"):
        pass


def test_modules_that_are_refused(token, tmp_path, monkeypatch):
    uri = "pkcs11:token=team;object=p256"

    def code(uri: str, path: Path | None) -> str:
        error = refused(token, uri, module=path, ask_pin=never)
        assert isinstance(error, InputError)
        assert "MLSIGN_PKCS11_MODULE" in error.hint
        return error.code

    assert code(uri, None) == "pkcs11.module"
    assert code(f"{uri}?module-name=softhsm2", None) == "pkcs11.module"
    assert code(f"{uri}?module-path=libsofthsm2.so", None) == "pkcs11.module"
    assert code(uri, Path("libsofthsm2.so")) == "pkcs11.module"
    assert code(uri, tmp_path / "none.so") == "pkcs11.module"
    assert code(uri, tmp_path) == "pkcs11.module"
    assert code(f"{uri}?module-path=/other.so", token.module) == "pkcs11.module"
    assert code(f"{uri}?module-name=opensc", token.module) == "pkcs11.module"
    os.mkfifo(tmp_path / "fifo")
    assert code(uri, tmp_path / "fifo") == "pkcs11.module"
    monkeypatch.setenv("MLSIGN_PKCS11_MODULE", "softhsm2")
    assert code(uri, None) == "pkcs11.module"
    monkeypatch.setenv("MLSIGN_PKCS11_MODULE", "")
    assert code(uri, None) == "pkcs11.module"


def test_a_library_that_is_no_module(token, tmp_path):
    import _ctypes

    (tmp_path / "text.so").write_text("no library")
    for path in (tmp_path / "text.so", Path(_ctypes.__file__)):
        error = refused(token, "pkcs11:token=team", module=path, ask_pin=never)
        assert (type(error), error.code, error.where) == (OutsideError, "pkcs11.module", str(path))


def test_a_module_that_does_not_start(token, tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "none.conf"))
    error = refused(token, "pkcs11:token=team", ask_pin=never)
    assert (type(error), error.code) == (OutsideError, "pkcs11.module")


def test_the_binding_is_missing(token, monkeypatch):
    monkeypatch.delitem(sys.modules, "mlsign.signers.pkcs11", raising=False)
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    error = refused(token, "pkcs11:token=team", ask_pin=never)
    assert (type(error), error.code) == (OutsideError, "pkcs11.binding")
    assert "mlsign[pkcs11]" in error.hint


def test_an_import_that_fails_for_another_reason_is_not_explained_away(token, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlsign.signers.pkcs11", None)
    with pytest.raises(ImportError):
        load(token, "pkcs11:token=team", ask_pin=never)


def test_the_pin_is_looked_for_in_order(token, tmp_path, monkeypatch):
    uri = "pkcs11:token=team;object=p256"
    good, bad = tmp_path / "good pin", tmp_path / "bad"
    good.write_bytes(PIN + b"\r\n")
    bad.write_bytes(WRONG)
    escaped = quote(str(good))
    for source in (f"file:{escaped}", f"file://{escaped}"):
        with load(token, f"{uri}?pin-source={source}", ask_pin=never):
            pass
    with load(token, uri, ask_pin=never, pin_file=good):
        pass
    monkeypatch.setenv("MLSIGN_PKCS11_PIN", PIN.decode())
    with load(token, uri, ask_pin=never):
        pass
    # A file that somebody named goes before what surrounds the command.
    assert refused(token, uri, ask_pin=never, pin_file=bad).code == "pkcs11.pin_wrong"
    assert refused(token, f"{uri}?pin-source=file:{quote(str(bad))}", ask_pin=never).code == "pkcs11.pin_wrong"
    monkeypatch.setenv("MLSIGN_PKCS11_PIN", WRONG.decode())
    with load(token, uri, ask_pin=never, pin_file=good):
        pass
    assert refused(token, uri).code == "pkcs11.pin_wrong"
    # An empty one is one: nothing else is tried in its place.
    monkeypatch.setenv("MLSIGN_PKCS11_PIN", "")
    assert refused(token, uri, ask_pin=never).code == "pkcs11.pin"
    with load(token, uri.replace("p256", "p384"), ask_pin=never, pin_file=good):
        pass


@pytest.mark.parametrize(
    "source",
    [
        "1234",
        "/etc/token_pin",
        "|/usr/bin/echo",
        "file:",
        "file:token_pin",
        "file://host/etc/token_pin",
        "file:////etc/token_pin",
        "file:/etc/token%2520pin",
        "https://host/pin",
        "FILE:/etc/token_pin",
    ],
)
def test_pin_sources_that_are_refused(token, source):
    error = refused(token, f"pkcs11:token=team?pin-source={source}", ask_pin=never)
    assert (type(error), error.code, error.where) == (InputError, "pkcs11.pin", "pin-source")


def test_pin_files_that_are_refused(token, tmp_path):
    uri = "pkcs11:token=team;object=p256"
    place = tmp_path / "pin"
    for content in (b"", b"\n", PIN + b"\n\n", PIN + b"\nmore", b"a\0b", b"a\rb"):
        place.write_bytes(content)
        assert refused(token, uri, ask_pin=never, pin_file=place).code == "pkcs11.pin"
    place.write_bytes(b"\xff\xfe")
    assert refused(token, uri, ask_pin=never, pin_file=place).code == "pkcs11.pin"
    place.write_bytes(b"1" * 5000)
    assert refused(token, uri, ask_pin=never, pin_file=place).code == "file.size"
    error = refused(token, uri, ask_pin=never, pin_file=Path("9473261"))
    assert (error.code, "9473261" in f"{error} {error.hint}") == ("pin.missing", False)
    error = refused(token, uri, ask_pin=never, pin_file=place, module=Path(f"{uri}?pin-value=9473261"))
    assert (error.code, "9473261" in f"{error} {error.hint}") == ("pkcs11.module", False)
    assert refused(token, uri, ask_pin=never, pin_file=tmp_path).code in {"pin.kind", "file.kind"}
    place.write_bytes(PIN)
    assert refused(token, f"{uri}?pin-source=file:{quote(str(place))}", ask_pin=never, pin_file=place).code == "pkcs11.pin"


def test_a_pin_in_the_uri_is_refused(token):
    assert refused(token, "pkcs11:token=team?pin-value=1234-team", ask_pin=never).code == "pkcs11.pin"


# Which token


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:token=nobody",
        "pkcs11:token=team;serial=00",
        "pkcs11:token=team;model=x",
        "pkcs11:token=team;manufacturer=x",
        "pkcs11:token=team;slot-id=0",
        "pkcs11:token=team;slot-manufacturer=x",
        "pkcs11:token=team;slot-description=x",
        "pkcs11:token=team;library-manufacturer=x",
        "pkcs11:token=team;library-description=x",
        "pkcs11:token=team;library-version=99",
        "pkcs11:token=",
    ],
)
def test_no_such_token(token, uri):
    error = refused(token, uri, ask_pin=never)
    if uri.endswith("="):
        assert error.code == "pkcs11.uri"
        return
    assert (type(error), error.code) == (InputError, "pkcs11.token")
    assert "token=team" in error.found
    assert "matches 0 tokens" in str(error)


def test_several_tokens(token):
    error = refused(token, "pkcs11:token=twins", ask_pin=never)
    assert (type(error), error.code) == (InputError, "pkcs11.token")
    assert "matches 2 tokens" in str(error)
    assert error.found.count("token=twins serial=") == 2
    assert "team" not in error.found
    serial = error.found.partition("serial=")[2].partition(";")[0]
    assert refused(token, f"pkcs11:token=twins;serial={serial}").code == "pkcs11.key"


def test_no_token_at_all(token, tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTHSM2_CONF", str(configure(tmp_path / "empty")))
    error = refused(token, "pkcs11:", ask_pin=never)
    assert (error.code, error.found) == ("pkcs11.token", "no token at all")


# The PIN


def test_a_wrong_pin_is_tried_once(token, monkeypatch):
    asked = []
    error = refused(token, "pkcs11:token=team;object=p256", ask_pin=lambda: asked.append(1) or WRONG)
    assert (type(error), error.code) == (InputError, "pkcs11.pin_wrong")
    assert "lock" in error.hint
    assert asked == [1]
    assert WRONG.decode() not in f"{error} {error.found} {error.hint}"
    with load(token, "pkcs11:token=team;object=p256"):
        pass


@pytest.mark.parametrize("pin", [b"", b"\xff\xff\xff\xff"])
def test_pins_that_are_none(token, pin):
    assert refused(token, "pkcs11:token=team;object=p256", ask_pin=lambda: pin).code == "pkcs11.pin"


def test_whoever_breaks_off_the_question_leaves_no_session(token):
    def interrupt() -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(token, "pkcs11:token=team;object=p256", ask_pin=interrupt)


class Flagged:
    """A token that says something of its PIN that SoftHSM never says, and answers a login with an exception."""

    label = "flagged"

    def __init__(self, flags, answer: str = "PinIncorrect", later=None) -> None:
        self.flags = flags
        self._answer = answer
        self.slot = SimpleNamespace(get_token=lambda: self._later(later))

    def _later(self, later):
        if later is None:
            raise pkcs11.TokenNotPresent
        return SimpleNamespace(flags=later)

    def open(self, **_):
        raise getattr(pkcs11, self._answer)


def test_a_locked_pin_is_not_even_asked_for():
    from mlsign.signers.pkcs11 import _read_pin

    for flags, code in (
        (pkcs11.TokenFlag.USER_PIN_LOCKED | pkcs11.TokenFlag.USER_PIN_INITIALIZED, "pkcs11.pin_locked"),
        (pkcs11.TokenFlag.TOKEN_INITIALIZED, "pkcs11.pin_unset"),
    ):
        with pytest.raises(InputError) as caught:
            _read_pin(Flagged(flags), never, where="token flagged")
        assert caught.value.code == code


def test_what_a_failed_login_says():
    from mlsign.signers.pkcs11 import _log_in

    good, locked = pkcs11.TokenFlag.USER_PIN_INITIALIZED, pkcs11.TokenFlag.USER_PIN_LOCKED
    for answer, later, code in (
        ("PinIncorrect", good, "pkcs11.pin_wrong"),
        ("PinIncorrect", locked, "pkcs11.pin_locked"),
        ("PinIncorrect", None, "pkcs11.pin_wrong"),
        ("PinLocked", locked, "pkcs11.pin_locked"),
        ("PinExpired", good, "pkcs11.pin_unset"),
        ("DeviceRemoved", None, "pkcs11.removed"),
        ("GeneralError", good, "pkcs11.failed"),
    ):
        with pytest.raises(MlsignError) as caught:
            _log_in(Flagged(good, answer, later), "1234", where="token flagged")
        assert caught.value.code == code


# Which key


def test_no_such_key(token):
    for uri in ("pkcs11:token=team;object=nobody", "pkcs11:token=team;id=%00", "pkcs11:token=team;object=p256;id=%A2"):
        error = refused(token, uri)
        assert (type(error), error.code) == (InputError, "pkcs11.key")
        assert "matches 0 private keys" in str(error)
        assert "object=" in error.found
        assert "more" in error.found


def test_several_keys(token):
    error = refused(token, "pkcs11:token=team;object=twin")
    assert (type(error), error.code) == (InputError, "pkcs11.key")
    assert sorted(error.found.split("; ")) == ["object=twin id=c1", "object=twin id=c2"]
    assert refused(token, "pkcs11:token=team").code == "pkcs11.key"


def test_a_search_without_end(token, monkeypatch):
    monkeypatch.setattr("mlsign.signers.pkcs11._MAX_OBJECTS", 3)
    assert refused(token, "pkcs11:token=team;object=p256").code == "pkcs11.key"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("rsa", "pkcs11.key_kind"),
        ("silent", "pkcs11.key_usage"),
        ("k1", "key.kind"),
        ("off", "key.point"),
        ("alone", "pkcs11.public"),
        ("two publics", "pkcs11.public"),
        ("of rsa", "pkcs11.public"),
        ("of junk", "pkcs11.public"),
        ("beside rsa", "pkcs11.public"),
    ],
)
def test_keys_that_are_refused(token, name, code):
    error = refused(token, f"pkcs11:token=team;object={name.replace(' ', '%20')}")
    assert (type(error), error.code) == (InputError, code)
    assert name in error.where


def test_a_token_that_cannot_sign_a_hash(token, monkeypatch):
    from mlsign.signers import pkcs11 as subject

    monkeypatch.setattr(subject, "Mechanism", SimpleNamespace(ECDSA="none such"))
    assert refused(token, "pkcs11:token=team;object=p256").code == "pkcs11.key_usage"


# Signing


def sign_refused(signer) -> MlsignError:
    with pytest.raises(MlsignError) as caught:
        signer.sign(b"payload")
    return caught.value


def test_a_public_key_of_another_key_is_noticed(token):
    with load(token, "pkcs11:token=team;object=mistaken") as signer:
        error = sign_refused(signer)
    assert (type(error), error.code) == (OutsideError, "pkcs11.signature")


class Broken:
    """A key whose signatures are what a test likes."""

    def __init__(self, answer) -> None:
        self._answer = answer

    def sign(self, *_args, **_how):
        if isinstance(self._answer, type):
            raise self._answer
        return self._answer


@pytest.mark.parametrize("raw", [b"", bytes(64), b"\x01" * 64, b"\x01" * 63, b"\x01" * 65, b"\xff" * 64, bytes(96)])
def test_a_broken_token_writes_no_bundle(token, raw):
    with load(token, "pkcs11:token=team;object=p256") as signer:
        signer._key = Broken(raw)
        error = sign_refused(signer)
    assert (type(error), error.code) == (OutsideError, "pkcs11.signature")


@pytest.mark.parametrize(
    ("answer", "family", "code"),
    [
        ("DeviceRemoved", OutsideError, "pkcs11.removed"),
        ("SessionHandleInvalid", OutsideError, "pkcs11.removed"),
        ("MechanismInvalid", InputError, "pkcs11.key_usage"),
        ("PinIncorrect", InputError, "pkcs11.pin_wrong"),
        ("FunctionFailed", OutsideError, "pkcs11.failed"),
    ],
)
def test_what_a_token_answers_when_it_signs(token, answer, family, code):
    with load(token, "pkcs11:token=team;object=p256") as signer:
        signer._key = Broken(getattr(pkcs11, answer))
        error = sign_refused(signer)
    assert (type(error), error.code) == (family, code)


def test_a_token_that_was_taken_away(token, tmp_path, monkeypatch, configured):
    copy = tmp_path / "copy"
    configuration = configure(copy)
    shutil.copytree(configured[0].parent / "tokens", copy / "tokens", dirs_exist_ok=True)
    monkeypatch.setenv("SOFTHSM2_CONF", str(configuration))
    signer = load(token, "pkcs11:token=team;object=p256")
    signer.sign(b"payload")
    shutil.rmtree(copy / "tokens")
    error = sign_refused(signer)
    assert (type(error), error.code) == (OutsideError, "pkcs11.removed")
    signer.close()


def test_what_a_token_does_not_show_is_none():
    from mlsign.signers.pkcs11 import _attribute, _named

    class Silent:
        def __getitem__(self, attribute):
            raise pkcs11.AttributeTypeInvalid

    assert _attribute(Silent(), pkcs11.Attribute.SIGN) is None
    assert _named(Silent()) == "object=None id=none"


def test_a_closed_signer_signs_nothing(token):
    signer = load(token, "pkcs11:token=team;object=p256")
    signer.close()
    signer.close()
    error = sign_refused(signer)
    assert (type(error), error.code) == (OutsideError, "pkcs11.closed")
    assert_released(token.module)


def test_closing_a_token_that_is_gone_is_no_error(token):
    signer = load(token, "pkcs11:token=team;object=p256")
    with contextlib.suppress(pkcs11.PKCS11Error):
        pkcs11.lib(str(token.module)).finalize()
    signer.close()


def test_a_second_login_is_refused_and_leaves_the_first_alone(token):
    with load(token, "pkcs11:token=team;object=p256") as first:
        error = refused(token, "pkcs11:token=team;object=p384")
        assert (type(error), error.code) == (OutsideError, "pkcs11.busy")
        first.sign(b"payload")


def test_the_library_is_loaded_only_where_a_token_is_used():
    probe = "import sys; import mlsign.actions.signing.load_pkcs11; sys.exit('pkcs11' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe]).returncode == 0
