"""Walking from release to release: what is found, what is missing, what lies, and that every walk ends."""

from hypothesis import given
from hypothesis import strategies as st

from mlsign.compare.lineage import Ending, Link, Release, trace
from mlsign.digest import sha256
from mlsign.formats.manifest import Previous
from mlsign.version import decode_version


def digest(text):
    return sha256(text.encode())


def release(version, *, after=None, name="fraud", own=None, claims=None):
    """``after`` is the version that it comes after, ``claims`` the version that it says that one has."""
    previous = None if after is None else Previous(version=decode_version(claims or after), digest=digest(f"fraud {after}"))
    own = digest(f"{name} {version}") if own is None else own
    return Release(name=name, version=decode_version(version), digest=own or None, previous=previous)


def test_a_chain_back_to_the_first_release():
    found = trace([release("2.0.0", after="1.1.0"), release("1.1.0", after="1.0.0"), release("1.0.0")])
    assert [(each.link, each.parent, each.ending, each.last, each.length) for each in found] == [
        (Link.FOUND, 1, Ending.FIRST, 2, 3),
        (Link.FOUND, 2, Ending.FIRST, 2, 2),
        (Link.FIRST, None, Ending.FIRST, 2, 1),
    ]


def test_the_order_of_the_list_does_not_matter():
    found = trace([release("1.0.0"), release("2.0.0", after="1.1.0"), release("1.1.0", after="1.0.0")])
    assert [(each.parent, each.length) for each in found] == [(None, 1), (2, 3), (0, 2)]


def test_a_fork_is_two_chains():
    found = trace([release("1.2.0", after="1.0.0"), release("1.1.0", after="1.0.0"), release("1.0.0")])
    assert [each.parent for each in found] == [2, 2, None]
    assert {each.ending for each in found} == {Ending.FIRST}


def links(*releases):
    found = trace(releases)
    assert all(each.ending is Ending.FIRST for each in found[1:])
    assert found[0].ending is Ending.BROKEN
    assert (found[0].last, found[0].length, found[0].parent) == (0, 1, None)
    return found[0].link


def test_every_way_in_which_the_release_before_is_not_found():
    assert links(release("1.1.0", after="1.0.0")) is Link.MISSING
    assert links(release("1.1.0", after="1.0.0"), release("0.9.0")) is Link.MISSING
    assert links(release("1.1.0", after="1.0.0"), release("1.0.0", own=digest("other"))) is Link.DIFFERENT
    assert links(release("1.1.0", after="1.0.0"), release("1.0.0", name="other", own=digest("fraud 1.0.0"))) is Link.OTHER_NAME
    assert links(release("1.1.0", after="0.9.0", claims="1.0.0"), release("0.9.0")) is Link.OTHER_VERSION
    assert links(release("1.1.0"), release("1.0.0")) is Link.UNRECORDED
    # not all its files could be read, so nobody knows that it is the one
    assert links(release("1.1.0", after="1.0.0"), release("1.0.0", own=False)) is Link.DIFFERENT


def test_what_is_behind_a_broken_link_is_broken_too():
    found = trace([release("1.2.0", after="1.1.0"), release("1.1.0", after="1.0.0"), release("0.1.0")])
    assert [(each.link, each.ending, each.last) for each in found[:2]] == [
        (Link.FOUND, Ending.BROKEN, 1),
        (Link.MISSING, Ending.BROKEN, 1),
    ]


def test_other_models_and_builds_of_one_version_make_no_release_later_than_the_first():
    found = trace([release("1.0.0+b"), release("1.0.0+a"), release("0.1.0", name="other")])
    assert {each.link for each in found} == {Link.FIRST}


def test_of_copies_the_preferred_one_is_walked_to():
    chain = [release("1.1.0", after="1.0.0"), release("1.0.0"), release("1.0.0")]
    assert trace(chain)[0].parent == 1
    assert trace(chain, preferred=(2,))[0].parent == 2


def test_a_version_that_is_not_lower_leads_nowhere_so_there_are_no_circles():
    """No manifest may record one, and no files have such digests; a walk must end all the same."""
    to = {name: Previous(version=decode_version("1.0.0"), digest=digest(name)) for name in ("a", "b")}
    around = [
        Release(name="m", version=decode_version("1.0.0"), digest=digest("a"), previous=to["b"]),
        Release(name="m", version=decode_version("1.0.0"), digest=digest("b"), previous=to["a"]),
        Release(name="m", version=decode_version("2.0.0"), digest=digest("c"), previous=to["a"]),
    ]
    found = trace(around)
    assert [each.link for each in found] == [Link.OTHER_VERSION, Link.OTHER_VERSION, Link.FOUND]
    assert {each.ending for each in found} == {Ending.BROKEN}


def test_a_very_long_chain():
    count = 20_000
    chain = [release(f"0.0.{number}", after=f"0.0.{number - 1}" if number else None) for number in range(count)]
    assert trace(chain)[-1].length == count
    assert trace(chain[::-1])[0].length == count


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.none() | st.integers(0, 5)), max_size=12))
def test_every_walk_ends_and_says_where(drawn):
    """Whatever the digests and versions say, in chains, forks and circles."""
    releases = [
        Release(
            name="m",
            version=decode_version(f"{version}.0.0"),
            digest=digest(str(own)),
            previous=None if after is None else Previous(version=decode_version(f"{after % 3}.0.0"), digest=digest(str(after))),
        )
        for own, version, after in drawn
    ]
    found = trace(releases)
    assert len(found) == len(releases)
    for index, each in enumerate(found):
        at, length = index, 1
        while (parent := found[at].parent) is not None:
            assert releases[parent].version < releases[at].version
            at, length = parent, length + 1
        assert (each.last, each.length) == (at, length)
        assert each.ending is (Ending.FIRST if found[at].link is Link.FIRST else Ending.BROKEN)
