// Alerting on a clock that is moved by hand, with a journal in memory and a courier that writes
// down what it gets: `00:30 ops firing X{a="1"} (first notification)`.

import { createCounters } from '../../../runtime/counters.ts';
import { SILENT_LOG } from '../../../runtime/log.ts';
import { createManualClock, type ManualClock } from '../../../runtime/manual_clock.ts';
import { createSeededRandom } from '../../../runtime/random.ts';
import * as z from 'zod';
import { createAlerting, type ReloadableAlerting } from '../../../backend/alerting/alerting.ts';
import { postedDraft } from '../../../backend/alerting/alerts.ts';
import type { AlertingConfig } from '../../../backend/alerting/config.ts';
import { readAlertingFile } from '../../../backend/alerting/file.ts';
import { parseMatchers } from '../../../backend/alerting/matchers.ts';
import type {
  Courier, Delivery, Matcher, Notification, NotifierFactory, PostedAlert, Silence,
} from '../../../backend/alerting/model.ts';
import { createMemoryJournal } from '../../../backend/journal/memory.ts';
import type { Journal } from '../../../backend/journal/journal.ts';
import { fingerprintOf, type Labels } from '../../../backend/labels/labels.ts';

export const START_MS = Date.parse('2026-11-02T00:00:00Z');
export const MINUTE = 60_000;

const FACTORY: NotifierFactory<any> = {
  type: 'webhook',
  schema: () => z.strictObject({ send_resolved: z.boolean().default(true) }),
  create: () => {
    throw new Error('nothing is sent here');
  },
};

export function configOf(text: string): AlertingConfig {
  const { config, problems } = readAlertingFile({ file: 'a.yaml', text }, {}, [FACTORY]);
  if (config === null) throw new Error(JSON.stringify(problems));
  return config;
}

/** One receiver `ops`; `route` and whatever else is added. */
export const opsConfig = (route = '', more = ''): AlertingConfig => configOf(
  `route: {receiver: ops, group_by: [alertname]${route}}\n`
  + `receivers: [{name: ops, webhook_configs: [{}]}]\n${more}`);

export const matchers = (text: string): readonly Matcher[] => {
  const parsed = parseMatchers(text);
  if (!parsed.ok) throw new Error(parsed.why);
  return parsed.matchers;
};

export interface Rig {
  readonly clock: ManualClock;
  readonly journal: Journal;
  readonly alerting: ReloadableAlerting;
  readonly sent: Notification[];
  /** What each attempt answers; `delivered` unless set. A promise that stays open is a kill. */
  answer: (notification: Notification) => Delivery | Promise<Delivery>;
  acknowledged: (fingerprint: string) => string;
  leads: boolean;
  /** What was sent since it was last asked. */
  told(): string[];
  /** As a rule: firing until it is said to be over. */
  fire(labels: Labels, options?: Partial<PostedAlert>): void;
  resolve(labels: Labels): void;
  /** As an app or Prometheus, over the journal. */
  submit(labels: Labels, options?: Partial<PostedAlert>): Promise<void>;
  silence(text: string, forMs: number): Promise<Silence>;
}

export interface RigOptions {
  readonly clock?: ManualClock;
  readonly journal?: Journal;
}

export async function createRig(config: AlertingConfig, options: RigOptions = {}): Promise<Rig> {
  const clock = options.clock ?? createManualClock(START_MS);
  const journal = options.journal ?? createMemoryJournal(clock);
  const sent: Notification[] = [];
  let shown = 0;
  const courier: Courier = {
    deliver: async (_channel, notification, abort) => {
      const delivery = await unlessAborted(rig.answer(notification), abort);
      if (delivery === 'delivered') sent.push(notification);
      return delivery;
    },
    test: async () => ({ status: 'accepted', rejected: 0 }),
  };
  const alerting = createAlerting({
    config, journal, courier, clock, log: SILENT_LOG, counters: createCounters(),
    random: createSeededRandom(clock.nowMs()), externalUrl: 'http://binnacle.test',
    leads: () => rig.leads,
    acknowledged: (_key, alerts) => new Map(alerts.flatMap(({ fingerprint }) =>
      (rig.acknowledged(fingerprint) === '' ? [] : [[fingerprint, 'alice']]))),
  });
  const posted = (labels: Labels, more: Partial<PostedAlert>): PostedAlert => ({ labels,
    annotations: {}, startsAtMs: null, endsAtMs: null, generatorUrl: '', ...more });
  const rig: Rig = {
    clock, journal, alerting, sent, answer: () => 'delivered', acknowledged: () => '',
    leads: true,
    told: () => sent.slice(shown, shown = sent.length).map(line),
    fire: (labels, more = {}) => alerting.post([posted(labels,
      { endsAtMs: clock.nowMs() + 24 * 60 * MINUTE, ...more })]),
    resolve: (labels) => alerting.post([posted(labels, { endsAtMs: clock.nowMs(),
      startsAtMs: known(alerting, labels) })]),
    submit: async (labels, more = {}) => {
      const before = alerting.alerts().find(({ alert }) =>
        alert.fingerprint === fingerprintOf(labels))?.alert;
      await journal.write([postedDraft(posted(labels, more), before, clock.nowMs())],
        new AbortController().signal);
    },
    silence: async (text, forMs) => {
      const id = await alerting.setSilence({ id: '', matchers: matchers(text), comment: '',
        createdBy: 'bob', startsAtMs: clock.nowMs(), endsAtMs: clock.nowMs() + forMs }, 'bob');
      return alerting.silences().find((silence) => silence.id === id)!;
    },
  };
  await alerting.start();
  return rig;
}

function unlessAborted(
  delivery: Delivery | Promise<Delivery>,
  abort: AbortSignal,
): Promise<Delivery> {
  return new Promise((resolve) => {
    const giveUp = () => resolve('aborted');
    if (abort.aborted) giveUp();
    abort.addEventListener('abort', giveUp, { once: true });
    void Promise.resolve(delivery).then(resolve)
      .finally(() => abort.removeEventListener('abort', giveUp));
  });
}

const known = (alerting: ReloadableAlerting, labels: Labels): number | null =>
  alerting.alerts().find(({ alert }) => alert.fingerprint === fingerprintOf(labels))
    ?.alert.startsAtMs ?? null;

/** `00:30 ops firing X{a="1"} Y (first notification)`; what is over has a `-` in front. */
export function line({ atMs, receiver, status, reason, alerts }: Notification): string {
  const names = alerts.map(({ status: state, labels: { alertname = '', ...rest } }) => {
    const text = Object.entries(rest).map(([name, value]) => `${name}="${value}"`).join(',');
    return `${state === 'resolved' ? '-' : ''}${alertname}${text === '' ? '' : `{${text}}`}`;
  });
  const seconds = Math.round((atMs - START_MS) / 1000);
  const time = `${String(Math.floor(seconds / 60)).padStart(2, '0')}:`
    + String(seconds % 60).padStart(2, '0');
  return `${time} ${receiver} ${status} ${names.join(' ')} (${reason})`;
}
