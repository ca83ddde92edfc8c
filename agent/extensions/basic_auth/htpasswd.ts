// Lines of `htpasswd`: `user:hash`, and whether a password belongs to a hash.
//
//     {SHA}<base64>                 SHA-1, as `htpasswd -s` writes it
//     {SSHA}<base64>                SHA-1 of password and salt; the salt follows the 20 bytes
//     $apr1$<salt>$<22 characters>  Apache's MD5, as `htpasswd` writes it unless told otherwise
//     $scrypt$<N>$<r>$<p>$<salt>$<hash>   ours, of `binnacle htpasswd`; the last two in base64
//     anything else without $       the password itself
//
// bcrypt and crypt's SHA-2 ($2y$, $5$, $6$) are not understood: Node.js does not have them.

import { createHash, scrypt, timingSafeEqual } from 'node:crypto';

/** Whether a password is the one. Never throws. */
export type Check = (password: string) => boolean | Promise<boolean>;

export interface Htpasswd {
  readonly users: ReadonlyMap<string, Check>;
  /** What is wrong with which lines, from 1; their text is never part of it. */
  readonly problems: readonly { readonly line: number; readonly why: string }[];
}

export const SCRYPT = { n: 16_384, r: 8, p: 1, bytes: 32 } as const;

/** A hash that asks for more is refused: who checks it would run out of memory. */
const SCRYPT_MEMORY_MAX = 64 * 1024 * 1024;
const BCRYPT = /^\$2[abxy]?\$/;

export function parseHtpasswd(text: string): Htpasswd {
  const users = new Map<string, Check>();
  const problems: { line: number; why: string }[] = [];
  text.split('\n').forEach((raw, index) => {
    const line = raw.replace(/\r$/, '');
    if (line.trim() === '' || line.startsWith('#')) return;
    const colon = line.indexOf(':');
    const check = colon < 1 ? 'it is not user:hash' : checkOf(line.slice(colon + 1));
    if (typeof check === 'string') problems.push({ line: index + 1, why: check });
    else users.set(line.slice(0, colon), check);
  });
  return { users, problems };
}

function checkOf(hash: string): Check | string {
  if (hash.startsWith('{SHA}')) return digestCheck(hash.slice(5), 0);
  if (hash.startsWith('{SSHA}')) return digestCheck(hash.slice(6), 1);
  if (hash.startsWith('$apr1$')) return apacheCheck(hash);
  if (hash.startsWith('$scrypt$')) return scryptCheck(hash);
  if (BCRYPT.test(hash)) {
    return 'bcrypt is not understood; make it with binnacle htpasswd, or with htpasswd -m';
  }
  if (hash.startsWith('$') || hash.startsWith('{')) {
    return 'this hash is not understood; make it with binnacle htpasswd, or with htpasswd -m';
  }
  if (hash === '') return 'there is no password';
  return (password) => sameText(password, hash);
}

/** Of any length, in a time that tells nothing but the length of what was given. */
export function sameText(given: string, want: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(want));
}

const SHA1_BYTES = 20;

function digestCheck(base64: string, saltBytesMin: number): Check | string {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length < SHA1_BYTES + saltBytesMin) return 'the hash is too short';
  const want = bytes.subarray(0, SHA1_BYTES);
  const salt = bytes.subarray(SHA1_BYTES);
  return (password) =>
    timingSafeEqual(createHash('sha1').update(password).update(salt).digest(), want);
}

function scryptCheck(hash: string): Check | string {
  const [n = 0, r = 0, p = 0] = hash.split('$').slice(2, 5).map(Number);
  const [salt = '', want = ''] = hash.split('$').slice(5);
  const power = Number.isSafeInteger(n) && n > 1 && (n & (n - 1)) === 0;
  const sound = power && r >= 1 && p >= 1 && 128 * n * r * p <= SCRYPT_MEMORY_MAX;
  const key = Buffer.from(want, 'base64');
  if (!sound || key.length < 16 || salt === '') return 'this is not a hash of binnacle htpasswd';
  const options = { N: n, r, p, maxmem: 2 * SCRYPT_MEMORY_MAX };
  return (password) => new Promise((resolve) => {
    scrypt(password, Buffer.from(salt, 'base64'), key.length, options, (error, got) =>
      resolve(error === null && timingSafeEqual(got, key)));
  });
}

/** The line of a user; `salt` is random, of 16 bytes. */
export function scryptLine(user: string, password: string, salt: Uint8Array): Promise<string> {
  const { n, r, p, bytes } = SCRYPT;
  return new Promise((resolve, reject) => {
    scrypt(password, salt, bytes, { N: n, r, p }, (error, key) => (error !== null ? reject(error)
      : resolve(`${user}:$scrypt$${n}$${r}$${p}$${base64(salt)}$${base64(key)}`)));
  });
}

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');

function apacheCheck(hash: string): Check | string {
  const [, , salt = '', want = ''] = hash.split('$');
  if (salt === '' || want.length !== 22) return 'this is not a hash of htpasswd -m';
  return (password) => sameText(apacheHash(password, salt.slice(0, 8)), want);
}

/** The MD5 of Apache's apr_md5.c: a thousand rounds over password and salt. */
function apacheHash(password: string, salt: string): string {
  const key = Buffer.from(password);
  const md5 = (...parts: (Uint8Array | string)[]) =>
    parts.reduce((hash, part) => hash.update(part), createHash('md5')).digest();
  const inner = md5(key, salt, key);
  const first = createHash('md5').update(key).update('$apr1$').update(salt);
  for (let left = key.length; left > 0; left -= 16) {
    first.update(inner.subarray(0, Math.min(16, left)));
  }
  for (let bits = key.length; bits > 0; bits >>= 1) {
    first.update((bits & 1) === 1 ? Buffer.alloc(1) : key.subarray(0, 1));
  }
  let digest = first.digest();
  for (let round = 0; round < 1000; round++) {
    const odd = round % 2 === 1;
    digest = md5(odd ? key : digest, round % 3 === 0 ? '' : salt, round % 7 === 0 ? '' : key,
      odd ? digest : key);
  }
  return [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]]
    .map(([a, b, c]) => letters(digest[a!]! << 16 | digest[b!]! << 8 | digest[c!]!, 4))
    .join('') + letters(digest[11]!, 2);
}

const LETTERS = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const letters = (value: number, count: number): string =>
  Array.from({ length: count }, (_, at) => LETTERS[value >> 6 * at & 63]).join('');
