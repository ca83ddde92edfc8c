// Senders that speak OTLP to the agent as applications do, over gRPC and HTTP, until they are told
// to stop. Some are impatient and go away before the answer; none sends a request again.

import type { Sender } from '../../proto/contract/arrival.ts';
import { createOtlpGrpcClient } from '../../proto/grpc/client.ts';
import { createOtlpHttpClient } from '../../proto/http/client.ts';
import type { Signal } from '../../proto/otlp/model.ts';
import { createClock } from '../../runtime/clock.ts';
import { seededRandom, type Random } from '../proto/generate.ts';
import type { Ledger } from './ledger.ts';
import { makeRequest } from './records.ts';

export interface GeneratorOptions {
  readonly seed: number;
  readonly ledger: Ledger;
  readonly grpcPort: number;
  readonly httpPort: number;
}

export interface Generator {
  /** What no sender may ever hear: refused for good, or in part. */
  readonly refusals: readonly string[];
  /** Resolves when every request has its answer, or none. */
  stop(): Promise<void>;
}

const RECORDS = { least: 10, most: 70 };
const PAUSE_MS = { least: 50, most: 350 };
/** Longer, after one that was not taken. */
const REFUSED_MS = 200;
const TIMEOUT_MS = 5000;
/** Of the requests, those whose sender goes away after so short a time. */
const IMPATIENT = 0.05;
const IMPATIENCE_MS_MAX = 30;

const LANES: readonly { signal: Signal; transport: 'grpc' | 'proto' | 'json' }[] = [
  { signal: 'logs', transport: 'grpc' },
  { signal: 'logs', transport: 'json' },
  { signal: 'traces', transport: 'grpc' },
  { signal: 'traces', transport: 'proto' },
  { signal: 'metrics', transport: 'grpc' },
  { signal: 'metrics', transport: 'proto' },
];

const clock = createClock();

export function startGenerator(options: GeneratorOptions): Generator {
  const stopping = new AbortController();
  const refusals: string[] = [];
  const sending = LANES.map(async ({ signal, transport }, index) => {
    const client = createClient(transport, options);
    const random = seededRandom(options.seed * 1000 + index);
    const lane = { signal, sender: index + 1, random, client, refusals };
    for (let number = 0; !stopping.signal.aborted; number++) {
      const taken = await sendOne(lane, number, options.ledger);
      const pauseMs = between(random, PAUSE_MS);
      await clock.sleep(taken ? pauseMs : pauseMs + REFUSED_MS, stopping.signal);
    }
    await client.close();
  });
  return {
    refusals,
    stop: async () => {
      stopping.abort();
      await Promise.all(sending);
    },
  };
}

interface Lane {
  readonly signal: Signal;
  readonly sender: number;
  readonly random: Random;
  readonly client: Sender;
  readonly refusals: string[];
}

/** Answers whether it was acknowledged. */
async function sendOne(
  { signal, sender, random, client, refusals }: Lane, number: number, ledger: Ledger,
): Promise<boolean> {
  const count = Math.floor(between(random, RECORDS));
  const made = makeRequest(random, { signal, sender, number, count, nowNs: clock.nowNs() });
  const patience = new AbortController();
  if (random() < IMPATIENT) {
    clock.after(random() * IMPATIENCE_MS_MAX, () => patience.abort());
  }
  ledger.sent(made);
  const outcome = await client.send(made.batch, 0, patience.signal);
  const taken = outcome.status === 'accepted' && outcome.rejected === 0;
  if (taken) ledger.acknowledged(made);
  else if (outcome.status !== 'retryable') refusals.push(`${signal} ${made.id}: ${outcome.reason}`);
  return taken;
}

function createClient(transport: 'grpc' | 'proto' | 'json', options: GeneratorOptions): Sender {
  if (transport === 'grpc') {
    return createOtlpGrpcClient({ endpoint: { host: '127.0.0.1', port: options.grpcPort }, clock,
      tls: null, compression: 'gzip', timeoutMs: TIMEOUT_MS });
  }
  const url = (signal: Signal) => `http://127.0.0.1:${options.httpPort}/v1/${signal}`;
  return createOtlpHttpClient({
    urls: { logs: url('logs'), traces: url('traces'), metrics: url('metrics') },
    clock, encoding: transport, compression: 'none', timeoutMs: TIMEOUT_MS,
  });
}

const between = (random: Random, { least, most }: { least: number; most: number }): number =>
  least + random() * (most - least);
