// Counts of log records: `/api/logs/stats`, `/api/logs/histogram`, `/api/logs/facets` and
// `/api/analytics`. See docs/api.md, Logs.

import type { FastifyInstance } from 'fastify';
import { limits as analyticsLimits, readAnalytics } from '../logs/analytics.ts';
import { limits as countLimits, MINUTE_NS, readCounts, readFacets, readHistogram, readSize,
  widened } from '../logs/counts.ts';
import { isoOf } from '../logs/entry.ts';
import { searchOf, type Period } from '../logs/where.ts';
import { countedPeriodOf, FILTER_SCHEMAS, lengthSchema, readerOf, type AskedLogs,
  type ReadingOptions } from './logs_asked.ts';
import { answers, fittingStepMs, invalid, problems, readDuration, readLimit, STEP_SCHEMA }
  from './period.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** Buckets of a histogram without a step. */
  bucketsDefault: 60,
  /** Values of a field. */
  valuesMax: 100,
  valuesDefault: 10,
} as const;

const NS_IN_MS = 1_000_000n;
const FIELDS = ['service', 'level', 'host', 'event', 'scope', 'env'];

export function registerLogCounts(app: FastifyInstance, options: ReadingOptions): void {
  const { clock } = options.world;
  app.addHook('onRequest', refuseForeignPages);
  app.addHook('onSend', async (_, reply) => void reply.header('cache-control', 'no-store'));
  const dayOf = (asked: AskedLogs): Period => countedPeriodOf(asked, clock.nowMs());
  app.get('/api/logs/stats', { schema: STATS_DOCS }, async (request, reply) => {
    const asked = request.query as AskedLogs;
    const search = searchOf(asked);
    const period = widened(dayOf(asked), MINUTE_NS);
    const reader = readerOf(options, request, reply);
    const counts = await readCounts(reader, { ...period, search });
    return { ...isoPeriod(period), ...counts, storage: await readSize(reader) };
  });
  app.get('/api/logs/histogram', { schema: HISTOGRAM_DOCS }, async (request, reply) => {
    const asked = request.query as AskedLogs & { step?: string };
    const search = searchOf(asked);
    const whole = dayOf(asked);
    const stepNs = stepOf(whole, asked.step);
    const period = widened(whole, stepNs);
    const buckets = await readHistogram(readerOf(options, request, reply),
      { ...period, search, stepNs });
    return { ...isoPeriod(period), step: Number(stepNs) / 1e9, items: buckets, next: null };
  });
  app.get('/api/logs/facets', { schema: FACETS_DOCS }, async (request, reply) => {
    const asked = request.query as AskedLogs & { fields?: string };
    const search = searchOf(asked);
    const fields = fieldsOf(asked.fields);
    const period = dayOf(asked);
    const limit = readLimit(asked.limit, limits.valuesMax, limits.valuesDefault);
    const found = await readFacets(readerOf(options, request, reply),
      { ...period, search, fields, limit });
    return { ...isoPeriod(period), ...found, next: null };
  });
  app.get('/api/analytics', { schema: ANALYTICS_DOCS }, async (request, reply) => {
    const asked = request.query as AskedLogs;
    const search = searchOf(asked);
    const period = widened(dayOf(asked), MINUTE_NS);
    const found = await readAnalytics(readerOf(options, request, reply), period, search);
    return { ...isoPeriod(period), ...found };
  });
}

const isoPeriod = ({ fromNs, toNs }: Period) => ({ from: isoOf(fromNs), to: isoOf(toNs) });

function stepOf({ fromNs, toNs }: Period, text: string | undefined): bigint {
  const period = { fromMs: Number(fromNs / NS_IN_MS), toMs: Number(toNs / NS_IN_MS) };
  const ms = text === undefined ? fittingStepMs(period, limits.bucketsDefault)
    : readDuration('step', text);
  if ((period.toMs - period.fromMs) / ms > countLimits.bucketsMax) {
    const most = countLimits.bucketsMax;
    throw invalid(`the period has more than ${most} steps; ask for a longer step`);
  }
  return BigInt(ms) * NS_IN_MS;
}

function fieldsOf(text: string | undefined): string[] {
  if (text === undefined) return FIELDS;
  const fields = [...new Set(text.split(',').map((one) => one.trim()))];
  const isText = (field: string) => ['body', 'message', 'msg'].includes(field.toLowerCase());
  const most = countLimits.facetFieldsMax;
  if (fields.length > most || fields.some((one) => one === '' || isText(one))) {
    throw invalid(`fields is a list of at most ${most} fields of the search `
      + 'language, such as service,level,http.status');
  }
  return fields;
}

const TAGS = ['logs'];
const PROBLEMS = {
  400: problems('A value that cannot be right; INVALID_SEARCH has a position.'),
  422: problems('It takes too long; ask for a shorter period.'),
  429: problems('Too many queries run and wait at the same time.'),
  503: problems('The store is away.'),
};
const object = (...required: string[]) => ({ type: 'object', required,
  additionalProperties: true });
const asked = (more: object = {}) => ({ type: 'object', additionalProperties: false, properties: {
  ...FILTER_SCHEMAS, ...lengthSchema('24 hours'), ...more } });

const STATS_DOCS = {
  operationId: 'logStats', summary: 'How many log records, by level and service', tags: TAGS,
  description: 'Of whole minutes. From the rollup by minute unless a search needs the records.',
  querystring: asked(),
  response: { 200: answers('The counts.', object('from', 'to', 'total', 'errors', 'error_rate',
    'rate', 'levels', 'services', 'storage')), ...PROBLEMS },
};

const HISTOGRAM_DOCS = {
  operationId: 'logHistogram', summary: 'Log records over time, by level', tags: TAGS,
  description: 'The period is widened to whole steps; steps without records are there, too.',
  querystring: asked({ step: { ...STEP_SCHEMA,
    description: `${STEP_SCHEMA.description} About ${limits.bucketsDefault} unless given.` } }),
  response: { 200: answers('The steps.', object('from', 'to', 'step', 'items')), ...PROBLEMS },
};

const FACETS_DOCS = {
  operationId: 'logFacets', summary: 'The most frequent values of fields', tags: TAGS,
  description: `Of the newest ${countLimits.facetRowsMax} records; \`sampled\` says whether there `
    + 'were more.',
  querystring: asked({
    fields: { type: 'string', maxLength: 2000, description: `Parted by commas; ${FIELDS} unless `
      + 'given.' },
    limit: { type: 'string', maxLength: 10, description: `Values of a field, up to `
      + `${limits.valuesMax}; ${limits.valuesDefault} unless given.` },
  }),
  response: { 200: answers('The values.', object('records', 'sampled', 'items')), ...PROBLEMS },
};

const ANALYTICS_DOCS = {
  operationId: 'analytics', summary: 'What happened, beside the period before', tags: TAGS,
  description: 'Volume, error rate, response times, memory and disk, services that changed, and '
    + `the ${analyticsLimits.listedMax} most frequent errors.`,
  querystring: asked(),
  response: { 200: answers('The comparison.', object('volume', 'error_rate', 'response_time',
    'memory_usage', 'disk_usage', 'services', 'top_errors')), ...PROBLEMS },
};
