// The connection of a simulated backend to the simulated store: statements that never arrive,
// answers that never come back, clients that leave while their statement goes on.

import { Readable } from 'node:stream';
import type { ExecParams, ExecResult } from '@clickhouse/client';
import { Connection, limits } from '../../backend/storage/clickhouse/client.ts';
import type { Random } from '../../runtime/random.ts';
import { chance, spread, type Faults } from './faults.ts';
import { crosses, unlessDead, type Life } from './life.ts';
import { connectionLost, type Store } from './store.ts';
import { never, type Time } from './time.ts';

export interface ConnectionParts {
  readonly time: Time;
  readonly random: Random;
  readonly faults: Faults;
  readonly store: Store;
  /** Of the backend. */
  readonly life: Life;
}

type Params = ExecParams & { readonly values?: Readable };

export class SimulatedConnection extends Connection {
  readonly #parts: ConnectionParts;

  constructor(parts: ConnectionParts) {
    super({ url: () => 'http://nowhere.invalid', username: '', password: '', database: '' });
    this.#parts = parts;
  }

  override async exec(params: Params): Promise<ExecResult<Readable>> {
    const { life } = this.#parts;
    const body = params.values === undefined ? null : await collect(params.values);
    if (!crosses(life)) return never();
    const text = await unlessDead(life, this.#send(params, body));
    return { stream: Readable.from([Buffer.from(text)]) } as ExecResult<Readable>;
  }

  #send(params: Params, body: Buffer | null): Promise<string> {
    const { time, random, faults, store } = this.#parts;
    const signal = params.abort_signal as AbortSignal | undefined;
    return new Promise((resolve, reject) => {
      const left = () => reject(new Error('The user aborted a request.'));
      if (signal?.aborted === true) return left();
      signal?.addEventListener('abort', left, { once: true });
      const settled = (settle: () => void) => {
        signal?.removeEventListener('abort', left);
        settle();
      };
      const lose = (delayMs: number) => time.after(delayMs, () =>
        settled(() => reject(connectionLost())));
      if (chance(random, faults.storeLost)) return void lose(5);
      const silent = time.after(limits.silenceMs, () =>
        settled(() => reject(new Error('Timeout error.'))));
      const answerLost = chance(random, faults.storeAnswerLost);
      if (answerLost) lose(spread(random, 500));
      store.run({
        text: params.query, id: params.query_id, params: params.query_params ?? {}, body,
      }).then((lines) => {
        silent.cancel();
        if (!answerLost) settled(() => resolve(lines));
      }, (error: unknown) => {
        silent.cancel();
        if (!answerLost) settled(() => reject(error));
      });
    });
  }
}

async function collect(values: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  // The bytes are views of columns that may change later: they leave here as a copy.
  for await (const chunk of values) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}
