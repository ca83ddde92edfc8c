// Tokens: 256 random bits behind a prefix by which scanners for leaked secrets can know them.
//
//     bnc_ + 43 characters of base64url
//
// What is kept of one is its SHA-256. A salt or a slow hash, as passwords need them, would make
// nothing harder: nobody can try 2^256 tokens.

import { createHash } from 'node:crypto';
import { tokenProblem } from '../../config/access.ts';
import { OperatorError } from '../../runtime/errors.ts';
import { createRandom, type Random } from '../../runtime/random.ts';

const PREFIX = 'bnc_';
const RANDOM_BYTES = 32;

const createToken = (random: Random): string =>
  PREFIX + Buffer.from(random.bytes(RANDOM_BYTES)).toString('base64url');

export const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

export interface NewToken {
  readonly name: string;
  readonly role: string;
  /** ISO 8601; absent for a token that counts for ever. */
  readonly expires?: string;
}

/**
 * What a person is told who asks for a token: the token, once, and what to paste where. Throws
 * OperatorError for what the configuration would not take.
 */
export function newToken(asked: NewToken, random: Random = createRandom()): string {
  const token = createToken(random);
  const { name, role, expires } = asked;
  const hash = hashOf(token).toString('hex');
  const problem = tokenProblem({ name, role, hash, ...(expires === undefined ? {} : { expires }) });
  if (problem !== null) throw new OperatorError(`cannot make a token: ${problem}`, HINT);
  const lines = [
    `The token, shown this once:  ${token}`,
    '',
    'For the configuration of the backend, which reads it at its next start:',
    '',
    'access:',
    '  tokens:',
    `    - name: ${name}`,
    `      role: ${role}`,
    `      hash: ${hash}`,
    ...(expires === undefined ? [] : [`      expires: ${expires}`]),
  ];
  return `${lines.join('\n')}\n`;
}

const HINT = 'binnacle token create --name grafana --role analyst --expires 2027-01-31';
