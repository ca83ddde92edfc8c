// What rules measure: asks the store for all rules of an instant together, as few times as it can,
// and hands each its samples.
//
// A window is from its begin to its end, the end not inside; it ends `queryOffsetMs` before the
// instant.
//
// - Logs and spans: rules that differ in a service or another value, and in conditions, are
//   answered by one scan (normal.ts, batches.ts, records_sql.ts).
// - Metrics: those of one function and window in one scan (metrics.ts).
// - SQL: each by itself, through the gate (foreign.ts).
// - Silence (absence.ts), changes, anomalies, forecasts and SLOs: from the same questions.

import { errorMessage } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import type { Counters } from '../../../runtime/counters.ts';
import type { Labels } from '../../labels/labels.ts';
import { createSeriesCache, type SeriesCache } from '../analysis/cache.ts';
import { changeSamples } from '../analysis/change.ts';
import { measureAnomaly, measureForecast, measureSlo } from '../analysis/measure.ts';
import { missingIsZero } from '../analysis/steps.ts';
import type { Measured, Measurer, ReadSeries, Rule, RuleSource, Sample, SignalQuery }
  from '../model.ts';
import { Silence } from './absence.ts';
import { UnmeasurableError, type Ask, type AskForeign } from './asking.ts';
import type { Window } from './batches.ts';
import { checkRule } from './check.ts';
import { NO_EVIDENCE, readEvidence } from './evidence.ts';
import { measureSql, type CheckSql } from './foreign.ts';
import { askMetrics, MetricKinds } from './metrics.ts';
import { measureRange, type Period } from './range.ts';
import { askRecords, reasonOf, type Answer } from './records.ts';
import { createReadSeries } from './series.ts';

export const limits = {
  /** Rules of one kind that are measured one by one, at the same time. */
  atOnceMax: 2,
  /** Series that are kept in memory; what was asked for the longest ago is read again. */
  seriesBytes: 64 * 1024 * 1024,
} as const;

export interface MeasurerOptions {
  readonly ask: Ask;
  readonly askForeign: AskForeign;
  readonly checkSql: CheckSql;
  /** For series that anomalies, forecasts and SLOs look back at; `limits.seriesBytes` else. */
  readonly seriesBytesMax?: number;
  readonly counters: Counters;
  readonly log: Log;
}

export interface RuleMeasurer extends Measurer {
  readonly readSeries: ReadSeries;
  /**
   * What the rule would have measured at every multiple of `stepMs` behind `fromMs` and up to
   * `toMs`. Throws what asking throws.
   */
  measureRange(rule: Rule, period: Period, abort: AbortSignal):
    Promise<ReadonlyMap<number, readonly Sample[]>>;
}

export function createMeasurer(options: MeasurerOptions): RuleMeasurer {
  return new StoreMeasurer(options);
}

class StoreMeasurer implements RuleMeasurer {
  readonly readSeries: ReadSeries;
  private readonly options: MeasurerOptions;
  private readonly ask: Ask;
  private readonly cache: SeriesCache;
  private readonly kinds = new MetricKinds();
  private readonly silence = new Silence();

  constructor(options: MeasurerOptions) {
    const { counters } = options;
    const asks = counters.counter('binnacle_rule_statements_total',
      'Statements that were asked to measure rules.');
    const failures = counters.counter('binnacle_rule_measurements_failed_total',
      'Rules that could not be measured, each time.');
    this.options = options;
    this.failed = () => failures.add(1);
    this.ask = (asked, abort) => {
      asks.add(1);
      return options.ask(asked, abort);
    };
    this.readSeries = createReadSeries({ ask: this.ask, kinds: this.kinds });
    const { seriesBytesMax: bytesMax = limits.seriesBytes } = options;
    this.cache = createSeriesCache(this.readSeries, { bytesMax });
  }

  private readonly failed: () => void;

  async measure(
    rules: readonly Rule[],
    { atMs, queryOffsetMs }: { readonly atMs: number; readonly queryOffsetMs: number },
    abort: AbortSignal,
  ): Promise<ReadonlyMap<string, Measured>> {
    const toMs = Math.floor(atMs - queryOffsetMs);
    const results = new Map<string, Measured>();
    const [absent, alone] = [ofType(rules, 'absence'), rules.filter(({ source: { type } }) =>
      ['sql', 'anomaly', 'forecast', 'slo'].includes(type))];
    await Promise.all([
      this.measureSignals(rules, toMs, results, abort),
      this.measureSilence(absent, toMs, results, abort),
      this.eachAlone(alone, async (rule) => {
        results.set(rule.id, await measuredBy(() => this.measureAlone(rule, toMs, abort)));
      }),
    ]);
    for (const measured of results.values()) if (!measured.ok) this.failed();
    return results;
  }

  /** Those of one window, and of two. */
  private async measureSignals(
    rules: readonly Rule[],
    toMs: number,
    results: Map<string, Measured>,
    abort: AbortSignal,
  ): Promise<void> {
    const changes = ofType(rules, 'change');
    const questions = [
      ...ofType(rules, 'signal').map((rule) => questionOf(rule, rule.source.query, toMs)),
      ...changes.map((rule) => questionOf(rule, rule.source.query, toMs)),
      ...changes.map((rule) => ({ ...questionOf(rule, rule.source.query,
        toMs - rule.source.backMs), asker: before(rule) })),
    ];
    const answers = await this.askAll(questions, abort);
    for (const rule of ofType(rules, 'signal')) {
      results.set(rule.id, measuredOf(answers.get(rule.id)));
    }
    for (const { id, source, ...rule } of changes) {
      const [now, then] = [answers.get(id), answers.get(before({ ...rule, id }))];
      const failure = [now, then].find((one) => one?.ok !== true);
      results.set(id, failure !== undefined || !now?.ok || !then?.ok ? measuredOf(failure)
        : { ok: true, samples: changeOf(samplesOf(now), samplesOf(then), source) });
    }
  }

  private async askAll(questions: readonly Question[], abort: AbortSignal) {
    const isMetric = ({ query }: Question) => query.signal === 'metrics';
    const { ask, kinds } = this;
    const [records, metrics] = await Promise.all([
      askRecords({ ask, abort }, questions.filter((one) => !isMetric(one))),
      askMetrics({ ask, kinds, abort }, questions.filter(isMetric)),
    ]);
    return new Map([...records, ...metrics]);
  }

  private async measureSilence(
    rules: ReadonlyArray<Rule & { readonly source: RuleSource & { readonly type: 'absence' } }>,
    toMs: number,
    results: Map<string, Measured>,
    abort: AbortSignal,
  ): Promise<void> {
    const { ask, kinds } = this;
    const answers = await this.silence.measure({ ask, kinds, abort },
      rules.map(({ id, source }) => ({ id, source, toMs })));
    for (const [id, answer] of answers) {
      results.set(id, answer.ok ? answer : { ok: false, reason: reasonOf(answer.error) });
    }
  }

  private async measureAlone(
    { source }: Pick<Rule, 'source'>,
    toMs: number,
    abort: AbortSignal,
  ): Promise<readonly Sample[]> {
    const { cache } = this;
    const at = { atMs: toMs };
    switch (source.type) {
      case 'sql': return measureSql(this.options.askForeign, source,
        { fromMs: toMs - source.overMs, toMs }, abort);
      case 'anomaly': return measureAnomaly(source.query, source.anomaly, at, cache, abort);
      case 'forecast': return measureForecast(source.query, source.forecast, at, cache, abort);
      case 'slo': return measureSlo(source.slo, at, cache, abort);
      default: throw new TypeError(`${source.type} is not measured alone`);
    }
  }

  private async eachAlone(rules: readonly Rule[], run: (rule: Rule) => Promise<void>) {
    const waiting = [...rules];
    const next = async (): Promise<void> => {
      for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await run(one);
    };
    await Promise.all(Array.from({ length: limits.atOnceMax }, next));
  }

  async evidence({ name, source }: Rule, labels: Labels, atMs: number, abort: AbortSignal) {
    try {
      return await readEvidence(this.ask, source, labels, Math.floor(atMs), abort);
    } catch (error) {
      this.options.log.debug(`cannot read the evidence of rule ${name}: ${errorMessage(error)}`);
      return NO_EVIDENCE;
    }
  }

  check(rule: Rule, abort: AbortSignal) {
    return checkRule(this.options, rule, abort);
  }

  measureRange(rule: Rule, period: Period, abort: AbortSignal) {
    const { ask, kinds } = this;
    const alone = (atMs: number) => this.one(rule, atMs, abort);
    return measureRange({ ask, kinds, change: changeOf, alone }, rule, period, abort);
  }

  private async one(rule: Rule, atMs: number, abort: AbortSignal): Promise<readonly Sample[]> {
    const measured = (await this.measure([rule], { atMs, queryOffsetMs: 0 }, abort)).get(rule.id);
    if (measured?.ok === true) return measured.samples;
    throw new UnmeasurableError(measured?.reason ?? 'it was not answered');
  }
}

interface Question {
  readonly asker: string;
  readonly query: SignalQuery;
  readonly window: Window;
}

const questionOf = ({ id }: Pick<Rule, 'id'>, query: SignalQuery, toMs: number): Question =>
  ({ asker: id, query, window: { fromMs: toMs - query.overMs, toMs } });

const changeOf = (
  now: readonly Sample[],
  then: readonly Sample[],
  { as, query }: RuleSource & { readonly type: 'change' },
): Sample[] => changeSamples(now, then, { as, missingIsZero: missingIsZero(query.aggregate) });

const before = ({ id }: Pick<Rule, 'id'>): string => `${id} before`;

type OfType<T extends RuleSource['type']> = Rule
  & { readonly source: RuleSource & { readonly type: T } };

const ofType = <T extends RuleSource['type']>(rules: readonly Rule[], type: T): OfType<T>[] =>
  rules.filter((rule): rule is OfType<T> => rule.source.type === type);

function measuredOf(answer: Answer | undefined): Measured {
  if (answer === undefined) return { ok: false, reason: 'it was not answered' };
  return answer.ok ? { ok: true, samples: samplesOf(answer) }
    : { ok: false, reason: reasonOf(answer.error) };
}

const samplesOf = ({ values }: Answer & { ok: true }): Sample[] =>
  values.map(({ labels, value }) => ({ labels, value }));

async function measuredBy(run: () => Promise<readonly Sample[]>): Promise<Measured> {
  try {
    return { ok: true, samples: await run() };
  } catch (error) {
    return { ok: false, reason: reasonOf(error) };
  }
}
