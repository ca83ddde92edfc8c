// Rules, alerting and life from one start to the next stop.

import { SILENT_LOG } from '../../runtime/log.ts';
import { createSeededRandom } from '../../runtime/random.ts';
import { createAlerting, type ReloadableAlerting } from '../alerting/alerting.ts';
import type { AlertingConfig } from '../alerting/config.ts';
import { createCourier, type Channels } from '../alerting/courier.ts';
import { readAlertingFile } from '../alerting/file.ts';
import { createLife, type Life } from '../alerting/life/life.ts';
import { createPost, type Post } from '../alerting/life/posting.ts';
import { ALWAYS_HELD } from '../journal/lease.ts';
import { createEvaluator, type Evaluator } from '../rules/evaluator.ts';
import type { RuleBook, RuleGroup } from '../rules/model.ts';
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
  const config = alertingOf(ground);
  const context = {
    clock, log, chart: async () => [], show: () => {},
    files: { read: async () => null, readText: async () => null },
  };
  const courier: Channels = createCourier({ journal, random, counters, context,
    factories: receivers.factories, receivers: config.receivers });
  const life = createLife({ journal, clock });
  const alerting = standIn({
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
  const parts = [life, alerting, evaluator];
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
      const next = alertingOf(ground);
      book.replace(rulesOf(ground));
      courier.replace(next.receivers);
      alerting.reload(next);
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
  const { config, problems } = readAlertingFile(sources.alerting, env, receivers.factories);
  if (config === null) throw new ScriptProblems(problems);
  for (const { name, channels } of config.receivers) {
    for (const { type, index, config: settings } of channels) {
      receivers.name(settings, { receiver: name, type, index });
    }
  }
  return config;
}

function standIn(options: Parameters<typeof createAlerting>[0]): ReloadableAlerting {
  try {
    return createAlerting(options);
  } catch {
    return { start: async () => {}, stop: async () => {}, post: () => {}, alerts: () => [],
      groups: () => [], silences: () => [], setSilence: async () => '',
      expireSilence: async () => false, follow: () => () => {}, reload: () => {},
      escalationOf: () => '' };
  }
}
