// Makes certificates for tests of TLS: an authority, and what it signs, as PEM (RFC 5280). They are
// made anew in every run, so that no key is kept and none can expire.
//
//   Certificate { tbs, algorithm, signature }
//   tbs { [0] version 3, serial, algorithm, issuer, validity, subject, public key, [3] extensions }

import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** A certificate for these DNS names; clients need none. */
  issue(name: string, dnsNames?: readonly string[]): Certificate;
}

export function createAuthority(name: string): Authority {
  const { publicKey, privateKey } = newKeys();
  const facts = { subject: name, issuer: name, publicKey, signer: privateKey, ca: true };
  const cert = certificate(facts);
  return {
    cert,
    key: pemOfKey(privateKey),
    issue: (subject, dnsNames = []) => {
      const own = newKeys();
      const facts = { subject, issuer: name, publicKey: own.publicKey, signer: privateKey };
      return {
        cert: certificate({ ...facts, ca: false, dnsNames }),
        key: pemOfKey(own.privateKey),
      };
    },
  };
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pemOfKey = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();

interface Facts {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly ca: boolean;
  readonly dnsNames?: readonly string[];
}

let serial = 1;

function certificate({ subject, issuer, publicKey, signer, ca, dnsNames = [] }: Facts): string {
  const algorithm = sequence(oid('2a8648ce3d040302')); // ecdsa-with-SHA256
  const basic = sequence(oid('551d13'), bool(true), octets(sequence(...(ca ? [bool(true)] : []))));
  const names = dnsNames.map((name) => der(0x82, Buffer.from(name)));
  const alternative = sequence(oid('551d11'), octets(sequence(...names)));
  const tbs = sequence(
    der(0xa0, integer(2)),
    integer(serial++),
    algorithm,
    nameOf(issuer),
    sequence(time('20200101000000Z'), time('20990101000000Z')),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(basic, ...(names.length > 0 ? [alternative] : []))),
  );
  const signature = Buffer.concat([Buffer.of(0), sign('sha256', tbs, signer)]);
  const bytes = sequence(tbs, algorithm, der(0x03, signature));
  const lines = bytes.toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const size = length < 128 ? [length]
    : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, Buffer.concat(parts));
const octets = (content: Uint8Array) => der(0x04, content);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const integer = (value: number) => der(0x02, Buffer.of(value));
const bool = (value: boolean) => der(0x01, Buffer.of(value ? 0xff : 0));
const time = (text: string) => der(0x18, Buffer.from(text));
const nameOf = (common: string) =>
  sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(common)))));
