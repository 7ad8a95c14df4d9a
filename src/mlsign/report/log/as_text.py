"""A log of releases as text: what is wrong with all of it first, then each release, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlsign.actions.releases.list_releases import Reading
from mlsign.errors import shown
from mlsign.paths import MANIFEST_NAME
from mlsign.policy.model import Verdict
from mlsign.report.log.words import change_words, lineage_words, right_words, signer_words, wrong_words
from mlsign.report.page import BAD, BOLD, DIM, GOOD, HANG, WARNING, Facts, Page
from mlsign.words import counted

if TYPE_CHECKING:
    from mlsign.actions.releases.list_releases import LoggedRelease, ReleaseLog

_MANY: Final = 12
_LONG: Final = 600


def render_log(log: ReleaseLog, *, width: int, color: bool) -> str:
    """What ``mlsign log`` found."""
    out = Page(width=width, color=color)
    _summary(out, log)
    for twins in log.twins:
        out.line(
            (f"{counted(len(twins.digests), 'package')} say they are {twins.name} {twins.version}, and are not the same:", BAD)
        )
        for path in twins.paths[:_MANY]:
            out.detail("", _path(path))
    for name, releases in _by_name(log):
        models = f"{name}  {counted(len(releases), 'release')}"
        out.heading(models)
        for each in releases:
            _release(out, each, judged=log.judged)
    if log.unreadable:
        out.heading(f"{counted(len(log.unreadable), 'folder')} that could not be read")
        for bad in log.unreadable:
            path = f"{bad.path}/{MANIFEST_NAME}".lstrip("/") if bad.error.where == MANIFEST_NAME else bad.path
            out.line(("✗", BAD), f" {_path(path)}: ", shown(bad.error.message, limit=_LONG), hang=HANG)
    _notes(out, log)
    return out.text()


def _summary(out: Page, log: ReleaseLog) -> None:
    wrong = wrong_words(log)
    if wrong and log.verdict is Verdict.ALLOW:
        mark, style, words = "! ", WARNING, f"{', '.join(wrong)}, and the policy only watches"
    elif wrong:
        mark, style, words = "✗ ", BAD, ", ".join(wrong)
    else:
        # Without a policy nothing is good news: nobody's signature was checked.
        mark, style = ("✓ ", GOOD) if log.judged else ("", BOLD)
        words = right_words(log)
    out.line((f"{mark}{counted(len(log.releases), 'release')}: {words}", style))


def _by_name(log: ReleaseLog) -> list[tuple[str, list[LoggedRelease]]]:
    names: dict[str, list[LoggedRelease]] = {}
    for each in log.releases:
        names.setdefault(each.found.release.name, []).append(each)
    return list(names.items())


def _release(out: Page, each: LoggedRelease, *, judged: bool) -> None:
    found, release = each.found, each.found.release
    status = ("", "")
    if found.judged is not None:
        allowed = found.judged.verdict is Verdict.ALLOW
        status = ("  allowed", GOOD) if allowed else ("  denied", BAD)
    elif found.problem is not None:
        status = ("  faulty", BAD)
    out.blank()
    out.line((str(release.version), BOLD), status)
    facts = Facts()
    facts.add("Digest", str(release.digest) if release.digest is not None else "not known: not all files could be read")
    facts.add("Folder", _path(found.path) + (f", the same release as {_path(each.same_as)}" if each.same_as is not None else ""))
    facts.add_each("Signed", list(signer_words(each)))
    if found.packed is not None:
        facts.add("Packed", f"{found.packed}, as its manifest claims")
    facts.add("Lineage", lineage_words(each, judged=judged))
    if len(each.next_versions) > 1:
        facts.add("Fork", f"{', '.join(each.next_versions[:_MANY])} come after this one")
    if each.before is not None:
        against = f"against {each.before.release.version}" + ("" if each.lineage.parent is not None else ", the version before")
        # Changes are read off manifests, and files of a package that is out of order may be others.
        claimed = "" if found.is_sound and each.before.is_sound else ", as manifests say"
        words = "a manifest was changed meanwhile" if each.change is None else change_words(each.change)
        facts.add("Changes", f"{against}{claimed}: {words}")
    if found.problem is not None:
        facts.add("Problem", f"{found.problem.code} {shown(found.problem.message, limit=_LONG)}")
        if found.problem.hint:
            facts.add("Do", shown(found.problem.hint, limit=_LONG))
    out.facts(facts)


def _notes(out: Page, log: ReleaseLog) -> None:
    out.blank()
    for link in log.links[:_MANY]:
        out.line((f"{_path(link)} is a link to a folder and was not followed", WARNING))
    if len(log.links) > _MANY:
        out.line((f"and {len(log.links) - _MANY} more links", WARNING))
    for path in log.partial[:_MANY]:
        out.line((f"{_path(path)} is being written and was left out", WARNING))
    out.line((read_words(log), DIM))
    out.line(("What no release here names leaves no gap: a newest release that was taken away cannot be missed.", DIM))


def read_words(log: ReleaseLog) -> str:
    """What digests and decisions rest on."""
    if log.reading is Reading.MANIFEST:
        return (
            "Only manifests were read: digests are right if every other file is what its manifest says. No signature was checked."
        )
    unread = sum(each.found.unread for each in log.releases)
    known = f" but for {counted(unread, 'file')} of the store" if unread else ""
    if log.judged:
        return f"Digests are of the files as they are now{known}; each release was verified under the policy."
    return f"Digests are of the files as they are now{known}. No signature was checked: that takes --policy."


def _path(path: str) -> str:
    return shown(path or ".")
