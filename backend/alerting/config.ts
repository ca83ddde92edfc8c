// What an alerting file says, once it has been read: the tree of routes, receivers, what hides
// what, and when nobody is to be woken. See docs/routing.md.

import type { Matcher } from './model.ts';
import type { TimeInterval } from './times.ts';

export interface AlertingConfig {
  /** After the last post, of an alert that came without an end. */
  readonly resolveTimeoutMs: number;
  /** It fits every alert. */
  readonly route: RouteConfig;
  /** At least one; names are unique. */
  readonly receivers: readonly ReceiverConfig[];
  readonly inhibitRules: readonly InhibitRule[];
  readonly timeIntervals: ReadonlyMap<string, readonly TimeInterval[]>;
  /** `escalations` and `rotations`, as the schemas of backend/alerting/life/ give them. */
  readonly life: Readonly<Record<string, unknown>>;
  /** The file as YAML without its secrets, to be shown. */
  readonly shown: string;
}

/** One node. What it does not say it has from the node above. */
export interface RouteConfig {
  readonly receiver: string;
  /** Labels that tell groups apart; 'all' is `'...'`. */
  readonly groupBy: readonly string[] | 'all';
  readonly groupWaitMs: number;
  readonly groupIntervalMs: number;
  readonly repeatIntervalMs: number;
  /** In Alertmanager's order; each must fit. */
  readonly matchers: readonly Matcher[];
  /** Whether the nodes behind it are tried, too, when it fits. */
  readonly continues: boolean;
  /** Names; not handed down. */
  readonly muteTimeIntervals: readonly string[];
  readonly activeTimeIntervals: readonly string[];
  readonly limits: RouteLimits;
  /** Name of an escalation, for backend/alerting/life/; '' for none. */
  readonly escalation: string;
  readonly routes: readonly RouteConfig[];
}

/** What keeps a receiver from being told too often. None of it is Alertmanager's. */
export interface RouteLimits {
  /** Least time between two notifications of a group about new alerts; 0: none. */
  readonly cooldownMs: number;
  /** Notifications of a channel in an hour; 0: any. */
  readonly perHourMax: number;
  /** An alert with so many changes in this time flaps; null: none ever does. */
  readonly flapping: { readonly changes: number; readonly withinMs: number } | null;
}

export interface ReceiverConfig {
  readonly name: string;
  /** Receiver that is told what this one does not take; '' for none. */
  readonly fallback: string;
  readonly channels: readonly ChannelConfig[];
}

/** One entry of a receiver, such as the second of its `slack_configs`. */
export interface ChannelConfig {
  readonly type: string;
  readonly index: number;
  /** As the schema of its NotifierFactory made it. */
  readonly config: unknown;
  readonly sendResolved: boolean;
}

export interface InhibitRule {
  /** '' unless given. */
  readonly name: string;
  readonly source: readonly Matcher[];
  readonly target: readonly Matcher[];
  /** Labels that must have the same values in both; missing is the same as empty. */
  readonly equal: readonly string[];
}

export const NO_LIMITS: RouteLimits = { cooldownMs: 0, perHourMax: 0, flapping: null };

/** Alertmanager's defaults of the topmost route. */
export const ROUTE_DEFAULTS = {
  groupWaitMs: 30_000,
  groupIntervalMs: 5 * 60_000,
  repeatIntervalMs: 4 * 3_600_000,
  resolveTimeoutMs: 5 * 60_000,
} as const;
