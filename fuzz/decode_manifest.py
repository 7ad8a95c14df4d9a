"""Fuzz target: ``mlsign.json``. Only ``InputError`` may escape, and what decodes encodes to the very same bytes."""

from mlsign.errors import InputError
from mlsign.formats.manifest_codec import decode_manifest, encode_manifest


def check(data: bytes) -> None:
    """Decodes ``data`` as a manifest; a manifest has one spelling."""
    try:
        manifest = decode_manifest(data)
    except InputError as err:
        assert err.code
        assert "\x1b" not in str(err)
        return
    assert encode_manifest(manifest) == data
    assert manifest == decode_manifest(data)
    assert len({entry.path.folded for entry in manifest.files}) == len(manifest.files)
    assert [entry.path for entry in manifest.files if entry.role.value == "model"] == [manifest.model.path]


if __name__ == "__main__":
    from mutate import run

    run(check, corpus="manifest")
