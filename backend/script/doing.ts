// What is done to alerting in a script, as its API would do it.

import type { Life, Target } from '../alerting/life/life.ts';
import type { Crew } from './crew.ts';
import type { Action, LifeAction, PostAction } from './model.ts';
import { isResolved } from '../alerting/model.ts';
import { matches } from './seen.ts';
import { EPOCH_MS, type Ground } from './stage.ts';

type Done = Exclude<Action, { type: 'restart' | 'down' | 'pause' | 'slow' }>;

/** Throws for what is refused. */
export async function doAction(action: Done, ground: Ground, crew: Crew): Promise<void> {
  switch (action.type) {
    case 'post':
      return post(action, crew);
    case 'silence': {
      const id = await crew.alerting.setSilence({ id: '', matchers: action.matchers,
        startsAtMs: EPOCH_MS + action.fromMs, endsAtMs: EPOCH_MS + action.untilMs,
        createdBy: action.by, comment: action.comment }, action.by);
      if (action.name !== '') ground.silences.set(action.name, id);
      return;
    }
    case 'expire': {
      const id = ground.silences.get(action.name) ?? '';
      if (!await crew.alerting.expireSilence(id, action.by)) {
        throw new Error(`there is no silence ${action.name}`);
      }
      return;
    }
    case 'life':
      return live(action, ground, crew);
    case 'answer':
      return ground.receivers.answer(action.channel, action.answer);
    case 'reload': {
      const source = await ground.read(action.piece);
      if (action.what === 'rules') ground.sources.rules = [source];
      else ground.sources.alerting = source;
      return crew.reload();
    }
  }
}

async function post(action: PostAction, crew: Crew): Promise<void> {
  const { labels, annotations, startsMs, endsMs, url, value } = action;
  const { refused } = await crew.post([{
    labels, annotations, generatorUrl: url,
    startsAtMs: startsMs === null ? null : EPOCH_MS + startsMs,
    endsAtMs: endsMs === null ? null : EPOCH_MS + endsMs,
    ...(value === null ? {} : { value }),
  }], 'script');
  if (refused[0] !== undefined) throw new Error(refused[0].why);
}

async function live(action: LifeAction, { clock }: Ground, crew: Crew): Promise<void> {
  const targets = targetsOf(action, crew, clock.nowMs());
  if (targets.length === 0) throw new Error('there are no such alerts');
  const untilMs = action.forMs === null ? null : clock.nowMs() + action.forMs;
  for (const target of targets) await say(crew.life, target, action, untilMs);
}

function targetsOf({ target, matchers }: LifeAction, { alerting }: Crew, nowMs: number): Target[] {
  const fits = (labels: Readonly<Record<string, string>>) =>
    matchers.every((matcher) => matches(matcher, labels));
  if (target === 'group') {
    return alerting.groups().filter(({ labels }) => fits(labels))
      .map(({ groupKey, labels, alerts }) =>
        ({ groupKey, labels, alerts: alerts.map(({ alert }) => alert) }));
  }
  return alerting.alerts().map(({ alert }) => alert)
    .filter((alert) => !isResolved(alert, nowMs) && fits(alert.labels))
    .map((alert) => ({ alert }));
}

function say(life: Life, target: Target, { verb, by, note }: LifeAction, untilMs: number | null) {
  const saying = { by, comment: note };
  switch (verb) {
    case 'acknowledge':
      return life.acknowledge(target, untilMs === null ? saying : { ...saying, untilMs });
    case 'snooze':
      if (untilMs === null) throw new Error('how long is missing: for 8h');
      return life.snooze(target, { ...saying, untilMs });
    case 'unacknowledge':
      return life.unacknowledge(target, saying);
    case 'resolve':
      return life.resolve(target, saying);
    case 'note':
      return life.note(target, saying);
  }
}
