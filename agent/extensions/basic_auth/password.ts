// `binnacle htpasswd`: reads a password from standard input, at a terminal without showing it, and
// prints a line for the users of a basic_auth extension.

import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { OperatorError } from '../../../runtime/errors.ts';
import { createRandom } from '../../../runtime/random.ts';
import { scryptLine } from './htpasswd.ts';

const SALT_BYTES = 16;

/** Throws OperatorError for a user or a password that cannot be. */
export async function hashPassword(user: string): Promise<void> {
  if (!/^[^:\s]+$/.test(user)) {
    throw new OperatorError('a user must not have a colon or blanks', 'take another name');
  }
  const { stdin, stderr, stdout } = process;
  if (stdin.isTTY) stderr.write('Password: ');
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: stdin, output: silent, terminal: stdin.isTTY });
  const { value: password = '' } = await lines[Symbol.asyncIterator]().next() as
    { value: string | undefined };
  lines.close();
  if (stdin.isTTY) stderr.write('\n');
  if (password === '') throw new OperatorError('there is no password', 'write it to the input');
  stdout.write(`${await scryptLine(user, password, createRandom().bytes(SALT_BYTES))}\n`);
}
