// What a script of alerts says once it was read: what there is, what is done at which instant, and
// what must be so then. docs/alert_scripts.md has the language. All times are milliseconds since
// the script's 0m.

import type { Labels } from '../labels/labels.ts';
import type { Matcher } from '../alerting/model.ts';

/** Where a statement stands; both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Script {
  /** As problems name it. */
  readonly file: string;
  readonly rules: readonly Piece[];
  readonly alerting: Piece | null;
  /** Variables of the environment, for `${env:NAME}` and for what reads some by itself. */
  readonly env: Readonly<Record<string, string>>;
  readonly metrics: readonly MetricLoad[];
  readonly records: readonly RecordLoad[];
  readonly measured: readonly MeasuredLoad[];
  /** Nothing runs before it. */
  readonly startMs: number;
  /** When time ends at the earliest. */
  readonly endMs: number;
  /** Groups keep the offset that their name gives them; else it is 0. */
  readonly realOffsets: boolean;
  /** Notifications need not be expected. */
  readonly anyNotifications: boolean;
  /** By time, and at one instant as in the file. */
  readonly steps: readonly Step[];
}

/** YAML in the script, at its own lines and columns, or the name of a file beside the script. */
export type Piece =
  | { readonly type: 'text'; readonly text: string; readonly place: Place }
  | { readonly type: 'file'; readonly file: string; readonly place: Place };

/** A value of a series: null is none; `stale` ends the series, `error` fails the question. */
export type SeriesValue = number | null | 'stale' | 'error';

interface Timed {
  readonly place: Place;
  readonly fromMs: number;
  readonly stepMs: number;
}

export interface MetricLoad extends Timed {
  /** `sum`: of what goes up and down, such as bytes in use. */
  readonly kind: 'gauge' | 'counter' | 'sum';
  readonly name: string;
  readonly labels: Labels;
  readonly values: readonly SeriesValue[];
}

/** `counts[n]` records spread evenly over step n. */
export interface RecordLoad extends Timed {
  readonly signal: 'logs' | 'traces';
  readonly fields: Labels;
  readonly counts: readonly number[];
}

/** What the rule measures; no store is asked. */
export interface MeasuredLoad extends Timed {
  readonly rule: string;
  /** Of the level of this severity; '' for all. */
  readonly severity: string;
  readonly labels: Labels;
  readonly values: readonly SeriesValue[];
}

export interface Step {
  readonly atMs: number;
  readonly place: Place;
  /** The statement as it was written, its first line. */
  readonly text: string;
  readonly what: Action | Expectation;
}

export type Action =
  | PostAction
  | { readonly type: 'silence'; readonly name: string; readonly matchers: readonly Matcher[];
      readonly fromMs: number; readonly untilMs: number; readonly by: string;
      readonly comment: string }
  | { readonly type: 'expire'; readonly name: string; readonly by: string }
  | LifeAction
  | { readonly type: 'restart' }
  | { readonly type: 'down'; readonly forMs: number }
  /** The process stands still, and its timers are late. */
  | { readonly type: 'pause'; readonly forMs: number }
  /** How long each evaluation of a group takes from now on. */
  | { readonly type: 'slow'; readonly takesMs: number }
  | { readonly type: 'answer'; readonly channel: ChannelName; readonly answer: ReceiverAnswer }
  | { readonly type: 'reload'; readonly what: 'rules' | 'alerting'; readonly piece: Piece };

export interface PostAction {
  readonly type: 'post';
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsMs: number | null;
  readonly endsMs: number | null;
  readonly url: string;
  readonly value: number | null;
}

/** What people do about alerts, or about a group as a whole. */
export interface LifeAction {
  readonly type: 'life';
  readonly verb: 'acknowledge' | 'unacknowledge' | 'snooze' | 'resolve' | 'note';
  readonly target: 'alerts' | 'group';
  readonly matchers: readonly Matcher[];
  readonly by: string;
  readonly forMs: number | null;
  readonly note: string;
}

/** `timeout`: no answer at all; `refused`: nobody listens. */
export type ReceiverAnswer = number | 'timeout' | 'refused';

/** `type` '' and `index` null: any of the receiver. */
export interface ChannelName {
  readonly receiver: string;
  readonly type: string;
  readonly index: number | null;
}

export type Expectation =
  | { readonly type: 'alerts'; readonly of: string; readonly alerts: readonly ExpectedAlert[] }
  | NotifyExpectation
  | { readonly type: 'group'; readonly receiver: string; readonly matchers: readonly Matcher[];
      readonly count: number | null }
  | { readonly type: 'missed'; readonly count: number; readonly group: string }
  | { readonly type: 'rule'; readonly name: string; readonly failed: boolean;
      readonly reason: string }
  | { readonly type: 'silence_state'; readonly name: string;
      readonly state: 'pending' | 'active' | 'expired' }
  | { readonly type: 'dead'; readonly receiver: string; readonly count: number };

export interface NotifyExpectation {
  readonly type: 'notify';
  readonly channel: ChannelName;
  readonly status: 'firing' | 'resolved' | null;
  readonly reason: string | null;
  readonly group: readonly Matcher[];
  /** Exactly these, in any order; null: any. */
  readonly alerts: readonly ExpectedAlert[] | null;
  readonly count: number | null;
  readonly truncated: number | null;
  /** A part of the digest; '' for any. */
  readonly digest: string;
}

/** What is not said may be anything. */
export interface ExpectedAlert {
  readonly place: Place;
  readonly text: string;
  readonly matchers: readonly Matcher[];
  readonly state: 'pending' | 'firing' | 'resolved' | null;
  readonly flags: readonly AlertFlag[];
  readonly value: number | null;
  /** When it became pending, or fired where there is no `for`. */
  readonly sinceMs: number | null;
  readonly annotations: Labels;
}

export const ALERT_FLAGS = ['active', 'silenced', 'inhibited', 'muted', 'acknowledged',
  'flapping'] as const;
export type AlertFlag = (typeof ALERT_FLAGS)[number];

export const limits = {
  /** Bytes of a script; a longer one is refused. */
  scriptBytesMax: 1024 * 1024,
  /** Values of a series, and records of a load; more are refused. */
  valuesMax: 100_000,
  /** Steps after `every` is unrolled; more are refused. */
  stepsMax: 10_000,
} as const;
