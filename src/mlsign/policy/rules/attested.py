"""What is wrong with a build, by the words of the platform that ran it: builder, type, source, parameters, dependencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlsign.errors import shown
from mlsign.formats.slsa import Dependency, Parameter, SlsaProvenance
from mlsign.policy.patterns import TextPattern
from mlsign.policy.provenance import AttestedDemands, DependencyDemand, ParameterDemand, SourceDemand

_GIT: Final = "git+"
_REPOSITORIES: Final = (_GIT, "git:", "git@")
"""How addresses of repositories begin, in letters of either case: a build may spell what it fetches as it likes."""
_COMMITS: Final = ("gitCommit", "sha1", "sha256")
"""How builders call the digest of a commit: in-toto's name, and that of the hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """One demand that is not met, in words of the builder, unescaped."""

    message: str
    field: str
    expected: str
    found: str


def shortfalls(found: SlsaProvenance, asked: AttestedDemands) -> tuple[Shortfall, ...]:
    """Everything that is not as asked; empty for a build that is."""
    return (
        *_named(found.builder, asked.builders, "the builder is another one", "runDetails.builder.id"),
        *_named(found.build_type, asked.build_types, "the build is of another type", "buildDefinition.buildType"),
        *_sources(found, asked),
        *_parameters(found, asked),
        *_dependencies(found, asked),
    )


def _named(found: str, wanted: tuple[TextPattern, ...], message: str, field: str) -> tuple[Shortfall, ...]:
    if not wanted or any(pattern.matches(found) for pattern in wanted):
        return ()
    return (Shortfall(message=message, field=field, expected=" or ".join(map(str, wanted)), found=found),)


def split_source(uri: str) -> tuple[str, str]:
    """Repository and ref of ``git+https://host/repository@ref``, both without the marks between.

    The first @ of the path divides them: names of branches may have one, and what is behind it must not pass for a ref.
    """
    address = uri.removeprefix(_GIT)
    scheme, mark, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    repository, _, ref = path.partition("@")
    return f"{scheme}{mark}{host}{slash}{repository}", ref


def _is_source(found: Dependency, asked: SourceDemand) -> bool:
    repository, ref = split_source(found.uri)
    commits = [value for name, value in found.digests if name in _COMMITS]
    return (
        asked.uri.matches(repository)
        and (asked.ref is None or asked.ref.matches(ref))
        and (asked.commit is None or (bool(commits) and all(asked.commit in ("", commit) for commit in commits)))
    )


def _sources(found: SlsaProvenance, asked: AttestedDemands) -> tuple[Shortfall, ...]:
    """The source is there, and no repository beside it that nobody allowed: a build of something else could list ours as well."""
    if not asked.sources:
        return ()
    field, wanted = "buildDefinition.resolvedDependencies", " or ".join(map(str, asked.sources))
    meant = frozenset(d for d in found.dependencies if any(_is_source(d, source) for source in asked.sources))
    if not meant:
        there = ", ".join(d.uri for d in found.dependencies[:8]) or "none"
        return (Shortfall(message="the source is another one", field=field, expected=wanted, found=there),)
    return tuple(
        Shortfall(message="there is another source beside the one that is asked for", field=field, expected=wanted, found=d.uri)
        for d in found.dependencies
        if d.uri[:4].casefold() in _REPOSITORIES and d not in meant and not _is_allowed(d, asked.dependencies)
    )


def _is_allowed(found: Dependency, allowed: tuple[DependencyDemand, ...]) -> bool:
    return any(item.uri.matches(found.uri) and (bool(found.digests) or not item.digest) for item in allowed)


def _dependencies(found: SlsaProvenance, asked: AttestedDemands) -> tuple[Shortfall, ...]:
    if not asked.dependencies:
        return ()
    wanted = " or ".join(f"{item.uri}{' with a digest' if item.digest else ''}" for item in asked.dependencies)
    return tuple(
        Shortfall(
            message="a dependency is not one that the policy allows",
            field="buildDefinition.resolvedDependencies",
            expected=wanted,
            found=f"{d.uri or 'no uri'}{'' if d.digests else ' without a digest'}",
        )
        for d in found.dependencies
        if not _is_allowed(d, asked.dependencies) and not any(_is_source(d, source) for source in asked.sources)
    )


def _parameters(found: SlsaProvenance, asked: AttestedDemands) -> tuple[Shortfall, ...]:
    if not asked.parameters:
        return ()
    there = {parameter.path: parameter for parameter in found.parameters}
    wrong = [short for demand in asked.parameters for short in _parameter(demand, there.get(demand.path))]
    if not asked.other_parameters:
        known = {demand.path for demand in asked.parameters}
        wrong += [
            _short("an external parameter is not named in the policy", parameter.path, "none of this name", parameter.value)
            for parameter in found.parameters
            if parameter.path not in known
        ]
    return tuple(wrong)


def _parameter(demand: ParameterDemand, found: Parameter | None) -> tuple[Shortfall, ...]:
    wanted = demand.wanted
    if found is None:
        return (_short("an external parameter is missing", demand.path, str(wanted), "none"),)
    if isinstance(wanted, TextPattern):
        good = isinstance(found.value, str) and wanted.matches(found.value)
    else:
        good = type(found.value) is type(wanted) and found.value == wanted  # true is no 1
    return () if good else (_short("an external parameter is another one", demand.path, str(wanted), found.value),)


def _short(message: str, path: tuple[str, ...], expected: str, found: object) -> Shortfall:
    return Shortfall(
        message=message, field=shown(f"buildDefinition.externalParameters.{'.'.join(path)}"), expected=expected, found=str(found)
    )
