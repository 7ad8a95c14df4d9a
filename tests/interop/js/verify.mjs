// Verifies one Sigstore bundle with the npm packages @sigstore/bundle and @sigstore/verify.
//
// Reads a JSON question from stdin and writes a JSON answer to stdout:
//   {bundle, trustedRoot, keys: {hint: PEM}, artifact: base64 | null, identity, issuer, thresholds: {tlog, timestamp, ctlog}}
//   {accepted: true, identity, issuer} or {accepted: false, code, message}
// Exit code 0 means that there is an answer, whichever it is. MLSIGN_JS_FOLDER says where node_modules is.

import { createRequire } from 'node:module';
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(path.resolve(process.env.MLSIGN_JS_FOLDER || here), 'index.js'));
const { bundleFromJSON } = require('@sigstore/bundle');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

const NO_ROOT = {
  mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
  tlogs: [],
  certificateAuthorities: [],
  ctlogs: [],
  timestampAuthorities: [],
};

function keysOf(pems) {
  const entries = Object.entries(pems ?? {}).map(([hint, pem]) => [
    hint,
    { rawBytes: createPublicKey(pem).export({ type: 'spki', format: 'der' }) },
  ]);
  return Object.fromEntries(entries);
}

// The policy takes a regular expression; an identity is compared as a whole.
function exactly(text) {
  return `^${text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')}$`;
}

function policyOf({ identity, issuer }) {
  const policy = {};
  if (identity != null) policy.subjectAlternativeName = exactly(identity);
  if (issuer != null) policy.extensions = { issuer };
  return policy;
}

function answer(question) {
  try {
    const material = toTrustMaterial(TrustedRoot.fromJSON(question.trustedRoot ?? NO_ROOT), keysOf(question.keys));
    const { tlog, timestamp, ctlog } = question.thresholds;
    const verifier = new Verifier(material, { tlogThreshold: tlog, timestampThreshold: timestamp, ctlogThreshold: ctlog });
    const artifact = question.artifact == null ? undefined : Buffer.from(question.artifact, 'base64');
    const signer = verifier.verify(toSignedEntity(bundleFromJSON(question.bundle), artifact), policyOf(question));
    return {
      accepted: true,
      identity: signer.identity?.subjectAlternativeName ?? null,
      issuer: signer.identity?.extensions?.issuer ?? null,
    };
  } catch (error) {
    return { accepted: false, code: error.code ?? error.name, message: error.message };
  }
}

process.stdout.write(JSON.stringify(answer(JSON.parse(readFileSync(0, 'utf8')))));
