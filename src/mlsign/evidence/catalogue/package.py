"""MLS1xx: the package and its content."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS101",
        title="content is, or is not, what was signed",
        meaning="A file has another digest or size than the one that was signed. As a pass: every file is exactly what a "
        "counted signature is over.",
        abuse="Whoever can write to the place where a package is kept exchanges the model, or one weight in it, and leaves "
        "the rest alone: the model behaves as before, except for the inputs the attacker chose.",
        action="Do not use the package. Fetch it again from where it was released. If it differs there too, tell whoever "
        "signed it. If you changed it yourself, pack it under a new version and sign that.",
    ),
    CodeEntry(
        code="MLS102",
        title="a signed file is missing",
        meaning="The signature, or the manifest, lists a file that is not in the folder.",
        abuse="A model without the file that limits it (a preprocessing table, a block list) can do what the whole release could not.",
        action="Fetch the package again; an interrupted download is the usual reason.",
    ),
    CodeEntry(
        code="MLS103",
        title="a file that nobody signed",
        meaning="There is a file in the folder that neither the signature nor the manifest lists.",
        abuse="Loaders look for files by name: an added tokenizer.py, config.json or libcustom_ops.so is picked up by tools "
        "that trust the folder because it was verified.",
        action="Remove the file. If it belongs to the release, pack again with --include and sign.",
    ),
    CodeEntry(
        code="MLS104",
        title="a link or special file",
        meaning="Something in the folder is a symbolic link, a directory in place of a file, a named pipe, a socket or a device.",
        abuse="A link leads the reader to other bytes than the verifier saw, or out of the package (/etc/shadow, /proc/self/environ); "
        "a pipe hangs the reader; a device never ends.",
        action="Replace it by a regular file: cp -rL makes a copy with links resolved. Then pack and sign that copy.",
    ),
    CodeEntry(
        code="MLS105",
        title="a name that is unsafe on some system",
        meaning="A file's name is not a plain relative path in Unicode NFC: it has control characters, backslashes, colons, "
        "Windows device names, trailing dots, or is too long.",
        abuse="One name that two systems read differently lets a package show one file to the verifier and another to the loader.",
        action="Rename the file and pack again.",
    ),
    CodeEntry(
        code="MLS107",
        title="a file with a second name",
        meaning="The file has more than one hard link, so it can be changed through a name outside the package.",
        abuse="Whoever owns the other name changes the model after it was verified, without any right to the package's folder.",
        action="Copy the package (cp -r) and use the copy. If it was packed with mlsign pack --store, name the store with --store: files "
        "in it can be written to through no name. Other stores that share files by hard links should copy or reflink instead.",
    ),
    CodeEntry(
        code="MLS108",
        title="no manifest",
        meaning="The policy requires mlsign.json and the package has none.",
        abuse="Without a manifest nobody has said which file is the model, which operators it may contain and where it comes from; "
        "removing it would switch those checks off.",
        action="Ask for a package made by mlsign pack. For folders that others sign in the OMS format, use a policy with "
        "manifest: optional.",
    ),
    CodeEntry(
        code="MLS109",
        title="a manifest that cannot be read",
        meaning="mlsign.json is not the canonical spelling of a manifest: a field is unknown, missing, repeated or of the wrong "
        "type, or the JSON can be read in more than one way.",
        abuse="Two readers that take different values from one signed document can be told two different things (duplicate keys, "
        "1_0 for 10, NaN).",
        action="Pack the model again; never edit a manifest by hand.",
    ),
    CodeEntry(
        code="MLS110",
        title="the manifest describes, or does not describe, its model",
        meaning="A fact in the manifest (operators, opsets, inputs, outputs, parameters) is not what the model itself has.",
        abuse="People and tools decide by the manifest: one that hides an operator or a changed input makes a hostile model look tame.",
        action="Do not use the package, and ask its signer how the manifest was made; mlsign pack always fills in true facts.",
    ),
    CodeEntry(
        code="MLS111",
        title="a file changed while it was read",
        meaning="The file was written to, cut short or replaced between the moment it was opened and the last byte read.",
        abuse="A swap between check and use: the verifier sees good bytes, the loader gets others.",
        action="Find out what writes to the package. Verify a copy that nothing else can reach, or use admit, which seals the bytes.",
    ),
    CodeEntry(
        code="MLS112",
        title="a digest algorithm that the policy does not accept",
        meaning="The signature is over digests of an algorithm that is not in the policy's digests.",
        abuse="A weak or unusual algorithm lets somebody prepare two files with one digest.",
        action="Sign again with an accepted algorithm (mlsign pack --digest), or add the algorithm to digests if that was meant.",
    ),
    CodeEntry(
        code="MLS113",
        title="several models and nothing that says which",
        meaning="The folder has no manifest and more than one ONNX file, so the operators of the model could not be checked.",
        abuse="A harmless decoy beside the model that is really loaded.",
        action="Verify the ONNX file itself with --signature, or pack the model with mlsign.",
    ),
    CodeEntry(
        code="MLS114",
        title="too much to read before anybody vouches for it",
        meaning="No trusted signature says what the package is, or how large its files may be, and it is larger than what is "
        "read or held in memory on a stranger's word.",
        abuse="A file of many gigabytes, which costs nothing to make where disks store holes, keeps every verifier busy or takes "
        "the memory of the process that wanted to score with it.",
        action="Have the package signed by a signer that the policy names. A folder of others that is this large is best packed "
        "with mlsign pack, whose manifest says how large each file is.",
    ),
    CodeEntry(
        code="MLS115",
        title="a file or folder that was not read",
        meaning="The system did not let it be read (permissions, a broken disk), or it lies deeper than folders are looked into. "
        "Nothing is known of what is in it.",
        abuse="What a scan cannot read it cannot refuse: a model that only the serving account may read passes every scan that "
        "counts silence as good news.",
        action="Scan under an account that may read it, or name the folder itself. If nothing of it is meant to be there, remove it.",
    ),
    CodeEntry(
        code="MLS116",
        title="a file that was known and not read",
        meaning="The bytes of the file were hashed before, and were not read again: they are in memory that has been sealed since, which "
        "is used in place of the file; or the file is that of a store, untouched since mlsign wrote it there. It passes for sealed memory, and "
        "for a store where the policy has hashing: once; else it is unknown.",
        abuse="Whoever may write as the owner of a store can alter a file in it by ways that leave no trace in its times (the disk itself, "
        "a clock that was set back); a disk that loses bits is noticed by hashing, and not by times.",
        action="Verify without --store where every byte is to be hashed, or write hashing: once into the policy where the owner of the store "
        "is trusted as much as mlsign itself.",
    ),
)
