"""Keys that anybody can make and that take long to verify with are refused before anything is verified."""

import pytest
from certificate_authority import NOW, YEAR, issue, name_of, rsa_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from mlsign.errors import InputError
from mlsign.trust.certificates import load_certificate


def issued_to(public: rsa.RSAPublicKey) -> bytes:
    name = name_of("slow")
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(public).serial_number(7)
    dated = builder.not_valid_before(NOW - YEAR).not_valid_after(NOW + YEAR)
    return dated.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)


def test_a_key_of_the_usual_size_is_taken():
    assert load_certificate(issue("good", ca=True, key=rsa_key(2048)).der)


# Only the public half matters, so the modulus need not have factors that anybody knows.
@pytest.mark.parametrize(("bits", "exponent"), [(16384, 65537), (2048, (1 << 63) | 1)])
def test_keys_that_take_long_to_verify_with_are_refused(bits, exponent):
    public = rsa.RSAPublicNumbers(e=exponent, n=(1 << (bits - 1)) | 1).public_key()
    with pytest.raises(InputError) as caught:
        load_certificate(issued_to(public))
    assert caught.value.code == "certificate.key_size"
