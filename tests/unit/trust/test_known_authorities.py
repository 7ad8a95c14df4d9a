"""An authority that certified somebody before is believed for what its bytes say, and nothing of what lies below it."""

from datetime import timedelta

import pytest
from certificate_authority import NOW, SERVER_AUTH, YEAR, issue, make_organisation, name_of
from cryptography import x509

from mlsign.errors import MlsignError
from mlsign.trust import certificates
from mlsign.trust.certificates import verify_chain

DAY = timedelta(days=1)


def chain_of(leaf, middle, root, *, time=NOW):
    return verify_chain(leaf.der, anchors=(root.der,), intermediates=(middle.der,), time=time)


def refused(*args, **how):
    with pytest.raises(MlsignError) as caught:
        chain_of(*args, **how)
    return caught.value.code


@pytest.fixture(autouse=True)
def fresh():
    certificates._known_authorities.clear()
    certificates._chain.cache_clear()


@pytest.fixture
def verified(monkeypatch):
    """Which anchors certificates were held against."""
    seen = []
    real = certificates._verified

    def spy(leaf, *, anchors, intermediates, time):
        seen.append(anchors)
        return real(leaf, anchors=anchors, intermediates=intermediates, time=time)

    monkeypatch.setattr(certificates, "_verified", spy)
    return seen


@pytest.fixture
def o():
    found = make_organisation()
    assert chain_of(found.leaf, found.middle, found.root) == (found.leaf.der, found.middle.der, found.root.der)
    assert certificates._known_authorities == {(found.middle.der, found.root.der)}
    return found


def test_the_next_certificate_is_verified_by_its_authority_alone(o, verified):
    other = issue("review", o.middle)
    assert chain_of(other, o.middle, o.root) == (other.der, o.middle.der, o.root.der)
    assert verified == [(o.middle.der,)]
    stranger = make_organisation()
    assert refused(other, o.middle, stranger.root) == "certificate.chain"
    assert verified[1:] == [(stranger.root.der,)]


def test_what_the_authority_did_not_sign_is_refused(o):
    forged = issue("release", o.middle, signed_by=issue("x").key)
    assert refused(forged, o.middle, o.root) == "certificate.chain"
    namesake = issue(o.middle.certificate.subject, ca=True)
    assert refused(issue("release", namesake), o.middle, o.root) == "certificate.chain"
    assert refused(issue("release", issue("lower", o.middle, ca=True)), o.middle, o.root) == "certificate.chain"
    # one that names its authority and is another is not known
    twin = issue(o.middle.certificate.subject, o.root, ca=True, key=o.middle.key, extended=SERVER_AUTH)
    assert refused(issue("release", twin), twin, o.root) == "certificate.chain"


@pytest.mark.parametrize("ends", ["root", "middle", "leaf"])
def test_nobody_is_believed_before_or_after_their_time(ends):
    until = {name: NOW + (DAY if name == ends else YEAR) for name in ("root", "middle", "leaf")}
    root = issue("root", ca=True, until=until["root"])
    middle = issue("middle", root, ca=True, until=until["middle"])
    first, second = (issue(name, middle, until=until["leaf"]) for name in ("first", "second"))
    chain_of(first, middle, root)
    assert len(certificates._known_authorities) == 1
    assert chain_of(second, middle, root, time=NOW + DAY)
    for time in (NOW + DAY + timedelta(seconds=1), NOW - 2 * YEAR):
        assert refused(second, middle, root, time=time) == "certificate.chain"


def test_a_certificate_for_another_use_or_of_an_odd_shape_is_refused_as_ever(o):
    odd = issue("release", o.middle, more=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"x"), True)])
    assert refused(odd, o.middle, o.root) == "certificate.chain"
    # the certificate of the authority is nobody's below itself
    assert refused(o.middle, o.middle, o.root) == "certificate.chain"
    direct = issue("release", o.root)
    assert chain_of(direct, o.middle, o.root) == (direct.der, o.root.der)


@pytest.mark.parametrize("where", ["root", "middle"])
def test_authorities_that_constrain_names_are_asked_each_time(where):
    only = x509.NameConstraints(permitted_subtrees=[x509.RFC822Name("acme.example")], excluded_subtrees=None)
    more = {name: [(only, True)] if name == where else [] for name in ("root", "middle")}
    root = issue(name_of("root"), ca=True, more=more["root"])
    middle = issue(name_of("middle"), root, ca=True, more=more["middle"])
    ours, theirs = (issue("x", middle, names=[x509.RFC822Name(f"x@{host}")]) for host in ("acme.example", "evil.example"))
    assert chain_of(ours, middle, root)
    assert certificates._known_authorities == set()
    assert refused(theirs, middle, root) == "certificate.chain"


def test_with_more_ways_than_one_nothing_is_kept():
    o = make_organisation()
    other = issue("other", ca=True)
    verify_chain(o.leaf.der, anchors=(o.root.der, other.der), intermediates=(o.middle.der,), time=NOW)
    verify_chain(o.leaf.der, anchors=(o.root.der,), intermediates=(o.middle.der, other.der), time=NOW)
    assert certificates._known_authorities == set()


def test_what_was_an_authority_is_trusted_for_a_root_by_nobody_who_does_not_say_so(o):
    other = issue("other", o.middle)
    with pytest.raises(MlsignError, match="does not chain"):
        verify_chain(other.der, anchors=(), intermediates=(o.middle.der, o.root.der), time=NOW)
    assert verify_chain(other.der, anchors=(o.middle.der, o.root.der), intermediates=(), time=NOW) == (other.der, o.middle.der)


def test_so_many_are_kept_and_no_more(o, monkeypatch):
    monkeypatch.setattr(certificates, "_MAX_KNOWN_AUTHORITIES", 1)
    other = make_organisation()
    chain_of(other.leaf, other.middle, other.root)
    assert certificates._known_authorities == {(other.middle.der, other.root.der)}
