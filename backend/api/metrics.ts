// `/api/metrics`: which metrics there are, their labels, and their values over time. See
// docs/api.md.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { World } from '../../runtime/world.ts';
import {
  kindOf, readCatalog, readHeads, readLabels, type MetricHead,
} from '../metrics/catalog.ts';
import { labelSql } from '../metrics/labels.ts';
import { AGGREGATES, FUNCTIONS, functionsOf, METRIC_TYPES, usualAggregate, usualFunction,
  type Aggregate, type MetricFunction, type MetricQuestion } from '../metrics/question.ts';
import { readSeries } from '../metrics/series.ts';
import type { Desk } from '../query/desk.ts';
import { SearchError } from '../search/node.ts';
import { parseSearch } from '../search/parse.ts';
import { compileSearch } from '../search/sql.ts';
import { callerOf } from './caller.ts';
import { leavingOf } from './leaving.ts';
import { answers, CURSOR_SCHEMA, decodeCursor, fittingStepMs, HOUR_MS, invalid, LIMIT_SCHEMA,
  listSchema, pageOf, periodSchema, problems, readDuration, readLimit, readPeriod, STEP_SCHEMA,
  type Period } from './period.ts';
import { readQuantiles } from './quantiles.ts';
import { refuseForeignPages } from './query.ts';

export const limits = {
  /** Steps of a period; more are refused. */
  stepsMax: 11_000,
  /** Steps unless the caller chooses the step. */
  stepsUsual: 120,
  /** Points of an answer; more are refused. */
  pointsMax: 50_000,
  /** Series of an answer; more are refused. */
  seriesMax: 1000,
  /** Labels to group by; more are refused. */
  labelsMax: 10,
  /** Characters of a name, a value or a search; a longer one is refused. */
  textCharactersMax: 1000,
} as const;

export interface MetricsRouteOptions {
  readonly desk: Desk;
  readonly world: World;
}

export function registerMetrics(app: FastifyInstance, { desk, world }: MetricsRouteOptions): void {
  const { clock } = world;
  app.addHook('onRequest', refuseForeignPages);
  const readerOf = (request: FastifyRequest, reply: FastifyReply) =>
    ({ desk, caller: callerOf(request), abort: leavingOf(reply) });
  app.get('/api/metrics', { schema: LIST_DOCS }, async (request, reply) => {
    const asked = request.query as Asked;
    const limit = readLimit(asked.limit);
    const found = await readCatalog(readerOf(request, reply), {
      ...periodOf(asked, clock.nowMs()), ...ALL,
      containing: asked.containing ?? '', service: asked.service ?? '', limit: limit + 1,
      behind: asked.cursor === undefined ? null : decodeCursor(asked.cursor, isPlace),
    });
    return send(reply, pageOf(found, limit, ({ name, type }) => [name, type]));
  });
  app.get('/api/metrics/labels', { schema: LABELS_DOCS }, async (request, reply) => {
    const asked = request.query as Asked;
    const period = periodOf(asked, clock.nowMs());
    const reader = readerOf(request, reply);
    const entry = oneOf(asked, await readCatalog(reader,
      { ...ALL, ...period, name: asked.metric ?? '', limit: METRIC_TYPES.length }));
    const items = await readLabels(reader, entry.type, { metric: entry.name, ...period });
    return send(reply, { ...entry, items, next: null });
  });
  app.get('/api/metrics/query', { schema: QUERY_DOCS }, async (request, reply) => {
    const asked = request.query as Asked;
    const period = periodOf(asked, clock.nowMs());
    const reader = readerOf(request, reply);
    const entry = oneOf(asked,
      await readHeads(reader, { ...period, name: asked.metric ?? '' }));
    const question = questionOf(asked, entry, period);
    const series = await readSeries({ ...reader, rowsMax: limits.pointsMax }, question);
    if (series === null || series.length > limits.seriesMax) throw invalid(tooMuch(series));
    return send(reply, {
      metric: entry.name, type: entry.type, unit: entry.unit, function: question.function,
      aggregate: question.aggregate, from: iso(period.fromMs), to: iso(period.toMs),
      step: question.stepMs === null ? null : question.stepMs / 1000,
      series: series.map(({ labels, points }) =>
        ({ labels, points: points.map(({ atMs, value }) => [iso(atMs), value]) })),
    });
  });
}

const ALL = { containing: '', service: '', name: '', behind: null } as const;

const send = (reply: FastifyReply, answer: object): FastifyReply =>
  reply.header('cache-control', 'no-store').send(answer);

const iso = (ms: number): string => new Date(ms).toISOString();

const tooMuch = (series: readonly unknown[] | null): string => (series === null
  ? `the answer has more than ${limits.pointsMax} points; ask for a longer step, a shorter period `
    + 'or fewer groups'
  : `the answer has ${series.length} series, more than ${limits.seriesMax}; group by fewer labels, `
    + 'or choose by q');

type Asked = Readonly<Partial<Record<'metric' | 'type' | 'q' | 'from' | 'to' | 'step' | 'group_by'
  | 'function' | 'aggregate' | 'quantiles' | 'limit' | 'cursor' | 'containing' | 'service',
string>>>;

const periodOf = (asked: Asked, nowMs: number): Period =>
  readPeriod(asked, { nowMs, defaultMs: HOUR_MS });

const isPlace = (place: unknown): place is [string, string] => Array.isArray(place)
  && place.length === 2 && place.every((one) => typeof one === 'string');

/** The metric of the name; of several types the one that is asked for. */
function oneOf<Head extends MetricHead>({ metric = '', type }: Asked, all: readonly Head[]): Head {
  const found = type === undefined ? all : all.filter((one) => one.type === type);
  if (found.length === 1) return found[0]!;
  if (found.length > 1) {
    const types = found.map((one) => one.type).join(' and ');
    throw invalid(`there is a ${types} called ${metric}; choose one by type`);
  }
  throw invalid(`there is no metric called ${metric || "''"}${type === undefined ? ''
    : ` of type ${type}`} in the period; GET /api/metrics lists those that there are`);
}

function questionOf(asked: Asked, entry: MetricHead, period: Period): MetricQuestion {
  const kind = kindOf(entry);
  const chosen = (asked.function ?? usualFunction(kind)) as MetricFunction;
  const possible = functionsOf(kind.type);
  if (!possible.includes(chosen)) {
    throw invalid(`function of a ${kind.type} is one of ${possible.join(', ')}`);
  }
  return {
    ...period, metric: entry.name, type: kind.type, function: chosen,
    stepMs: stepOf(asked, period),
    aggregate: (asked.aggregate ?? usualAggregate(kind)) as Aggregate,
    groupBy: labelsOf(asked.group_by),
    quantiles: readQuantiles(asked.quantiles),
    only: conditionOf(asked.q),
  };
}

/** `step=0`: one point. */
function stepOf({ step }: Asked, period: Period): number | null {
  if (step === '0') return null;
  const stepMs = step === undefined ? fittingStepMs(period, limits.stepsUsual)
    : readDuration('step', step);
  if ((period.toMs - period.fromMs) / stepMs <= limits.stepsMax) return stepMs;
  throw invalid(`the period has more than ${limits.stepsMax} steps; ask for a longer step`);
}

function labelsOf(text: string | undefined): string[] {
  const names = text === undefined ? [] : text.split(',');
  for (const [index, name] of names.entries()) {
    if (name === '' || labelSql(name, 'l') === null || names.indexOf(name) !== index) {
      throw invalid('group_by is a list of labels like service,http.route,resource.host.name');
    }
  }
  if (names.length <= limits.labelsMax) return names;
  throw invalid(`group_by has at most ${limits.labelsMax} labels`);
}

function conditionOf(q: string | undefined): MetricQuestion['only'] {
  if (q === undefined || q.trim() === '') return { sql: '1', params: {} };
  try {
    return compileSearch(parseSearch(q), 'metrics');
  } catch (error) {
    if (error instanceof SearchError) throw invalid(`q: ${error.message}`);
    throw error;
  }
}

const text = (description: string, more: object = {}) =>
  ({ type: 'string', maxLength: limits.textCharactersMax, description, ...more });

const METRIC = {
  metric: text('Name of the metric.', { minLength: 1 }),
  type: text('When several metrics have the name.', { enum: METRIC_TYPES }),
};
const FAILURES = {
  400: problems('A value that cannot be right, no such metric, or too many points.'),
  422: problems('It takes too long or too much memory; ask for less.'),
  429: problems('Too many questions are being answered.'),
  503: problems('The store is away.'),
};
const object = { type: 'object', additionalProperties: true };
const urlOf = (properties: object, required: readonly string[] = []) =>
  ({ type: 'object', additionalProperties: false, required, properties });

const LIST_DOCS = {
  operationId: 'listMetrics',
  summary: 'Which metrics there are',
  description: 'By name: type, unit, description, services, and about how many series.',
  tags: ['metrics'],
  querystring: urlOf({
    containing: text('Only names with this in them.'), service: text('Only of this service.'),
    ...periodSchema('An hour'), limit: LIMIT_SCHEMA, cursor: CURSOR_SCHEMA,
  }),
  response: { 200: answers('The metrics.', listSchema(object)), ...FAILURES },
};

const LABELS_DOCS = {
  operationId: 'metricLabels',
  summary: 'Labels of the series of a metric',
  description: 'Names as `group_by` and `q` take them, with about how many values they have and '
    + 'the most frequent ones.',
  tags: ['metrics'],
  querystring: urlOf({ ...METRIC, ...periodSchema('An hour') }, ['metric']),
  response: { 200: answers('The labels.', listSchema(object)), ...FAILURES },
};

const QUERY_DOCS = {
  operationId: 'metricQuery',
  summary: 'A metric over time',
  description: 'Each series within a step first (`function`), then the series of a group together '
    + '(`aggregate`). What cumulative counters add is found over resets; quantiles come from the '
    + 'buckets of histograms. Points are `[time, value]`.',
  tags: ['metrics'],
  querystring: urlOf({
    ...METRIC, ...periodSchema('An hour'),
    step: { ...STEP_SCHEMA, description: `${STEP_SCHEMA.description} 0 for one point. One of about `
      + `${limits.stepsUsual} parts unless given.` },
    q: text('Only points that this search finds, such as `service:shop http.route:"/cart"`.'),
    group_by: text('A series for each value of these labels, such as service,http.route.'),
    function: text('last, avg, min, max, count of a gauge or sum; rate, increase of a sum, '
      + 'histogram or summary; average, quantile of histograms and summaries.',
    { enum: FUNCTIONS }),
    aggregate: text('How series of a group become one: sum, or avg for gauges, unless given. '
      + 'Without a meaning for histograms and summaries.', { enum: AGGREGATES }),
    quantiles: text('Levels from 0 to 1; 0.5,0.95,0.99 unless given.'),
  }, ['metric']),
  response: { 200: answers('The series.', object), ...FAILURES },
};
