// Rules, alerting and life from one start to the next stop.

import { SILENT_LOG } from '../../runtime/log.ts';
import { createSeededRandom } from '../../runtime/random.ts';
import { createAlerting, type ReloadableAlerting } from '../alerting/alerting.ts';
import type { AlertingConfig } from '../alerting/config.ts';
import { createCourier, type Channels } from '../alerting/courier.ts';
import { readAlertingFile } from '../alerting/file.ts';
import { createEscalations } from '../alerting/life/escalations.ts';
import { createLife, type Life } from '../alerting/life/life.ts';
import { createPost, type Post } from '../alerting/life/posting.ts';
import { lifeSchemas, lifeSettings } from '../alerting/life/settings.ts';
import { ALWAYS_HELD } from '../journal/lease.ts';
import { createEvaluator, type Evaluator } from '../rules/evaluator.ts';
import type { RuleBook, RuleGroup } from '../rules/model.ts';
import { channelsOf } from '../telling.ts';
import { readRuleFiles } from './rule_files.ts';
import { ScriptProblems, type Ground } from './stage.ts';
import { settle } from '../../runtime/manual_clock.ts';

export interface Crew {
  readonly evaluator: Evaluator;
  readonly alerting: ReloadableAlerting;
  readonly life: Life;
  readonly post: Post;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** The sources of the ground have changed. */
  reload(): void;
}

/** One seed: a script runs the same each time. */
const SEED = 7;

/** Throws ScriptProblems. */
export async function createCrew(ground: Ground): Promise<Crew> {
  const { clock, journal, measurer, counters, receivers, script } = ground;
  const random = createSeededRandom(SEED);
  const log = SILENT_LOG;
  const book = createBook(rulesOf(ground));
  let config = alertingOf(ground);
  const context = {
    clock, log, chart: async () => [], show: () => {},
    files: { read: async () => null, readText: async () => null },
  };
  const courier: Channels = createCourier({ journal, random, counters, context,
    factories: receivers.factories, receivers: config.receivers });
  const life = createLife({ journal, clock });
  const alerting = createAlerting({
    ...{ config, journal, courier, clock, random, log, counters },
    leads: () => true, externalUrl: '',
    acknowledged: (groupKey, alerts, atMs) => life.acknowledged(groupKey, alerts, atMs),
    endedAtMs: (alert) => life.endedAtMs(alert),
  });
  const evaluator = createEvaluator({
    ...{ book, measurer, journal, clock, log, counters },
    lease: ALWAYS_HELD, externalUrl: '', post: (alerts) => alerting.post(alerts),
    ...(script.realOffsets ? {} : {
      gridOf: ({ intervalMs }: RuleGroup) => ({ intervalMs, offsetMs: 0 }),
    }),
  });
  const escalations = createEscalations({
    ...{ alerting, courier, life, journal, clock, log },
    leads: () => true, externalUrl: '',
    escalationOf: (groupKey) => {
      const name = alerting.escalationOf(groupKey);
      return lifeSettings(config.life).escalations.find((one) => one.name === name) ?? null;
    },
    rotations: () => lifeSettings(config.life).rotations,
    channelsOf: (receiver, status) => channelsOf(config, receiver, status),
  });
  const parts = [life, alerting, escalations, evaluator];
  return {
    evaluator, alerting, life,
    post: createPost({ journal, clock, alerts: () => alerting.alerts(),
      endedAtMs: (alert) => life.endedAtMs(alert) }),
    start: async () => {
      for (const part of parts) await part.start();
    },
    stop: async () => {
      for (const part of [...parts].reverse()) await stopSoon(part);
    },
    reload: () => {
      config = alertingOf(ground);
      book.replace(rulesOf(ground));
      courier.replace(config.receivers);
      alerting.reload(config);
    },
  };
}

/** Virtual time stands still meanwhile: what waits for it is given up. */
async function stopSoon(part: { stop(deadline: AbortSignal): Promise<void> }): Promise<void> {
  const deadline = new AbortController();
  const stopped = part.stop(deadline.signal);
  await settle();
  deadline.abort();
  await stopped;
}

interface ScriptBook extends RuleBook {
  replace(groups: readonly RuleGroup[]): void;
}

function createBook(first: readonly RuleGroup[]): ScriptBook {
  let groups = first;
  const followers = new Set<() => void>();
  return {
    groups: () => groups,
    follow: (changed) => {
      followers.add(changed);
      return () => void followers.delete(changed);
    },
    replace: (next) => {
      groups = next;
      for (const changed of followers) changed();
    },
  };
}

function rulesOf({ sources }: Ground): readonly RuleGroup[] {
  const { groups, problems } = readRuleFiles(sources.rules);
  if (problems.length > 0) throw new ScriptProblems(problems);
  return groups;
}

function alertingOf({ sources, env, receivers }: Ground): AlertingConfig {
  const { config, problems } = readAlertingFile(sources.alerting, env, receivers.factories,
    { life: lifeSchemas() });
  if (config === null) throw new ScriptProblems(problems);
  for (const { name, channels } of config.receivers) {
    for (const { type, index, config: settings } of channels) {
      receivers.name(settings, { receiver: name, type, index });
    }
  }
  return config;
}
