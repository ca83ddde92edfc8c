// `binnacle tail`: what the backend accepts, as lines, until Ctrl-C.

import { once } from 'node:events';
import { OperatorError } from '../../runtime/errors.ts';
import { AskError, askTail, type Target } from './ask.ts';
import { eventsIn, lineOf } from './tail_lines.ts';

export interface TailFlags extends Target {
  readonly signal: string;
  readonly json: boolean;
}

/** Ends when it is interrupted. Throws OperatorError, also when the backend ends it. */
export async function tail(search: string, { signal, json, url, token }: TailFlags): Promise<void> {
  const { stdout } = process;
  const colours = stdout.isTTY && process.env.NO_COLOR === undefined;
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => abort.abort());
  // Whoever reads the lines has gone, as `head` does.
  stdout.once('error', () => abort.abort());
  try {
    const body = await askTail({ url, token }, { search, signal }, abort.signal);
    for await (const event of eventsIn(body)) {
      const line = lineOf(event, { json, colours });
      const isTaken = line === null || stdout.write(`${line}\n`);
      if (!isTaken) await once(stdout, 'drain', { signal: abort.signal });
    }
    throw new OperatorError('the backend has ended the tail', 'ask again when it is back');
  } catch (error) {
    if (abort.signal.aborted) return;
    if (!(error instanceof AskError)) throw error;
    throw new OperatorError(`${error.code}: ${error.message}`, error.hint);
  }
}
