// Shows what arrives: a line for each batch (`basic`), a line for each record (`normal`), or every
// field of every record (`detailed`). It accepts everything. What it shows is what users sent, so
// it is for finding out, not for keeping.

import * as z from 'zod';
import { count, section } from '../../config/schema.ts';
import type { Batch } from '../../proto/contract/batch.ts';
import type {
  ComponentContext, Exporter, ExporterFactory,
} from '../../proto/contract/component.ts';
import { ACCEPTED, rejected } from '../../proto/contract/outcome.ts';
import { envelopeOf } from '../../proto/otlp/codec.ts';
import {
  SIGNALS, type AnyValue, type Attributes, type LogRecord, type Metric, type NumberValue,
  type Signal, type Span,
} from '../../proto/otlp/model.ts';
import { DecodeError } from '../../proto/protobuf/error.ts';

const createSchema = () => section({
  verbosity: z.enum(['basic', 'normal', 'detailed'])
    .describe('A line for each batch, a line for each record, or all fields.').default('basic'),
  sampling_initial: count().describe('Batches shown in full in each second.').default(2),
  sampling_thereafter: count()
    .describe('Of the batches after those, every how many is shown; 0 shows none.').default(1),
  use_internal_logger: z.boolean()
    .describe('Write into the log of the agent; otherwise to output_paths.').default(true),
  output_paths: z.array(z.enum(['stdout', 'stderr']))
    .describe('Where to write when use_internal_logger is false.').default(['stdout']),
});

export type DebugConfig = z.output<ReturnType<typeof createSchema>>;

const limits = {
  /** Longer texts are cut, and say so: one record must not flood the terminal. */
  textCharsMax: 4096,
  /** Deeper nested values are shown as an ellipsis. */
  depthMax: 16,
};

export const debugExporter: ExporterFactory<DebugConfig> = {
  kind: 'exporter',
  type: 'debug',
  aliases: ['logging'],
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  create: (config, context) => createDebug(config, context, WRITE_TO),
};

/** Where each output path leads; a test gives its own. */
export type DebugOutputs = Readonly<Record<'stdout' | 'stderr', (text: string) => void>>;

const WRITE_TO: DebugOutputs = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
};

export function createDebug(
  config: DebugConfig,
  { world, log }: ComponentContext,
  outputs: DebugOutputs,
): Exporter {
  const shown = sampler(config, () => world.clock.monotonicMs());
  const write = (head: string, body: string) => {
    if (config.use_internal_logger) return log.info(body === '' ? head : `${head}\n${body}`);
    for (const path of config.output_paths) outputs[path](`${head}\n${body}`);
  };
  return {
    start: async () => {},
    stop: async () => {},
    consume: async (batch) => {
      if (!shown()) return ACCEPTED;
      if (config.verbosity === 'basic') {
        write(headline(batch), '');
        return ACCEPTED;
      }
      try {
        const lines = config.verbosity === 'normal' ? recordLines(batch) : fieldLines(batch);
        write(headline(batch), lines.map((line) => `${line}\n`).join(''));
      } catch (error) {
        if (error instanceof DecodeError) return rejected(error.message);
        throw error;
      }
      return ACCEPTED;
    },
  };
}

/** The first so many calls of each second, and every so manieth after them. */
function sampler(config: DebugConfig, nowMs: () => number): () => boolean {
  let secondMs = -Infinity;
  let calls = 0;
  return () => {
    const now = nowMs();
    if (now - secondMs >= 1000) {
      secondMs = now;
      calls = 0;
    }
    calls += 1;
    if (calls <= config.sampling_initial) return true;
    const after = config.sampling_thereafter;
    return after > 0 && (calls - config.sampling_initial) % after === 0;
  };
}

const ITEMS: Record<Signal, string> = {
  traces: 'spans',
  metrics: 'data points',
  logs: 'log records',
};

function headline(batch: Batch): string {
  const id = batch.id === undefined ? '' : `, batch ${batch.id}`;
  const items = `${batch.itemCount} ${ITEMS[batch.signal]}`;
  return `${batch.signal}: ${items}, ${batch.bytes.length} bytes${id}`;
}

/** One line for each record, under a line for its resource. */
function recordLines(batch: Batch): string[] {
  return recordsOf(batch).flatMap(({ resource, records }) => [
    `Resource ${attributesText(resource)}`,
    ...records.map((record) => `  ${recordText(batch.signal, record)}`),
  ]);
}

interface RecordGroup {
  readonly resource: Attributes;
  readonly records: readonly unknown[];
}

function recordsOf(batch: Batch): RecordGroup[] {
  const envelope = envelopeOf(batch.signal);
  return envelope.groups(batch.request).map((group) => ({
    resource: group.resource?.attributes ?? [],
    records: envelope.scopes(group).flatMap((scope) => envelope.records(scope)),
  }));
}

function recordText(signal: Signal, record: unknown): string {
  switch (signal) {
    case 'traces': {
      const span = record as Span;
      return `${span.name} ${span.traceId} ${span.spanId} ${attributesText(span.attributes)}`;
    }
    case 'logs': {
      const entry = record as LogRecord;
      const body = entry.body === undefined ? '' : valueText(entry.body);
      return [entry.severityText, body, attributesText(entry.attributes)]
        .filter((part) => part !== '').join(' ');
    }
    case 'metrics': {
      const metric = record as Metric;
      const points = metric.data?.dataPoints.length ?? 0;
      return `${metric.name} ${metric.data?.type ?? 'no data'} ${points} data points`;
    }
  }
}

function attributesText(attributes: Attributes): string {
  return attributes.map(({ key, value }) => `${key}=${valueText(value)}`).join(' ');
}

/** Text is shown bare, everything else as JSON. */
function valueText(value: AnyValue): string {
  return value.type === 'string' ? cut(value.value) : cut(JSON.stringify(plain(value)));
}

const cut = (text: string): string => text.length <= limits.textCharsMax
  ? text
  : `${text.slice(0, limits.textCharsMax)}… (${text.length} characters)`;

function plain(value: AnyValue, depth = 0): unknown {
  if (depth > limits.depthMax) return '…';
  switch (value.type) {
    case 'int':
      return Number.isSafeInteger(Number(value.value)) ? Number(value.value) : String(value.value);
    case 'bytes':
      return Buffer.from(value.value).toString('base64');
    case 'array':
      return value.value.map((item) => plain(item, depth + 1));
    case 'kvlist':
      return Object.fromEntries(value.value.map(({ key, value: inner }) =>
        [key, plain(inner, depth + 1)]));
    default:
      return value.value;
  }
}

/** Every field of the decoded request that is not a default, indented. */
function fieldLines(batch: Batch): string[] {
  const lines: string[] = [];
  dump(batch.request, 0, lines);
  return lines;
}

function dump(node: object, depth: number, lines: string[]): void {
  if (depth > 2 * limits.depthMax) return;
  for (const [name, value] of Object.entries(node)) {
    if (isDefault(value)) continue;
    const head = `${'  '.repeat(depth)}${name}:`;
    if (name.toLowerCase().endsWith('attributes') || name === 'body') {
      lines.push(`${head} ${name === 'body' ? valueText(value) : attributesText(value)}`);
    } else if (name === 'value' && typeof value === 'object') {
      lines.push(`${head} ${(value as NumberValue).value}`);
    } else if (typeof value !== 'object') {
      lines.push(`${head} ${cut(String(value))}`);
    } else if (Array.isArray(value) && typeof value[0] !== 'object') {
      lines.push(`${head} ${value.join(' ')}`);
    } else {
      for (const child of Array.isArray(value) ? value : [value]) {
        lines.push(head);
        dump(child, depth + 1, lines);
      }
    }
  }
}

function isDefault(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === undefined || value === 0 || value === 0n || value === '' || value === false;
}
