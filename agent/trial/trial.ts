// `binnacle agent test`: runs the pipelines of a configuration over records from a file, without
// its receivers, exporters and extensions, and compares what would have been exported.
//
// - A line of the input is an OTLP request as JSON. Beside it may stand `receiver`, the id of the
//   one that it comes from (else the first that has pipelines of its signal), and `after`, a time
//   span that passes before it. A line of the output has `exporter` beside the request.
// - Processors and connectors are the real ones, but time stands still except for `after` and, at
//   the end, for `--for`; then all stop, and hand on what they hold. Chance has a seed: the output
//   is the same each time.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { parseDuration } from '../../config/schema.ts';
import { Batch } from '../../proto/contract/batch.ts';
import type { AnyFactory, Consumer } from '../../proto/contract/component.ts';
import { ACCEPTED, type Outcome } from '../../proto/contract/outcome.ts';
import { requestFromJson, requestToJson } from '../../proto/otlp/json.ts';
import { SIGNALS, type Signal } from '../../proto/otlp/model.ts';
import { createCounters } from '../../runtime/counters.ts';
import { errorMessage, OperatorError } from '../../runtime/errors.ts';
import { createSeededRandom } from '../../runtime/random.ts';
import { createLog } from '../../runtime/log.ts';
import { createManualClock } from '../../runtime/manual_clock.ts';
import { createWorld } from '../../runtime/world.ts';
import { createGraph } from '../graph/graph.ts';
import { readAgentConfig, type AgentSources } from '../main.ts';

const SEED = 1;
const START_MS = Date.UTC(2026, 0, 1);
const ROOTS: Readonly<Record<string, Signal>> = {
  resourceSpans: 'traces', resourceMetrics: 'metrics', resourceLogs: 'logs',
};

export interface TrialOptions extends AgentSources {
  /** Lines of JSON. */
  readonly input: readonly string[];
  /** Virtual milliseconds that pass after the last line. */
  readonly forMs: number;
}

export interface Trial {
  /** Lines of JSON, in the order in which batches came out. */
  readonly output: readonly string[];
  /** What pipelines refused, by line of the input. */
  readonly refused: readonly string[];
}

/** Throws ConfigError, and OperatorError for input that cannot be read. */
export async function runTrial({ input, forMs, ...sources }: TrialOptions): Promise<Trial> {
  const { config, factories } = await readAgentConfig(sources);
  const clock = createManualClock(START_MS);
  const real = createWorld();
  const world = { ...real, clock, random: createSeededRandom(SEED) };
  const folder = join(tmpdir(), `binnacle-trial-${real.random.uuid()}`);
  const feeds = new Map<string, Consumer>();
  const output: string[] = [];
  const log = createLog({ level: 'warn', format: 'text',
    write: (line) => void process.stderr.write(line) });
  const graph = createGraph({
    config: { ...config, extensions: new Map() },
    factories: factories.map((one) => standIn(one, feeds, output)),
    world, log, counters: createCounters(), folder,
    agentId: '00000000-0000-4000-8000-000000000000',
  });
  const lines = input.map((line, index) => readLine(line, index + 1));
  const never = new AbortController().signal;
  const refused: string[] = [];
  const answered: Promise<void>[] = [];
  try {
    await graph.start();
    for (const { batch, receiver, afterMs, number } of lines) {
      await clock.advance(afterMs);
      const id = receiver ?? config.pipelines.find(({ signal, receivers }) =>
        signal === batch.signal && receivers.some((one) => feeds.has(one)))
        ?.receivers.find((one) => feeds.has(one));
      const feed = feeds.get(id ?? '');
      if (feed === undefined) {
        throw new OperatorError(`cannot use line ${number} of the input: ${receiver === undefined
          ? `no receiver has a pipeline of ${batch.signal}` : `there is no receiver ${receiver}`}`,
        `there are ${[...feeds.keys()].join(', ')}`);
      }
      answered.push(feed.consume(batch, never).then((outcome) =>
        void refused.push(...toldOf(outcome, number))));
      await clock.advance(0);
    }
    await clock.advance(forMs);
    const stopped = graph.stop(never);
    await clock.advance(forMs);
    await stopped;
    await Promise.race([Promise.all(answered), real.clock.sleep(1000)]);
  } finally {
    await graph.stop(AbortSignal.abort());
    await real.files.remove(folder).catch(() => {});
  }
  return { output, refused };
}

/** Receivers hand on what they are fed; exporters write down what they get. */
function standIn(
  factory: AnyFactory,
  feeds: Map<string, Consumer>,
  output: string[],
): AnyFactory {
  const idle = { start: async () => {}, stop: async () => {} };
  const { kind, type } = factory;
  // The settings have been parsed.
  const common = { kind, type, signals: SIGNALS, schema: z.unknown() };
  if (kind === 'receiver') {
    return { ...common, create: (_config, { id }, next) => {
      feeds.set(id, next);
      return idle;
    } };
  }
  if (kind !== 'exporter') return factory;
  return { ...common, create: (_config, { id }) => ({
    ...idle,
    consume: async (batch: Batch) => {
      const request = JSON.parse(String(requestToJson(batch.signal, batch.request))) as object;
      output.push(JSON.stringify({ exporter: id, ...request }));
      return ACCEPTED;
    },
  } as ReturnType<AnyFactory['create']>) };
}

function readLine(line: string, number: number) {
  const fail = (why: string) => new OperatorError(`cannot use line ${number} of the input: ${why}`,
    'write one OTLP request as JSON in each line, such as {"resourceLogs":[…]}');
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(line) as Record<string, unknown>;
  } catch (error) {
    throw fail(errorMessage(error));
  }
  const { receiver, after = '0s', ...request } = parsed;
  const root = Object.keys(ROOTS).find((key) => key in request);
  if (root === undefined) throw fail(`it has none of ${Object.keys(ROOTS).join(', ')}`);
  const afterMs = parseDuration(after);
  if (afterMs === null) throw fail('after is not a time span');
  if (receiver !== undefined && typeof receiver !== 'string') throw fail('receiver is not an id');
  const signal = ROOTS[root]!;
  try {
    const batch = Batch.fromRequest(signal, requestFromJson(signal,
      Buffer.from(JSON.stringify(request))));
    // As bytes, as it would come from the network.
    return { batch: Batch.fromBytes(signal, batch.bytes), receiver, afterMs, number };
  } catch (error) {
    throw fail(errorMessage(error));
  }
}

function toldOf(outcome: Outcome, number: number): string[] {
  if (outcome.status === 'accepted' && outcome.rejected === 0) return [];
  const count = outcome.status === 'accepted' ? `${outcome.rejected} records of it ` : '';
  return [`line ${number}: ${count}${outcome.status === 'retryable' ? 'put off' : 'refused'}`
    + `: ${outcome.reason ?? 'no reason was given'}`];
}
