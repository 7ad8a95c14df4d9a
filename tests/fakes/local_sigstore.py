"""A Sigstore of one's own on loopback: identity provider, certificate authority, logs and time stamps behind one address.

It checks what it is sent, so a client that does something wrong is refused. By hand:

    python tests/fakes/local_sigstore.py FOLDER

writes ``trust_config.json``, ``trusted_root.json`` and ``identity_token`` into the folder and serves until interrupted.
"""

import argparse
import json
import signal
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from fake_fulcio import FakeFulcio
from fake_http import Breakage, LoopbackServer
from fake_oidc import FakeOidc
from fake_pki import Clock, wall_clock
from fake_rekor import FakeRekorV1
from fake_rekor_v2 import FakeRekorV2
from fake_timestamps import FakeTimestamps
from fake_trust import (
    SIGNING_CONFIG,
    TRUST_CONFIG,
    TRUSTED_ROOT,
    authority,
    log_instance,
    period,
    service,
)


class LocalSigstore:
    """Services ``oidc``, ``fulcio``, ``rekor1``, ``rekor2`` and ``timestamps``, each with a clock ``now`` that may be set.

    ``since`` is when everything becomes trusted: a day before the clock, unless given. The logs have ``older_entries``
    already, so that inclusion is something to prove. Closing it frees the port.
    """

    def __init__(
        self,
        *,
        now: Clock = wall_clock,
        since: datetime | None = None,
        issuer: str | None = None,
        older_entries: int = 5,
        port: int = 0,
    ):
        self.since = (since or now() - timedelta(days=1)).replace(microsecond=0)
        self.server = LoopbackServer(port=port)
        self.url = self.server.url
        name = urlsplit(self.url).hostname or ""
        self.oidc = FakeOidc(self.server, now=now, issuer=issuer)
        self.fulcio = FakeFulcio(self.server, oidc=self.oidc, now=now, since=self.since)
        self.rekor1 = FakeRekorV1(self.server, now=now, name=name, older=older_entries)
        self.rekor2 = FakeRekorV2(self.server, now=now, name=name, older=older_entries)
        self.timestamps = FakeTimestamps(self.server, now=now, since=self.since)

    @property
    def issuer(self) -> str:
        return self.oidc.issuer

    def twin(self) -> "LocalSigstore":
        """Another one that calls itself the same and has keys of its own: nobody who trusts this one may trust it."""
        return LocalSigstore(now=self.oidc.now, since=self.since, issuer=self.issuer)

    def set_clock(self, now: Clock) -> None:
        """One clock for all services; a single one is set by its attribute ``now``."""
        for each in (self.oidc, self.fulcio, self.rekor1, self.rekor2, self.timestamps):
            each.now = now

    def shift(self, by: timedelta) -> None:
        """Moves all services to a time that runs beside the real one, later or, where negative, earlier."""
        self.set_clock(lambda: wall_clock() + by)

    @property
    def requests(self) -> dict[str, int]:
        """How many requests each of ``oidc``, ``fulcio``, ``rekor`` and ``tsa`` has had."""
        return {name: self.server.requests[name] for name in sorted(self.server.services)}

    def break_service(self, name: str, how: Breakage | str = Breakage.UNAVAILABLE, *, times: int | None = None) -> None:
        self.server.break_service(name, how, times=times)

    def repair_service(self, name: str) -> None:
        self.server.repair_service(name)

    def trusted_root(self, *, end: datetime | None = None) -> dict[str, Any]:
        """Everything valid from ``since`` on, and no longer than ``end`` if given."""
        valid = period(self.since, end)
        root: dict[str, Any] = {
            "mediaType": TRUSTED_ROOT,
            "tlogs": [
                log_instance(
                    self.rekor1.key.public_key(),
                    log_id=self.rekor1.log_id,
                    details="PKIX_ECDSA_P256_SHA_256",
                    url=self.url,
                    valid=valid,
                ),
                log_instance(
                    self.rekor2.key.public_key(), log_id=self.rekor2.log_id, details="PKIX_ED25519", url=self.url, valid=valid
                ),
            ],
            "certificateAuthorities": [authority(self.fulcio.chain, url=self.url, valid=valid)],
            "ctlogs": [],
            "timestampAuthorities": [authority(self.timestamps.chain, url=self.timestamps.url, valid=valid)],
        }
        if self.fulcio.ct_log:
            ct_log = self.fulcio.ct_log
            details, url = "PKIX_ECDSA_P256_SHA_256", f"{self.url}/ct"
            root["ctlogs"].append(
                log_instance(ct_log.key.public_key(), log_id=ct_log.log_id, details=details, url=url, valid=valid)
            )
        return root

    def signing_config(self, *, rekor: int = 2, timestamps: bool | None = None) -> dict[str, Any]:
        """Version 2 of the log knows no time, so with it there are time stamps; with version 1 only where asked for."""
        valid = period(self.since)
        stamps = rekor == 2 if timestamps is None else timestamps
        return {
            "mediaType": SIGNING_CONFIG,
            "caUrls": [service(self.url, version=1, valid=valid)],
            "oidcUrls": [service(self.url, version=1, valid=valid)],
            "rekorTlogUrls": [service(self.url, version=rekor, valid=valid)],
            "rekorTlogConfig": {"selector": "ANY"},
            "tsaUrls": [service(self.timestamps.url, version=1, valid=valid)] if stamps else [],
            "tsaConfig": {"selector": "ANY"},
        }

    def trust_config(self, *, rekor: int = 2, timestamps: bool | None = None) -> dict[str, Any]:
        return {
            "mediaType": TRUST_CONFIG,
            "trustedRoot": self.trusted_root(),
            "signingConfig": self.signing_config(rekor=rekor, timestamps=timestamps),
        }

    def close(self) -> None:
        self.server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a Sigstore for trying things out. Nothing it signs means anything.")
    parser.add_argument("folder", type=Path, help="where trust_config.json, trusted_root.json and identity_token go")
    parser.add_argument("--rekor", type=int, choices=(1, 2), default=2, help="version of the transparency log")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--email", default="dev@example.com", help="whose identity the token claims")
    parser.add_argument("--workflow", action="store_true", help="a token of a workflow instead of one of a person")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with LocalSigstore(port=options.port) as sigstore:
        lifetime = timedelta(days=1)
        if options.workflow:
            token = sigstore.oidc.workflow_token(lifetime=lifetime)
        else:
            token = sigstore.oidc.email_token(options.email, lifetime=lifetime)
        config = sigstore.trust_config(rekor=options.rekor)
        (options.folder / "trust_config.json").write_text(json.dumps(config, indent=2))
        (options.folder / "trusted_root.json").write_text(json.dumps(config["trustedRoot"], indent=2))
        (options.folder / "identity_token").write_text(token)
        print(f"{sigstore.url} (issuer and every service); files are in {options.folder}", flush=True)
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        stopped.wait()


if __name__ == "__main__":
    main()
