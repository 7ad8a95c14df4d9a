"""Findings of the policy: what a model may contain and be here, MLS301 to MLS308 and MLS401 to MLS439."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS301",
        title="Operator not allowed",
        meaning=(
            "The model has a node of a standard operator that operators.allow of the policy does not name, by itself or "
            "through a set. Nodes count wherever they are: in the main graph, in subgraphs of If, Loop and Scan at any "
            "depth, and in functions, called or not. The finding is unknown when the model could not be read."
        ),
        abuse=(
            "Operators that a scoring model has no use for are what an attacker builds from: Loop without end, an If whose "
            "rare branch answers differently, a shape that asks for all memory. Hidden in a branch that no test takes, they "
            "pass every test. An allow list leaves only what the model is known to need."
        ),
        action=(
            "Look at what the operator does in the model (mlsign inspect shows the counts). If the model needs it and you "
            "accept what it can do, name it in operators.allow, or name the reviewed set that has it. If nobody can say why "
            "it is there, do not run the model."
        ),
    ),
    CodeEntry(
        code="MLS302",
        title="Operator denied",
        meaning=(
            "The model has a node of an operator, or of a domain, that operators.deny of the policy names. Deny wins over "
            "allow, whatever set the operator is also in."
        ),
        abuse=(
            "An operator is denied by name where it has been the cause of trouble before: a known fault in a runtime, or a "
            "cost that no limit catches in time. A model that has it anyway was made without knowledge of the policy, or "
            "against it."
        ),
        action=(
            "Export the model without the operator. Take it off operators.deny only when the reason for which it was put "
            "there is gone."
        ),
    ),
    CodeEntry(
        code="MLS303",
        title="Operator of a custom domain",
        meaning=(
            "The model has a node whose domain is neither ai.onnx nor ai.onnx.ml, and the policy names neither the operator "
            "nor, with custom_domains: allow, its whole domain. What such an operator does is not in the ONNX "
            "specification: it is whatever the runtime has registered under that name. Calls of functions that the model "
            "itself defines do not count; what is inside them does."
        ),
        abuse=(
            "Custom operators are native code that reads the model's attributes and tensors. Contributed operators of "
            "runtimes have had memory faults, and EPContext nodes hand an opaque binary from the model to a driver."
        ),
        action=(
            "Export the model with standard operators only. Where a custom operator is needed, name it alone "
            "(com.acme:Op) in operators.allow after a look at the code that implements it."
        ),
    ),
    CodeEntry(
        code="MLS304",
        title="Operator set version out of range",
        meaning="The model imports a version of an operator set outside the range that model.opset of the policy gives.",
        abuse=(
            "An operator keeps its name and changes what it computes from version to version. A version that the runtime "
            "does not know takes code paths that nobody tested; a very old one takes those that nobody keeps."
        ),
        action=(
            "Export or convert the model to a version in the range, and compare its scores. Widen the range after you have "
            "tested your runtime with that version."
        ),
    ),
    CodeEntry(
        code="MLS305",
        title="Too many nodes",
        meaning="The model has more nodes, subgraphs and functions included, than model.max_nodes of the policy allows.",
        abuse=(
            "Building a session takes time and memory by the node, some optimisations more than in proportion. A model of "
            "a few megabytes with hundreds of thousands of nodes keeps a scoring host busy before the first row."
        ),
        action=(
            "Find out whether a model of this kind needs so many nodes (unrolled loops are the usual reason). Raise "
            "model.max_nodes if it does."
        ),
    ),
    CodeEntry(
        code="MLS306",
        title="Parameters too large",
        meaning=(
            "The model's parameters take more bytes than model.max_parameter_bytes of the policy allows, by element type "
            "and shape, external data included."
        ),
        abuse=(
            "Parameters are memory in every process that serves the model. A file can be small and its parameters large "
            "when a shape claims what the file does not hold; the number here is what a runtime would have to reserve."
        ),
        action="Check that this is the model you meant to deploy, then raise model.max_parameter_bytes to its size.",
    ),
    CodeEntry(
        code="MLS307",
        title="External data not accepted",
        meaning=(
            "A tensor of the model has its bytes in another file, and the policy denies external data, or the file is not "
            "listed as weights in the manifest, or its name could mean a file outside the package."
        ),
        abuse=(
            "The location is text in the model. With .. or an absolute path in it, loading the model reads any file that "
            "the process can (CVE-2022-25882, CVE-2024-27318 and CVE-2026-27489 in one library), and a file that is not "
            "signed can be changed after the signature was checked."
        ),
        action=(
            "Pack the model again from the folder that holds its weights, so that they are listed and signed, or save it "
            "with all weights inside. Never loosen this for a location outside the package; there is no switch for that."
        ),
    ),
    CodeEntry(
        code="MLS308",
        title="Operator beyond what the release allows itself",
        meaning=(
            "The model has an operator that allowed_operators of its own manifest does not name. The release contradicts "
            "what was signed about it."
        ),
        abuse=(
            "Whoever exchanges the model before signing, in a build that signs what it finds, leaves the reviewed list of "
            "operators behind. The list is how a change of what a model can do becomes visible in a review."
        ),
        action=("Do not run it. Ask the publisher; if the operator is meant, the release is packed again with it in the list."),
    ),
    CodeEntry(
        code="MLS401",
        title="Revoked",
        meaning=(
            "The policy revokes this package by its digest, a file in it, or this release by name and version. The finding "
            "is unknown when a revocation cannot be held against the package: it has no digest, no manifest to say what "
            "release it is, or its files are known by another digest algorithm than the revoked file."
        ),
        abuse=(
            "A signature never expires in the file that it is in. A model that was found to be faulty, poisoned or leaked "
            "stays as well signed as on its first day, and handing it out again is the simplest attack there is."
        ),
        action=(
            "Deploy another release. If the finding is unknown, give the revocation in both algorithms "
            "(file: [sha256:…, blake3:…]), or have the package made with a manifest."
        ),
    ),
    CodeEntry(
        code="MLS402",
        title="Version too old",
        meaning=(
            "The version in the manifest is below versions.minimum of the policy, in the order of Semantic Versioning. The "
            "finding is unknown when there is no manifest that says the version."
        ),
        abuse=(
            "Rolling a consumer back to an old, properly signed release brings back every fault that was mended since, "
            "without forging anything."
        ),
        action="Deploy a release at or above the minimum. Lower the minimum only to go back on purpose.",
    ),
    CodeEntry(
        code="MLS403",
        title="an older release than one that was allowed before",
        meaning="The policy refuses to go back (versions.rollback: deny), and a newer release of this package, or the same version "
        "with other content, was allowed under it before. What was allowed is kept in the state folder (MLSIGN_STATE).",
        abuse="An old release with a known flaw, and its genuine signature, put in the place of the new one.",
        action="Deploy the newer release. To go back on purpose, release the old content under a new version.",
    ),
    CodeEntry(
        code="MLS404",
        title="Provenance missing, or another one",
        meaning=(
            "The policy asks where the model is from. With provenance.claimed it asks what the manifest says: builder, source, commit, "
            "time, training data. With provenance.attested it asks for a SLSA provenance v1 statement about this package, signed by "
            "whom signed_by names, with the builder, source, parameters and dependencies that the policy takes. The finding is unknown "
            "where there is no manifest, or no digest that a statement could be about."
        ),
        abuse=(
            "A release key on a laptop signs whatever lies there: a model from a branch that nobody reviewed, or one that was changed "
            "after the build. What the packer claims helps against mistakes alone; what a build platform attests, with a key that the "
            "packer has not, shows where the bytes came from."
        ),
        action=(
            "Look at expected and found. Build the release where the policy wants it built and put the bundle of the platform into "
            "signatures/, or name the builder and source in the policy if they are the right ones."
        ),
    ),
    CodeEntry(
        code="MLS405",
        title="Golden test data missing, or too easily met",
        meaning=(
            "The policy asks for golden test data (golden.required), and the manifest lists none, or a set in it takes answers that "
            "are further off than max_rtol and max_atol of the policy. The finding is unknown without a manifest."
        ),
        abuse=(
            "Test data that takes any answer is as good as none: a model that was exchanged before it was signed passes its own test."
        ),
        action="Have the release packed with mlsign pack --golden DIR, and with tolerances that a wrong answer would not meet.",
    ),
    CodeEntry(
        code="MLS406",
        title="Answers other than the golden test data says",
        meaning=(
            "The model was run in the sandbox on its own golden inputs (golden.replay), and an output is missing, has another type or "
            "shape, or is further from the expected one than the set allows. Integers, booleans and texts must be equal, a NaN is met "
            "by a NaN alone. Unknown means that there is no answer: the package is denied for other reasons and nothing of it is run, "
            "this system has no sandbox, the data cannot be read or expects nothing but NaN, or the time was over."
        ),
        abuse=(
            "A release whose weights were damaged or exchanged in the build is signed like any other. Nothing in the file gives it "
            "away; its answers do."
        ),
        action=(
            "Do not use the model before somebody knows why it answers otherwise. If only the last digits differ, pack it with "
            "tolerances that the runtimes in use meet. If the finding is unknown, follow its cause."
        ),
    ),
    CodeEntry(
        code="MLS407",
        title="No signed golden run on a platform",
        meaning=(
            "The policy asks for golden runs that others have signed (golden.platforms): on each platform, with each runtime, one that "
            "passed, by somebody whom golden.run_by names, of exactly this package, on every set of its manifest and with tolerances no "
            "wider than the manifest's. The finding is unknown where there is no manifest, or no digest that a run could be of."
        ),
        abuse=(
            "A model that answers as tested on the machine of whoever packed it, and otherwise where it is used: another processor "
            "computes in another order, another runtime reads an operator another way, and a model can be made to wait for that."
        ),
        action=(
            "Look at the findings beside this one (MLS221): they say which runs are there and why they do not count. Have the package "
            "run on the platform with mlsign replay --attest, by somebody whom the policy names, and put the bundle into signatures/."
        ),
    ),
    CodeEntry(
        code="MLS410",
        title="Model read and in order",
        meaning=(
            "Passed: the model was read whole, every subgraph and function included, and nothing in it is what no honest "
            "exporter writes. Unknown: the model could not be read, and the findings beside this one say why. What is out "
            "of order has a code of its own."
        ),
        abuse=(
            "A file that one reader refuses and another one accepts is how a check and a runtime are made to see different "
            "models. What mlsign cannot read whole, it does not let a runtime read at all."
        ),
        action="Follow the other findings. If there is none and the model is an honest one, report it as a defect.",
    ),
    CodeEntry(
        code="MLS411",
        title="No model to inspect",
        meaning=(
            "The folder has no manifest and no file named .onnx, and the policy says model.presence: optional. Signatures and content "
            "were checked; what the files can do was not."
        ),
        abuse=(
            "A format that nobody inspects, a pickle for instance, runs code when it is loaded. A signature says who made it "
            "and nothing about what it does."
        ),
        action="Leave model.presence out of the policy wherever ONNX models are expected.",
    ),
    CodeEntry(
        code="MLS430",
        title="Looser than the policy it extends",
        meaning=(
            "The policy extends another one and names, under loosens, a field in which it is looser, with a reason. The finding "
            "always passes: it says what was given up, by which policy, against which one, and why."
        ),
        abuse=(
            "Whoever can write a policy that extends a good one can take the good one's rules away and keep its name in the "
            "report. So nothing is loosened in silence: a looser value without a reason is refused, and one with a reason is in "
            "every report."
        ),
        action=(
            "Read the reason and decide whether it is still one. Where the parent is yours, consider whether its rule should "
            "change in place of an exception that is said again with every decision."
        ),
    ),
    CodeEntry(
        code="MLS431",
        title="Policy has expired",
        meaning="The policy has expires, and that moment has come. It is looked at with every decision, not only when the policy is read.",
        abuse=(
            "A policy that was replaced because it let too much through is still a good file with a good signature. Whoever "
            "keeps a newer one from a host has its models judged by the old one, for ever if it does not end."
        ),
        action=(
            "Get the policy that took its place and load it. If there is none, have whoever looks after it renew it: extend the "
            "end, raise the revision and sign it again. Check the clock of the machine as well."
        ),
    ),
)
