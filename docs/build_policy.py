"""Writes docs/policy.md: reasons by hand, the table of fields from the schema. ``--check`` only compares.

The schema is held together with the decoder by tests, so a page made from it says what the decoder does.
"""

import json
import sys
from pathlib import Path
from typing import Any

from mlsign.policy.decoding.yaml_source import MAX_LINES

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "schemas" / "policy.v1.schema.json"
PAGE = ROOT / "docs" / "policy.md"

TOP = """\
# The policy

A policy says what a model package must be before anything of it runs: who signed it, what is in it, and what the
process that scores it gets. Start from one of the three in `policies/`, put it beside your public keys, and change
what its comments ask you to:

| policy | for |
|---|---|
| `baseline.yaml` | one release key, ordinary operators, caps far above ordinary models |
| `strict.yaml` | a release key and two of three reviewers, tight limits, the whole sandbox |
| `keyless.yaml` | a release workflow in place of a key, proven by a transparency log |

## How it decides

Everything that was found out about the package comes first: content against signatures, the manifest against the
content, the model read from the very bytes that were hashed. Then every rule of the policy adds what it found. Each
finding is `pass`, `fail` or `unknown`, and `unknown` is a check that could not run.

The verdict is `allow` when every group of signers is met, no finding is `fail`, and none is `unknown`. It is `deny` in
every other case, so a package without signature, a model that could not be read, or a rule that had nothing to look at
is denied. There is no field that accepts an unsigned package.

Some things follow, and tests hold them:

- One more finding, one signature less, or anything not known never turns a denial into an allowance.
- A broken or foreign signature beside good ones changes nothing: it does not count, and it cannot deny. Its reasons are
  told when a group of signers is not met.
- The same key counts once, under however many names and bundles.
- `mode: audit` never changes the verdict. It only lets the caller go on after a denial, and every report says so. It does not where the
  policy has no say: past its end, or where it is [not for the package](#which-packages-it-is-for).

## Who signed

Each group of `signers` asks for a number of distinct people out of those it names:

- **`key`**: whoever has the private half of this key. EC P-256, P-384, P-521, and ML-DSA-65 (experimental).
- **`keyless`**: whom an `issuer` calls `subject`, by a certificate of a few minutes that Sigstore issued. `claims` pins what
  else the certificate says of the run: `source_repository`, `source_ref`, `workflow`, `trigger`, `runner_environment` and more.
- **`certificate`**: the holder of a certificate under your own `roots`, named by `subject` (RFC 4514), by an alternative
  `name` (`email:`, `uri:`, `dns:`) or by `fingerprint`. `revocations` are lists (CRLs) that must then be current.

Names are compared as they stand, or with `{{pattern: …}}`, where `*` is anything but a slash and `**` anything at all, or with
`{{regex: …}}` in the syntax of RE2, always with the whole name and in linear time. What strangers would match is refused.

**Distinct** means: sharing nothing that people are known by. One key in two bundles or under two names, a renewed
certificate of the same holder, the same mail address with two issuers, and a key that stands in a certificate as well, each
count once. To ask for a classical and a post-quantum signature, make two groups.

**Times** are trusted ones: of an RFC 3161 timestamp or of a log that signs the time, never the clock of the signer, a date in
a file or the start of a certificate. A certificate must be valid at every trusted time of its signature, or now where there
is none. `age.max` counts from the earliest; mind that an old signature by a key can be stamped anew by whoever serves it, while a keyless one cannot
(`age.proof: bounded` takes no other), and that `versions.rollback` is what stops replay. `transparency` asks for a log entry or a time. Logs and timestamps are
held against the trust root (`mlsign trust`), and `trust` says how old that may be.

**Verification summaries** can stand in for signatures where `vsa` says by whom, and the caller asks for it with
`--accept-vsa`: [a page of its own](vsa.md) says what that takes and what it never skips.

## What a run takes

Before anything runs, the reader follows the model from node to node with bounds in place of tensors and finds out what one
run takes at most: bytes of values that are alive at once (besides inputs and weights), operators that are run, every turn of
every loop counted, and steps of arithmetic. `model.run` caps all three, with and without being written down: what is left
out has the default of the table below.

- **`open_dimension`** is how large a dimension that the model leaves open (the batch, say), or a small whole number that
  a caller gives, is taken to be. The caps hold for inputs up to that size, so a larger number makes them tighter. It
  does not limit inputs: whoever sends more than that has the sandbox to reckon with.
- **Unknown is denied.** Where a size depends on numbers that only the run computes, or a loop turns as often as an input says,
  there is no bound (MLS381, MLS383). A model that needs that (a detector, a decoder of text) is let in by
  `unknown_sizes: allow` or `unknown_turns: allow`; the finding is then a pass that says so, and the limits of `sandbox` are
  what stops a run that takes too much. A model that is too entangled to be computed needs both.
- **Never allowed** are a loop that cannot end (MLS384) and an operator that cannot run on its own constants and shapes
  (MLS378). There is no field for them.
- **The sandbox stays the backstop**: what runtimes take beside the values themselves (arenas, scratch memory, the session) is
  not in the bounds. Keep `sandbox.memory` well above `max_bytes` and the weights together.

`mlsign inspect` shows what a run of a model takes; [how it is computed](formats/onnx-reading.md#what-a-run-takes) is a page
of its own.

`model.limits` is what reading the model may cost at all: nodes, edges, graphs, tensors, bytes of structure, and the evaluations
that computing the bounds takes. The program has numbers of its own for each. A policy only ever makes them lower; a larger one
changes nothing. A model beyond one of them is not read to its end, and what was not read is denied.

Some operators do more than compute: they read files, run code, open the network or take an address in memory. They are
refused (MLS385 to MLS388) even where their whole domain is allowed, until `operators.allow` has them by their own name.

## A policy upon another

`extends: ../base.yaml` takes everything that is left out from another policy, and lets nothing be looser than there:

    apiVersion: mlsign/v1
    kind: Policy
    name: team-fraud
    extends: ../base.yaml
    model: {{max_nodes: 5000}}
    age: {{max: 180d}}
    loosens:
      - {{field: age.max, reason: "releases are quarterly, agreed with the platform team until 2027"}}

What the child writes is held against its parent, field by field, and refused with its line and both values where it is looser:

| fields | the child may |
|---|---|
| caps (`model.max_…`, `model.run.max_…`, `model.limits`, `sandbox`, `age.max`, `trust.max_age`), `expires` | lower them, or set one that the parent does not have |
| `versions.minimum`, `model.opset` | raise it, narrow the range |
| lists of what is allowed (`operators.allow`, `digests`, `formats`, `unsigned_files`) | name less; anything beyond the parent's list is refused rather than dropped |
| lists of what is refused (`operators.deny`, `revoked`) | add; the parent's entries stay, whatever the child writes |
| `signers` | add groups; all of both must be met. A group by the name of one of the parent's is refused |
| modes (`mode`, `manifest`, `model.presence`, `external_data`, `custom_domains`, `rollback`, `isolation`, `transparency`, `age.proof`, `trust.stale`, `unknown_…`) | take the stricter one |
| `trust.root`, `trust.instance`, `open_dimension` | not change them: no value is the stricter one |
| `apiVersion`, `kind`, `name`, `description`, `revision` | these are its own and are never the parent's |

**`loosens`** names a field, with a reason, in which the child's value holds although it is looser. Every report then shows both
values, both policies and the reason, as a finding that passed (MLS430), above everything else in text and under `policy.loosened` in JSON.
A group of signers is loosened as `signers.NAME`; the child's group then stands in the place of the parent's. A `loosens` for what is
not looser is refused, so none outlives its cause. Nothing loosens `expires`, `operators.deny` and `revoked`.

Paths in a parent (keys, certificates, a trust root) are relative to the parent. A parent is named by a relative path, at most three
folders up, with slashes on every system; links are followed as for every file that you name. There are at most four parents above a
policy, and no file twice. `extends: {{shipped: baseline}}` takes a policy that travels with mlsign, but for its signers, which are
examples; mind that a new version of mlsign may bring another one. `operators.allow` that is written anew does not take
`custom_domains` from the parent.

The digest of a policy is the sha256 of its bytes. That of a policy with parents is the sha256 of one line for each policy of the chain,
the child first, with its digest as `sha256:…` and a line feed. Reports have the whole chain under `policy.chain`.

## Signed policies

Whoever can write to a policy, or to a key beside it, decides what is let in. `mlsign policy sign policy.yaml --key policy.key` writes
`policy.yaml.sigstore.json`, a signature over the policy, its parents, and every file that any of them names by path
([what is signed](formats/policy-signature.md)). It signs as `mlsign sign` does: by key, PKCS #11, certificate, or keyless.

    mlsign verify fraud-1.2.0 --policy policy.yaml --policy-key policy.pub
    mlsign verify fraud-1.2.0 --policy policy.yaml --policy-identity 'https://github.com/acme/policies/**' --policy-issuer https://token.actions.githubusercontent.com

For a policy that was signed by a certificate, `--policy-root ca.pem` stands in the place of `--policy-issuer`, and the identity is the subject
(RFC 4514) or an alternative name (`email:policies@acme.example`). Revocation lists are not asked for here: name a key where that matters.

`verify`, `score`, `inspect --findings`, `sign`, and `Gate.load` (`policy_keys`, `policy_identity`, `policy_issuer`, `policy_roots`) then take no policy that is
unsigned, altered, signed by somebody else, or signed under another file name; exit code 1. Every file is held against the signature in the
very bytes that are used. Who may sign comes from the command line alone: the policy does not say it, the trust root that a policy
names plays no part in it. For an identity that root is `--policy-trust-root`, or the one that `mlsign trust` keeps; nothing in the
environment switches the question off, but `MLSIGN_STATE` says where kept roots and remembered revisions are.
A signature binds the name of the file and no folder: of two policies with one file name that the same people sign, either one is taken
in the place of the other, so call `staging.yaml` and `production.yaml` so, or have them signed by different keys.

**`revision`** is a number that you raise with every change. Of a signed policy, the highest one is remembered in the state folder (`MLSIGN_STATE`)
for its name and its signer, and a lower one, the same one with other content, or none at all is refused from then on, also by another
`--policy-key` of the same call: while one key follows another, what the old one signed is no way back. A workflow
counts as one signer whatever tag or branch it ran on. A mark that cannot be read or written denies. The first policy that a
host sees is taken as it is, so whoever can empty the state folder can go back: keep it where only the verifying user writes.

**`expires`** ends a policy, signed or not: from that moment on every decision by it is a denial (MLS431), also in a process that loaded it
long before, and in `mode: audit` too.

## Rules of your own

`rules` deny by conditions in [CEL](https://cel.dev), and can do nothing else. They need `pip install 'mlsign[cel]'`:

    rules:
      - id: no-prereleases
        when: manifest.version.startsWith('0.') || 'ai.onnx:Loop' in model.operators
        message: pre-releases and loops stay out

The package is denied unless the condition is false. True denies (MLS420), and so does an error, or a variable that is not known of
the package and would decide. The variables are `manifest.name`, `.version`, `.license`, `.description` (texts, empty where the
manifest says nothing) and `.files` (paths); `model.operators` (as `ai.onnx:Gemm`), `.inputs`, `.outputs` (names), `.nodes`,
`.parameters`, `.parameter_bytes`, and where a run is bounded `.run_bytes` and `.run_steps`; `digest`, the one of the package; and `now`, a timestamp.
A name that is none of these, or a condition of another type than BOOL, is refused when the policy is loaded. So is a macro that
goes over a list (`all`, `exists`, `map`, `filter`), because nothing bounds what it takes; `in` asks whether a list has
something. The regular expression of `matches` is written out in quotes: one that came from the package would be the package's own
say in what is denied. Lists of more than 10,000 texts are not known to rules. Signatures are no variables: `signers` is where they are asked for, and a condition on them could let a package in
because a signature is missing.

## Which packages it is for

A policy with `match` is for the packages whose name in the manifest is one of `names`, and denies every other (MLS423):

    match: {{names: ["fraud-*", churn]}}

Without `match` it is for every package. `mlsign verify` and `mlsign score` take `--policy` several times, or a folder of policies,
and so does `Gate.load`: exactly one of them must be for the package. None is a denial, and so are two, and a package whose
name is not known. What was chosen by the manifest at first sight is held against the verified manifest by the decision, so a
manifest that changes in between is denied. Mind that a name is what its signers say it is: each policy must ask for the
signers that may use the names it is for. A package outside of `match` is denied in `mode: audit` too. So is one that nobody whom the
policy trusts has signed, where another policy that was given enforces: the name would be anybody's word, and a way around that policy.

## Exceptions

A release with a known fault sometimes has to run until the next one is made. `exceptions` names that one package by its digest,
the findings that do not deny it, why, and until when:

    exceptions:
      - digest: sha256:...
        findings: [MLS305]
        reason: INC-4711, split into two models in the next release
        until: 2027-01-31T00:00:00Z

Only matters of policy can be excepted: operators, operator sets, sizes, where weights lie, what a run takes, and the
minimum version. Signatures, content, revocations, rollback, a model that is broken or could not be read, and operators that do
more than compute cannot. Only a finding that failed is covered, never one that is unknown: nobody looked at what is not known.
A package without a manifest has no exceptions: its digest says nothing of the names of its files.
Every report shows an exception that is used in a section of its own, with what it covered (MLS421). From `until` on
the findings deny again, and MLS422 says why. `mlsign inspect --findings` looks at models, not at packages, and knows no exceptions.

## Provenance

`provenance` asks where a model is from, in two ways that say different things:

- **`claimed`** is about the manifest: what whoever packed the model says of builder, source, commit, time and training data.
  It is worth as much as the signatures over the package. It finds mistakes, not a packer who lies.
- **`attested`** is about SLSA provenance v1 statements (`https://slsa.dev/provenance/v1`): bundles in `signatures/`, or given with
  `--signature`, whose subject is the digest of the package (`package.digest` of the JSON report). `signed_by` names who may
  attest, as a group of signers does; whoever signs packages may not unless they stand there. Builder, build type, source,
  external parameters and resolved dependencies are held against what the policy says (MLS404).

A statement never counts as a signature of the package. One that is broken, about something else or by somebody else neither helps nor
harms; its reasons are told (MLS219) where no other one meets the policy. `transparency` and `age` hold for statements, too.

What `actions/attest-build-provenance` of GitHub writes, given the name and the digest of the package as its subject, is met by this:

    provenance:
      required: true
      attested:
        signed_by:
          - keyless:
              issuer: https://token.actions.githubusercontent.com
              subject: {{pattern: "https://github.com/acme/fraud/.github/workflows/release.yml@refs/tags/*"}}
        builders:
          - {{pattern: "https://github.com/acme/fraud/.github/workflows/release.yml@refs/tags/*"}}
        build_types: ["https://actions.github.io/buildtypes/workflow/v1"]
        sources:
          - {{uri: "https://github.com/acme/fraud", ref: {{pattern: "refs/tags/*"}}, commit: required}}
        parameters:
          workflow.repository: "https://github.com/acme/fraud"
          workflow.path: .github/workflows/release.yml
          workflow.ref: {{pattern: "refs/tags/*"}}

The builder is the workflow that ran the job; older versions of the action name the runner
(`https://github.com/actions/runner/github-hosted`). The builder of `slsa-github-generator` is a workflow of the generator at its tag:
`https://github.com/slsa-framework/slsa-github-generator/.github/workflows/….yml@refs/tags/v2.1.0`. Only its builders that write
predicates of version 1 are read; version 0.2 is another type. `mlsign attest` signs a predicate by any other means.

An external parameter that `parameters` does not name fails, since a parameter can change what is built; `other_parameters: allow`
takes any. Texts in quotes are texts, a bare `true` or `3` is a boolean or a number. `dependencies` works the same way: with the list,
what it does not match fails. A second git repository beside the source fails unless `dependencies` allows it.

## Golden test data

A release can bring inputs and the outputs that belong to them (`mlsign pack --golden DIR`, and [other ways to make them](golden.md)), signed like everything else.
`golden.required` asks for at least one set (MLS405). `golden.replay` has the model run on every set in the sandbox, by `verify`
and by whatever admits a package for scoring, and its answers compared (MLS406):

- Run is what every other rule allows, and nothing else: model, weights and test data are the very bytes that were hashed.
- Numbers with a fraction may be off by `atol + rtol * |expected|`, as the set says. The policy caps both (`max_rtol`, `max_atol`).
  Integers, booleans and texts must be equal. A NaN is met by a NaN alone, an infinity by the same one.
- Type and shape must be the expected ones, and every output of the model must be expected: what nobody compares could be anything.
- Files belong to inputs and outputs by the names in them, where all have names of the model, and by their numbers where none has.
- What a file holds is told by the type of the input or output of its number, as in ONNX's own test runner: a `TensorProto`,
  `SequenceProto`, `MapProto` or `OptionalProto`. Sequences must have the same length, maps the same keys, optionals hold
  something or nothing as expected; what is inside is compared as any other. A model whose answers are of several kinds has its files by number.
- bfloat16, the float8 types and float4 are compared as the numbers that they stand for, integers below a byte as integers.
- No sandbox, a worker that dies, data that cannot be read, sparse tensors, no time left: unknown, which denies.

`golden.platforms` asks for runs that somebody else has made and signed ([MLS407](findings/MLS407.md)): on each platform, with each of
`runtimes`, one that passed, of exactly this package and on every set, by somebody whom `run_by` names. Nobody may sign runs by default, and
what does not count is told with the reason ([MLS221](findings/MLS221.md)). `mlsign replay --attest` makes such statements
([how, and what they show](golden.md#asking-for-runs)).

A replay shows that the model answers as it did when it was tested. It does not show what it answers to anything else: whoever
trains a model on purpose to misbehave leaves the test data alone.

## How it is read

YAML 1.2, as it shows. Duplicate keys, anchors, aliases, merge keys, tags, directives, a second document, numbers that
readers disagree about (`1_0`, `0x1f`, `017`), and characters that hide or reorder text are refused. `yes` and `on` are
words, not booleans. An unknown field is refused with its line and the nearest name:

    policy.yaml:14:1 operatorz: operatorz is not a field of a policy, line 14 column 1: did you mean operators

A policy has at most {lines} lines, and at most 1 MiB. Sizes are bytes with or without a unit of 1024 (`512MiB`,
`20GiB`), durations have a unit (`500ms`, `10s`, `2m`, `1h`). Key paths are relative to the policy file.

Put this in the first line, with the path to your copy, and editors complete the fields:

    # yaml-language-server: $schema=../schemas/policy.v1.schema.json

Refused as well is a policy that could never allow anything (a group that asks for three of two keys, a `deny` that takes
away all of `allow`, a range that no version is in) and one that would allow by a slip (`ai.onnx:*`, a keyless pattern
such as `https://github.com/*`).

## Fields

"""


def kind(node: dict[str, Any]) -> str:
    """The values that a field takes, in a few words."""
    if "const" in node:
        return f"`{str(node['const']).lower() if isinstance(node['const'], bool) else node['const']}`"
    if "enum" in node:
        return " or ".join(f"`{value}`" for value in node["enum"])
    if "oneOf" in node:
        return " or ".join(dict.fromkeys(kind(option) for option in node["oneOf"]))
    if node.get("type") == "array":
        inner = node["items"]
        return "list of maps" if inner.get("type") == "object" or "$ref" in inner else f"list of {kind(inner)}"
    if node.get("type") == "object":
        return "map"
    return {"string": "text", "integer": "integer", "boolean": "`true` or `false`", "number": "number"}[node["type"]]


def rows(node: dict[str, Any], path: str) -> list[str]:
    """A row of the table for each field below a node, in the order of the schema."""
    out: list[str] = []
    required = node.get("required", [])
    for name, field in node.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        words = field["description"]
        default = field.get("default")
        if default is not None:
            shown = ", ".join(default) if isinstance(default, list) else default
            words += f" Default: `{shown}`."
        need = "yes" if name in required else ""
        cells = (f"`{where}`", kind(field), need, words.replace("|", "\\|").replace("*", "\\*"))
        out.append(f"| {' | '.join(cells)} |")
        out += rows(field, where)
        out += rows(field.get("items", {}), f"{where}[]")
        for option in field.get("oneOf", []):
            out += rows(option, where)
    return out


def build() -> str:
    """The whole page."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    table = ["| field | value | needed | meaning |", "|---|---|---|---|", *rows(schema, "")]
    return TOP.format(lines=f"{MAX_LINES:,}") + "\n".join(table) + "\n"


def main() -> int:
    page = build()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page else 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
