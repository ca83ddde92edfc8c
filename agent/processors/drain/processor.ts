// Says of each log record which template its text was made from (tree.ts), as an attribute. Nothing
// is left out or held back. Keys as in the Collector (processor/drain).

import * as z from 'zod';
import { pattern } from '../../../config/pattern.ts';
import { count, fault, refusedKey, section, strictObject } from '../../../config/schema.ts';
import type { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext, ProcessorFactory } from '../../../proto/contract/component.ts';
import { rejected } from '../../../proto/contract/outcome.ts';
import type { AnyValue, Attributes, LogRecord } from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { setAttribute } from '../edit/actions.ts';
import { editRecords } from '../edit/records.ts';
import { createTree, WILDCARD, type Tree } from './tree.ts';

export const limits = {
  /** Clusters when `max_clusters` is 0; the one that was met longest ago is forgotten. */
  clustersMax: 10_000,
  /** Nodes of the tree; beyond it lines go under `<*>`. */
  nodesMax: 100_000,
  /** Of a body; what is behind it is not looked at. */
  bodyChars: 8192,
  /** Of a line; the last one holds the rest. */
  tokensMax: 256,
  /** Values of one masking rule in a line that are written. */
  valuesMax: 32,
} as const;

const createSchema = () => section({
  tree_depth: count({ min: 3, max: 20 })
    .describe('Levels of the tree: more make templates more special.').default(4),
  merge_threshold: z.number().min(0).max(1)
    .describe('The share of words that a line and a template must have in common.').default(0.4),
  max_node_children: count({ min: 2, max: 10_000 }).describe('Words that a node tells apart.')
    .default(100),
  max_clusters: count({ max: 1_000_000 })
    .describe('Templates that are remembered; 0 means 10000.').default(0),
  extra_delimiters: z.array(z.string().min(1))
    .describe('What separates words besides white space.').default([]),
  body_field: z.string().describe('The key of a body of several keys that holds the text.')
    .default(''),
  template_attribute: z.string().min(1).describe('The attribute that gets the template.')
    .default('log.record.template'),
  masking_rules: z.array(strictObject({
    name: z.string().regex(/^[^<>\s]+$/, 'must not have brackets or white space')
      .describe('What stands in the template, in angle brackets.'),
    pattern: pattern('g').describe('What is replaced by it.'),
  })).describe('What is replaced before lines are compared, in this order.').default([]),
  parameter_key_prefix: z.string().min(1)
    .describe('Attributes with what masking_rules replaced begin with it.')
    .default('log.record.template.parameter'),
  emit_wildcards: z.boolean().describe('Whether the words behind <*> become an attribute.')
    .default(false),
  wildcards_attribute: z.string().min(1).describe('The attribute that gets them, as a list.')
    .default('log.record.template.wildcards'),
  seed_templates: z.array(z.string()).describe('Templates that are known from the start.')
    .default([]),
  seed_logs: z.array(z.string()).describe('Lines that are learnt at the start.').default([]),
  warmup_min_clusters: count()
    .describe('Templates that must be known before records get theirs.').default(0),
  storage: refusedKey('the tree is learnt anew at each start; use seed_templates'),
  save_interval: refusedKey('the tree is learnt anew at each start; use seed_templates'),
}).superRefine((config, ctx) => {
  config.masking_rules.forEach(({ name }, index) => {
    if (name === '*') fault(ctx, 'is what varies by itself', '', ['masking_rules', index, 'name']);
  });
});

export type DrainConfig = z.output<ReturnType<typeof createSchema>>;

export const drainProcessor: ProcessorFactory<DrainConfig> = {
  kind: 'processor',
  type: 'drain',
  signals: ['logs'],
  get schema() {
    return createSchema();
  },
  create: (config, context, next) => {
    const annotate = createAnnotator(config, context);
    return {
      start: async () => {},
      stop: async () => {},
      consume: async (batch, abort) => {
        if (!batch.is('logs')) return next.consume(batch, abort);
        let annotated: Batch;
        try {
          annotated = editRecords(batch, annotate) ?? batch;
        } catch (error) {
          if (error instanceof DecodeError) return rejected(error.message);
          throw error;
        }
        return next.consume(annotated, abort);
      },
    };
  },
};

function createAnnotator(config: DrainConfig, { id, counters }: ComponentContext) {
  const tree = createTree({
    depth: config.tree_depth, threshold: config.merge_threshold,
    childrenMax: config.max_node_children, nodesMax: limits.nodesMax,
    clustersMax: config.max_clusters === 0 ? limits.clustersMax : config.max_clusters,
  });
  const read = createReading(config);
  for (const line of [...config.seed_templates, ...config.seed_logs]) {
    const { tokens } = read(line);
    if (tokens.length > 0) tree.add(tokens);
  }
  const labels = { processor: id };
  counters.gauge('otelcol_processor_drain_clusters_active', 'Templates that are known.',
    () => tree.size(), labels);
  const done = counters.counter('otelcol_processor_drain_log_records_annotated_total',
    'Log records that got their template.', labels);
  const left = counters.counter('otelcol_processor_drain_log_records_unannotated_total',
    'Log records that got none.', labels);
  return (record: LogRecord): LogRecord => {
    const attributes = annotated(record, tree, read, config);
    (attributes === null ? left : done).add(1);
    return attributes === null || attributes === record.attributes ? record
      : { ...record, attributes };
  };
}

/** Null when the record gets no template. */
function annotated(
  record: LogRecord, tree: Tree, read: Reading, config: DrainConfig,
): Attributes | null {
  const { tokens, masked } = read(textOf(record.body, config.body_field));
  if (tokens.length === 0) return null;
  const cluster = tree.add(tokens);
  if (tree.size() < config.warmup_min_clusters) return null;
  let attributes = setAttribute(record.attributes, config.template_attribute,
    { type: 'string', value: cluster.template });
  for (const [name, values] of masked ?? []) {
    attributes = setAttribute(attributes, `${config.parameter_key_prefix}.${name}`,
      values.length === 1 ? values[0]! : { type: 'array', value: values });
  }
  if (!config.emit_wildcards) return attributes;
  const words = tokens.filter((_, index) => cluster.tokens[index] === WILDCARD)
    .map((value): AnyValue => ({ type: 'string', value }));
  return setAttribute(attributes, config.wildcards_attribute, { type: 'array', value: words });
}

interface Read {
  readonly tokens: readonly string[];
  /** What masking rules replaced, by their names. */
  readonly masked: ReadonlyMap<string, readonly AnyValue[]> | null;
}

type Reading = (text: string) => Read;

function createReading({ masking_rules: rules, extra_delimiters: delimiters }: DrainConfig) {
  const separator = delimiters.length === 0 ? null
    : new RegExp(delimiters.map((one) => one.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'),
      'g');
  return (whole: string): Read => {
    let text = whole.slice(0, limits.bodyChars);
    let masked: Map<string, AnyValue[]> | null = null;
    for (const { name, pattern: expression } of rules) {
      text = text.replace(expression, (found) => {
        masked ??= new Map();
        const values = masked.get(name) ?? [];
        masked.set(name, values);
        if (values.length < limits.valuesMax) values.push({ type: 'string', value: found });
        return `<${name}>`;
      });
    }
    if (separator !== null) text = text.replace(separator, ' ');
    const tokens = text.split(WHITE_SPACE).filter((token) => token !== '');
    if (tokens.length > limits.tokensMax) {
      tokens.splice(limits.tokensMax - 1, Infinity, WILDCARD);
    }
    return { tokens, masked };
  };
}

const WHITE_SPACE = /\s+/;

/** The text of a body, or of one of its keys. */
function textOf(body: AnyValue | undefined, field: string): string {
  if (body === undefined) return '';
  if (body.type === 'kvlist' && field !== '') {
    const inner = body.value.find(({ key }) => key === field)?.value;
    if (inner !== undefined) return textOf(inner, '');
  }
  switch (body.type) {
    case 'string': return body.value;
    case 'empty': return '';
    case 'bytes': return '';
    case 'array': return body.value.map((one) => textOf(one, '')).join(' ');
    case 'kvlist': {
      return body.value.map(({ key, value }) => `${key}=${textOf(value, '')}`).join(' ');
    }
    default: return String(body.value);
  }
}
