// What alerting works with: alerts as they come in, as they are kept, and what is sent of them.
//
//     rules, apps, Prometheus ─> alerts ─> routing tree ─> groups ─> stages: inhibition,
//     times, silences, acknowledgement, limits, repetition ─> courier ─> notifiers

import type * as z from 'zod';
import type { Component } from '../../proto/contract/component.ts';
import type { Outcome } from '../../proto/contract/outcome.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Files } from '../../runtime/files.ts';
import type { Log } from '../../runtime/log.ts';
import type { Labels } from '../labels/labels.ts';

/** As somebody hands it in; the same labels are the same alert. */
export interface PostedAlert {
  /** With `alertname`, mostly; at least one that is not empty. */
  readonly labels: Labels;
  readonly annotations: Labels;
  /** Now unless given. */
  readonly startsAtMs: number | null;
  /** When it is over; null: `resolve_timeout` after the last post. */
  readonly endsAtMs: number | null;
  /** Where people see more of it; '' for nowhere. */
  readonly generatorUrl: string;
  readonly value?: number;
  readonly evidence?: Evidence;
}

/** As it is known. The earliest start counts, and the newest of everything else. */
export interface Alert extends PostedAlert {
  readonly fingerprint: string;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly updatedAtMs: number;
  /** Nobody said when it ends: it ends by itself. */
  readonly timeout: boolean;
  readonly origin: 'rule' | 'posted';
}

export const isResolved = (alert: Pick<Alert, 'endsAtMs'>, nowMs: number): boolean =>
  alert.endsAtMs <= nowMs;

/** One message to one receiver about one group: the same id for each attempt. */
export interface Notification {
  /** For receivers that know a message by its id; the same for each attempt. */
  readonly id: string;
  readonly receiver: string;
  readonly groupKey: string;
  readonly status: 'firing' | 'resolved';
  readonly reason: NotificationReason;
  readonly atMs: number;
  readonly groupLabels: Labels;
  readonly commonLabels: Labels;
  readonly commonAnnotations: Labels;
  readonly externalUrl: string;
  readonly alerts: readonly NotifiedAlert[];
  /** Alerts that were left out. */
  readonly truncatedAlerts: number;
  /** What limits held back before this message; '' for nothing. */
  readonly digest: string;
}

/** Alertmanager's words for why it is sent, and ours. */
export type NotificationReason = 'first notification' | 'new alerts added' | 'all alerts resolved'
  | 'some alerts resolved' | 'repeat interval elapsed' | 'escalation' | 'digest' | 'test';

export interface NotifiedAlert {
  readonly status: 'firing' | 'resolved';
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly startsAtMs: number;
  /** Null while it fires. */
  readonly endsAtMs: number | null;
  readonly generatorUrl: string;
  readonly value: number | null;
  readonly evidence: Evidence;
}

/** What lies behind an alert. */
export interface Evidence {
  /** Ids of traces, hexadecimal. */
  readonly traces: readonly string[];
  readonly logs: ReadonlyArray<{ readonly atMs: number; readonly body: string }>;
}

/** One way to reach somebody. */
export interface Notifier {
  readonly sendResolved: boolean;
  /** Where it goes, for people: without secrets. */
  readonly target: string;
  /** One attempt. `accepted`: it is there; `rejected`: the same message never will be. */
  send(notification: Notification, abort: AbortSignal): Promise<Outcome>;
}

export interface NotifierContext {
  readonly clock: Clock;
  readonly log: Log;
  /** For keys such as `bot_token_file`, which are read anew for each attempt. */
  readonly files: Pick<Files, 'read' | 'readText'>;
  /** Shows a notification on the pages that are open (`dashboard_configs`). */
  show(notification: Notification): void;
  /** Values of the last hours of the rule, for a small chart; empty when there are none. */
  chart(alert: NotifiedAlert, abort: AbortSignal): Promise<ChartPoint[]>;
}

/** Milliseconds since 1970, and what was measured then. */
export type ChartPoint = readonly [atMs: number, value: number];

/** How a kind of notifier is written in a receiver, such as `slack_configs`, and made. */
export interface NotifierFactory<Config = unknown> {
  readonly type: string;
  /** Of one entry of the list. `global` of Alertmanager's file was filled in before. */
  readonly schema: () => z.ZodType<Config>;
  readonly create: (config: Config, context: NotifierContext) => Notifier;
}

/** Brings notifications to their receivers. */
export interface Courier {
  /**
   * Tries until it is there, the receiver refuses it for good, or time is over; then its fallback;
   * then it becomes a dead letter. `aborted`: the process ends, and nothing is known. Never throws.
   */
  deliver(to: Channel, notification: Notification, abort: AbortSignal): Promise<Delivery>;
  /** One attempt, with an alert that says that it is a test. */
  test(to: Channel, abort: AbortSignal): Promise<Outcome>;
}

export type Delivery = 'delivered' | 'fallback' | 'dead' | 'aborted';

/** One entry of a receiver: `slack_configs[1]` of `ops` is `{ receiver: 'ops', slack, 1 }`. */
export interface Channel {
  readonly receiver: string;
  readonly type: string;
  readonly index: number;
}

/** Why an alert is not told of now. */
export interface Suppression {
  readonly silencedBy: readonly string[];
  readonly inhibitedBy: readonly string[];
  /** Names of time intervals. */
  readonly mutedBy: readonly string[];
  /** Who acknowledged or snoozed it; '' for nobody. */
  readonly acknowledgedBy: string;
}

export interface ShownAlert extends Suppression {
  readonly alert: Alert;
  readonly receivers: readonly string[];
  readonly state: 'unprocessed' | 'active' | 'suppressed';
  /** It changes its state again and again, and is told of less. */
  readonly flapping: boolean;
}

export interface ShownGroup {
  readonly groupKey: string;
  readonly receiver: string;
  readonly labels: Labels;
  readonly alerts: readonly ShownAlert[];
}

export interface Matcher {
  readonly name: string;
  readonly value: string;
  readonly isRegex: boolean;
  readonly isEqual: boolean;
}

export interface Silence {
  readonly id: string;
  readonly matchers: readonly Matcher[];
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  readonly updatedAtMs: number;
  readonly createdBy: string;
  readonly comment: string;
}

/** What a group has just become. */
export interface GroupEvent {
  readonly type: 'notified' | 'resolved';
  readonly groupKey: string;
  readonly receiver: string;
  readonly notification: Notification;
}

/** What is known of alerts, and what is done about them. Only one backend at a time notifies. */
export interface Alerting extends Component {
  /** Alerts of rules; those of others come through the journal (`posted`). */
  post(alerts: readonly PostedAlert[]): void;
  /** Without those that were resolved a while ago. */
  alerts(): readonly ShownAlert[];
  groups(): readonly ShownGroup[];
  /** Every silence that has not ended long ago. */
  silences(): readonly Silence[];
  /** The id; a new one unless the silence has one that is known and can be changed so. */
  setSilence(silence: Omit<Silence, 'updatedAtMs'>, actor: string): Promise<string>;
  /** False when there is none with the id. */
  expireSilence(id: string, actor: string): Promise<boolean>;
  /** Calls `heard` when a group was notified or is over; the function returned ends it. */
  follow(heard: (event: GroupEvent) => void): () => void;
}
