// Receivers of a script: their settings are checked as ever, but nothing is sent anywhere. They
// answer what the script says, and what they accept is recorded.

import { ACCEPTED, rejected, retryable, type Outcome } from '../../proto/contract/outcome.ts';
import type { Channel, Notification, NotifierFactory } from '../alerting/model.ts';
import type { ChannelName, ReceiverAnswer } from './model.ts';
import { channelFits } from './seen.ts';

export interface ScriptReceivers {
  /** The same kinds, with notifiers that send nothing. */
  readonly factories: readonly NotifierFactory<any>[];
  /** Which channel has these settings; to be said before a notifier is made of them. */
  name(config: unknown, channel: Channel): void;
  /** From now on. */
  answer(channel: ChannelName, answer: ReceiverAnswer): void;
}

export function createScriptReceivers(
  real: readonly NotifierFactory<any>[],
  accepted: (channel: Channel, notification: Notification) => void,
): ScriptReceivers {
  const channels = new Map<unknown, Channel>();
  const answers: Array<readonly [ChannelName, ReceiverAnswer]> = [];
  const send = async (config: unknown, notification: Notification, abort: AbortSignal) => {
    const channel = channels.get(config)!;
    const answer = answers.findLast(([name]) => channelFits(name, channel))?.[1] ?? 200;
    const outcome = await outcomeOf(answer, abort);
    if (outcome.status === 'accepted') accepted(channel, notification);
    return outcome;
  };
  return {
    factories: real.map((factory): NotifierFactory<any> => ({
      ...factory,
      create: (config: { readonly send_resolved?: boolean }) => ({
        sendResolved: config.send_resolved ?? true,
        target: factory.type,
        send: (notification, abort) => send(config, notification, abort),
      }),
    })),
    name: (config, channel) => void channels.set(config, channel),
    answer: (channel, answer) => void answers.push([channel, answer]),
  };
}

function outcomeOf(answer: ReceiverAnswer, abort: AbortSignal): Promise<Outcome> | Outcome {
  if (answer === 'refused') return retryable('connection refused');
  if (answer === 'timeout') {
    return new Promise((resolve) => {
      const give = () => resolve(retryable('timed out'));
      if (abort.aborted) give();
      abort.addEventListener('abort', give, { once: true });
    });
  }
  if (answer >= 200 && answer < 300) return ACCEPTED;
  const reason = `it answered ${answer}`;
  return answer >= 500 || answer === 429 || answer === 408 ? retryable(reason) : rejected(reason);
}
