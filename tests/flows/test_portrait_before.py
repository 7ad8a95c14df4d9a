"""What a portrait says of the release before: whether it is the one that the manifest records, and what changed since."""

import shutil
from dataclasses import replace

import pytest
from making import make_package, write_model, write_policy

from mlsign.actions.inspection.portrait_before import Before
from mlsign.actions.inspection.portray import PortrayRequest, portray
from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.sign import sign
from mlsign.actions.verification.verify import VerifyRequest
from mlsign.compare.facts import FieldChange, FileChanges
from mlsign.compare.lineage import Link
from mlsign.errors import InputError
from mlsign.interface import OperatorId
from mlsign.report.html.changes import changes
from mlsign.report.html.elements import render_element
from mlsign.report.html.portrait import render_portrait


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("releases")
    before = make_package(folder / "one", name="fraud-1.2.0")
    model = write_model(folder / "two" / "fraud.onnx", scale=2.0)
    after = pack(PackRequest(model=model, output=folder / "fraud-1.3.0", previous=before)).path
    unrelated = pack(PackRequest(model=model, output=folder / "fraud-1.4.0")).path
    return before, after, unrelated


def before_of(package, previous) -> Before:
    portrait = portray(package, PortrayRequest(previous=previous))
    assert "Changes since the release before" in render_portrait(portrait)
    return portrait.before


def test_the_recorded_release_is_told_with_its_changes(releases):
    before, after, _ = releases
    found = before_of(after, before)
    assert found.link is Link.FOUND
    text = render_element(changes(found, vouched=True))
    assert "badge good" in text
    assert "Compared with fraud 1.2.0" in text
    assert "the model file" in text
    assert "were not checked" in text


def test_one_changed_byte_makes_it_another_release(releases, tmp_path):
    _, after, _ = releases
    twin = make_package(tmp_path, name="fraud-1.2.0", scale=1.5)
    found = before_of(after, twin)
    assert found.link is Link.DIFFERENT
    assert "badge good" not in render_element(changes(found, vouched=True))


def test_a_release_that_records_none_before_it_says_so(releases):
    before, after, unrelated = releases
    assert before_of(unrelated, before).link is Link.UNRECORDED
    assert before_of(before, after).link is Link.FIRST


@pytest.mark.parametrize("link", list(Link))
def test_only_the_recorded_release_is_ever_in_order(releases, link):
    before, after, _ = releases
    found = replace(before_of(after, before), link=link)
    assert ("badge good" in render_element(changes(found, vouched=True))) == (link is Link.FOUND)
    assert "badge good" not in render_element(changes(found, vouched=False))


def test_a_record_that_nobody_vouches_for_is_never_in_order(releases, tmp_path, keys):
    """Anybody can pack a model and record a well-known release as the one before."""
    before, after, _ = releases
    page = render_portrait(portray(after, PortrayRequest(previous=before)))
    assert "Nobody whom a policy trusts stands behind that record" in page
    policy = load_policy(write_policy(tmp_path, {"release": (1, [keys.release.public])}))
    denied = portray(after, PortrayRequest(previous=before, verify=VerifyRequest(policy=policy)))
    assert "Nobody whom a policy trusts stands behind that record" in render_portrait(denied)
    copy = tmp_path / "copy"
    shutil.copytree(after, copy)
    sign(copy, keys.release.signer)
    allowed = portray(copy, PortrayRequest(previous=before, verify=VerifyRequest(policy=policy)))
    assert "Nobody whom a policy trusts" not in render_portrait(allowed)


def test_a_release_that_is_not_what_it_says_is_no_release_before(releases, tmp_path):
    _, after, _ = releases
    spoilt = make_package(tmp_path, name="fraud-1.2.0")
    (spoilt / "MODEL_CARD.md").write_text("another")
    with pytest.raises(InputError) as caught:
        portray(after, PortrayRequest(previous=spoilt))
    assert caught.value.code == "inspect.previous"


def test_a_model_without_a_manifest_has_no_release_before(releases):
    before, after, _ = releases
    with pytest.raises(InputError) as caught:
        portray(
            after / "fraud.onnx" if (after / "fraud.onnx").exists() else after / "model.onnx", PortrayRequest(previous=before)
        )
    assert caught.value.code == "inspect.previous"


def test_names_of_the_release_before_are_words(releases):
    before, after, _ = releases
    hostile = "<img src=x onerror=alert(1)>\u202e"
    portrait = portray(after, PortrayRequest(previous=before))
    change = replace(
        portrait.before.change,
        added=(OperatorId(hostile, hostile),),
        opsets=(FieldChange(field=hostile, before=hostile, after=None),),
        files=FileChanges(added=(hostile,), removed=(hostile,), changed=(hostile,)),
    )
    page = render_portrait(replace(portrait, before=replace(portrait.before, name=hostile, change=change)))
    assert "<img" not in page
    assert "\u202e" not in page
    assert page.count("onerror") >= 6
