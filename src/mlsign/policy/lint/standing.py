"""How long a policy holds, what it rests on, and who vouches besides those who sign."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

from mlsign.errors import shown
from mlsign.policy.decoding.yaml_source import Mapping, Node, Scalar
from mlsign.policy.lint.remark import Draft, Remark
from mlsign.policy.lint.signers import person_of
from mlsign.policy.requirements import Requirement

SOON: Final = timedelta(days=30)


def check_validity(draft: Draft) -> Iterator[Remark]:
    """An end that has come or is near, and a signed policy whose versions nobody can tell apart."""
    expires = draft.policy.expires
    if expires is not None and expires <= draft.now:
        yield draft.warning(
            "expires.past",
            "the policy has expired and allows nothing",
            "expires",
            hint="extend expires, raise revision, and sign it again",
        )
    elif expires is not None and expires - draft.now <= SOON:
        yield draft.warning(
            "expires.soon",
            f"the policy allows nothing from {expires:%Y-%m-%dT%H:%M:%SZ} on",
            "expires",
            hint="extend expires, raise revision, and sign it again before then",
        )
    if draft.is_signed and draft.policy.revision is None:
        yield draft.warning(
            "revision.missing",
            "the policy is signed and has no revision: whoever puts an older signed one in its place is not found out",
            hint="add revision, and raise it with every change",
        )


def check_vouchers(draft: Draft) -> Iterator[Remark]:
    """Somebody whose word stands in for signatures, or is asked for beside them, and who signs releases as well."""
    signers = {person_of(wanted) for wanted in draft.policy.package_signers}
    vsa, attested = draft.policy.vsa, draft.policy.provenance.attested
    yield from _both(
        draft,
        signers,
        () if vsa is None else vsa.accept,
        ("vsa", "accept"),
        code="vsa.signer",
        message="signs releases as well, so a verification summary is nobody else's word",
        hint="accept summaries by a key that signs no releases",
    )
    yield from _both(
        draft,
        signers,
        () if attested is None else attested.signed_by,
        ("provenance", "attested", "signed_by"),
        code="provenance.signer",
        message="signs releases as well, so the origin is attested by whoever releases and by no build platform",
        hint="name a key that only the build platform has",
    )
    yield from _both(
        draft,
        signers,
        draft.policy.golden.run_by,
        ("golden", "run_by"),
        code="golden.signer",
        message="signs releases as well, so the runs are nobody else's word",
        hint="name a key that only the machines have on which the model is run",
    )


def _both(
    draft: Draft,
    signers: Iterable[object],
    named: tuple[Requirement, ...],
    path: tuple[str, ...],
    *,
    code: str,
    message: str,
    hint: str,
) -> Iterator[Remark]:
    known = set(signers)
    for index, wanted in enumerate(named):
        if person_of(wanted) in known:
            yield draft.warning(code, message, *path, index, hint=hint)


def check_golden(draft: Draft) -> Iterator[Remark]:
    """Golden test data that has to be there and that nobody runs, or that wrong answers would meet."""
    golden = draft.policy.golden
    if golden.required and not golden.replay and not golden.platforms:
        yield draft.information(
            "golden.unused",
            "golden test data must be there, and nothing is run on it: data that the model does not meet passes",
            "golden",
            hint="add replay: true, or platforms and run_by",
        )
    wide = (
        ("max_rtol", golden.max_rtol >= 1, "a model that answers 0 to everything meets such data"),
        ("max_atol", golden.max_atol >= 1, "any probability meets such data"),
    )
    for name, is_wide, why in wide:
        if is_wide:
            message = f"golden test data with a tolerance of 1 or more is taken: {why}"
            hint = "allow no more than what runtimes really differ by, 0.01 or less"
            yield draft.warning("golden.wide", message, "golden", name, hint=hint)


def check_loosened(draft: Draft) -> Iterator[Remark]:
    """Every field in which the policy, or a parent of it, is looser than what it extends."""
    written = [_field_of(item) for item in draft.items("loosens")]
    for each in draft.policy.lineage.loosened:
        path = ("loosens", written.index(each.field)) if each.field in written else ("extends",)
        yield draft.information(
            "extends.loosened",
            f"{shown(each.field)} is {shown(each.loose)}, looser than {shown(each.tight)} in {shown(each.parent)}: {shown(each.reason)}",
            *path,
        )


def _field_of(item: Node) -> str:
    entries = item.entries if isinstance(item, Mapping) else ()
    return next((value.text for key, value in entries if key.text == "field" and isinstance(value, Scalar)), "")
