// What a rule is once it has been read, and what evaluation hands on. Nothing here does anything.
//
//     file, API ─> RuleGroup ─> Measurer: what is there? ─> levels: what of it is too much?
//                              ─> state machine: since when? ─> PostedAlert ─> alerting
//
// Evaluation is a pure function of rule, what was measured, time, and earlier state. What must be
// asked is handed in as functions; nothing in this room imports the store.

import type { Evidence } from '../alerting/model.ts';
import type { Template } from '../template/template.ts';
import type { Labels } from '../labels/labels.ts';
import type { SearchNode } from '../search/node.ts';

/** Rules that are evaluated one after another at the same instants. */
export interface RuleGroup {
  /** A file as the person named it, `api`, or `thresholds`. */
  readonly file: string;
  /** Unique in its file. */
  readonly name: string;
  readonly intervalMs: number;
  /** What is measured ends so long before the instant, for records that come late. */
  readonly queryOffsetMs: number;
  /** Alerts that a rule may have; with more it fails. 0: any. */
  readonly limit: number;
  readonly rules: readonly Rule[];
}

export interface Rule {
  /** The same as long as file, group and name (and its number among equal ones) are the same. */
  readonly id: string;
  /** Becomes the label `alertname`. */
  readonly name: string;
  readonly source: RuleSource;
  /** The least severe first; each makes alerts of its own, with its `severity` as a label. */
  readonly levels: readonly [Level, ...Level[]];
  readonly keepFiringForMs: number;
  /** When nothing at all was measured: no alerts, an alert, or what there was. */
  readonly noData: 'ok' | 'alerting' | 'keep';
  /** When it could not be measured. Prometheus keeps. */
  readonly onError: 'ok' | 'alerting' | 'keep';
  readonly labels: Readonly<Record<string, Template>>;
  readonly annotations: Readonly<Record<string, Template>>;
  /** '' for none. */
  readonly runbook: string;
  readonly owner: string;
  /** The text that the person wrote, to be shown; YAML. */
  readonly text: string;
  readonly position: { readonly file: string; readonly line: number };
}

export interface Level {
  /** '' for a rule without severities. */
  readonly severity: string;
  readonly condition: Condition;
  readonly forMs: number;
}

/** `within` and `outside` are from `value` to `to`, both inside. */
export interface Condition {
  readonly operator: '>' | '>=' | '<' | '<=' | '==' | '!=' | 'within' | 'outside';
  readonly value: number;
  readonly to: number;
}

export type RuleSource =
  /** A statement with `{from:DateTime64(9)}` and `{to:DateTime64(9)}`, a column `value`, labels. */
  | { readonly type: 'sql'; readonly sql: string; readonly overMs: number }
  | { readonly type: 'signal'; readonly query: SignalQuery }
  /** How a signal has changed since the same window `backMs` earlier. */
  | { readonly type: 'change'; readonly query: SignalQuery; readonly backMs: number;
      readonly as: 'difference' | 'ratio' | 'percent' }
  /** Seconds since the last sign of life; of groups that gave one within `seenWithinMs`. */
  | { readonly type: 'absence'; readonly query: SignalQuery; readonly seenWithinMs: number;
      /** Groups that must be there even when nothing was ever seen of them. */
      readonly expected: readonly Labels[] }
  | { readonly type: 'anomaly'; readonly query: SignalQuery; readonly anomaly: AnomalyOptions }
  | { readonly type: 'forecast'; readonly query: SignalQuery; readonly forecast: ForecastOptions }
  | { readonly type: 'slo'; readonly slo: SloOptions }
  | { readonly type: 'composite'; readonly composite: Composite; readonly on: readonly string[];
      /** What a child counts as that was not evaluated in three of its intervals. */
      readonly stale: 'false' | 'true' | 'keep' };

/** A number for each group of records in a window of time. */
export interface SignalQuery {
  readonly signal: 'logs' | 'traces' | 'metrics';
  /** Name of the metric; '' for logs and traces. */
  readonly metric: string;
  readonly search: SearchNode;
  readonly aggregate: Aggregate;
  /** The window, which ends at the instant less the group's offset. */
  readonly overMs: number;
  /** Fields of the search language; each becomes a label. */
  readonly groupBy: readonly string[];
}

export type Aggregate =
  /** Records; `rate` for each second; `error_rate` is the share of errors, from 0 to 1. */
  | { readonly type: 'count' | 'rate' | 'error_rate' }
  /** Of a numeric field: `duration` (seconds) of spans, or an attribute. */
  | { readonly type: 'sum' | 'avg' | 'min' | 'max' | 'distinct'; readonly field: string }
  | { readonly type: 'quantile'; readonly field: string; readonly level: number }
  /** Of a metric: what becomes of the points of a series, then of the series of a group. */
  | { readonly type: 'metric'; readonly level: number;
      readonly function: 'last' | 'avg' | 'min' | 'max' | 'count' | 'rate' | 'increase' | 'average'
        | 'quantile';
      readonly across: 'sum' | 'avg' | 'min' | 'max' | 'count' };

export interface AnomalyOptions {
  /** Robust z-score; the same hour of the week; trend, season and remainder. docs/anomalies.md. */
  readonly method: 'robust' | 'seasonal' | 'decomposition';
  readonly stepMs: number;
  readonly historyMs: number;
  /** Nothing is said before there is so much history. */
  readonly warmUpMs: number;
  readonly direction: 'above' | 'below' | 'both';
  /** Robust standard deviations. */
  readonly sensitivity: number;
  /** The least that counts, in units of the value, and as a share of what is expected. */
  readonly minDelta: number;
  readonly minChange: number;
  /** So many of the last windows must be anomalous. */
  readonly points: { readonly of: number; readonly atLeast: number };
  /** For the hours of the week; an IANA name. */
  readonly timeZone: string;
}

export interface ForecastOptions {
  /** The alert holds when the line reaches the limit within this time. */
  readonly withinMs: number;
  readonly historyMs: number;
  readonly stepMs: number;
  readonly reaches: Condition;
}

export interface SloOptions {
  /** A share below 1, such as 0.999. */
  readonly objective: number;
  readonly periodMs: number;
  readonly signal: 'logs' | 'traces';
  readonly total: SearchNode;
  /** What is bad among it: a search, or spans that took longer. */
  readonly bad: { readonly search: SearchNode } | { readonly slowerThanMs: number };
  readonly groupBy: readonly string[];
  readonly windows: readonly BurnWindow[];
  /** With fewer events in the long window nothing is said. */
  readonly eventsMin: number;
}

/** Both windows must burn at the factor. Its severity names the level that it belongs to. */
export interface BurnWindow {
  readonly severity: string;
  readonly longMs: number;
  readonly shortMs: number;
  readonly factor: number;
}

/** Over the states of other rules: true where one of them fires. */
export type Composite =
  | { readonly type: 'rule'; readonly name: string }
  | { readonly type: 'and' | 'or'; readonly parts: readonly Composite[] }
  | { readonly type: 'not'; readonly part: Composite };

/** One number, of one group. Of an SLO and a composite each level has samples of its own. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Only for the level of this severity; all levels unless given. */
  readonly severity?: string;
  /** More for templates as `{{ .Extra.x }}`: expected value, budget left, time to the limit. */
  readonly extra?: Readonly<Record<string, number | string>>;
}

export type Measured =
  | { readonly ok: true; readonly samples: readonly Sample[] }
  | { readonly ok: false; readonly reason: string };

/** Asks what rules need. Rules that read the same records are asked together. */
export interface Measurer {
  /**
   * What each rule measures at an instant, by rule id; of what ends `queryOffsetMs` before it.
   * Never throws: what fails is told for each rule. Composites are not measured.
   */
  measure(
    rules: readonly Rule[],
    at: { readonly atMs: number; readonly queryOffsetMs: number },
    abort: AbortSignal,
  ): Promise<ReadonlyMap<string, Measured>>;
  /** What lies behind an alert: a few traces and log lines. Never throws. */
  evidence(rule: Rule, labels: Labels, atMs: number, abort: AbortSignal): Promise<Evidence>;
  /** What would keep the rule from ever being measured; null when it can be. Never throws. */
  check(rule: Rule, abort: AbortSignal): Promise<RuleFault | null>;
}

export interface RuleFault {
  readonly why: string;
  /** What to write instead; '' when there is nothing to say. */
  readonly hint: string;
}

/** The rules that count now, wherever they come from. */
export interface RuleBook {
  groups(): readonly RuleGroup[];
  /** Calls `changed` after each change; the function that is returned ends it. */
  follow(changed: () => void): () => void;
}

/** Values over time: of `stepMs` each, `atMs` is the end of the step. Steps may be missing. */
export interface Series {
  readonly labels: Labels;
  readonly points: ReadonlyArray<{ readonly atMs: number; readonly value: number }>;
}

/**
 * Reads a signal over time, as if its window were evaluated every `stepMs`: the point at `atMs` is
 * of the records from `atMs - query.overMs` to `atMs`. Steps end at multiples of `stepMs` before or
 * at `toMs`, from behind `fromMs` on. Throws QueryError.
 */
export type ReadSeries = (
  query: SignalQuery,
  period: { readonly fromMs: number; readonly toMs: number; readonly stepMs: number },
  abort: AbortSignal,
) => Promise<Series[]>;
