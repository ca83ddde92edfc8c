// What all notifiers over HTTP have in common: a message is composed, sent once, and the answer
// becomes a verdict.
//
//   2xx                      → accepted, unless the service says otherwise in its words
//   408, 425, 429, 5xx, none → retryable, after Retry-After if that is given
//   anything else            → rejected
//
// A verdict never holds a secret: whatever of the configuration is one is masked in what services
// and systems say.

import { createHash } from 'node:crypto';
import { ACCEPTED, rejected, retryable, worstOutcome, type Outcome }
  from '../../../proto/contract/outcome.ts';
import { parseRetryAfter } from '../../../proto/http/retry_after.ts';
import { errorMessage } from '../../../runtime/errors.ts';
import type { Notification, Notifier, NotifierContext } from '../model.ts';
import { sendHttp, type HttpAnswer, type HttpMessage } from './http.ts';
import { httpConfig, type HttpConfig } from './http_config.ts';
import { oneLine } from './cut.ts';
import { limits as settings, sendResolved, timeout, UnreadableError } from './settings.ts';

export const limits = {
  /** Characters of an answer that become part of a reason. */
  reasonCharactersMax: 300,
  /** A secret that is shorter is not looked for in texts: it would blacken them. */
  secretCharactersMin: 4,
  /** A part of a path that is shorter, such as `services`, is no secret by itself. */
  wordCharactersMin: 12,
} as const;

/** The keys that all of them have. */
export const postingShape = (resolvedUnlessGiven = true) => ({
  send_resolved: sendResolved(resolvedUnlessGiven),
  http_config: httpConfig(),
  timeout: timeout(),
});

export interface PostingConfig {
  readonly send_resolved: boolean;
  readonly http_config: HttpConfig;
  readonly timeout?: number;
}

export type Answer = Extract<HttpAnswer, { type: 'answer' }>;

export interface Posting {
  /** For people, without secrets. */
  readonly target: string;
  /** What must never be shown; known when a message was composed. */
  readonly secrets: Secrets;
  /** The requests that make up one message, mostly one; sent in their order. */
  compose(notification: Notification, abort: AbortSignal): Promise<readonly HttpMessage[]>;
  /** Whether one request that fails keeps the others from being sent; it does unless given. */
  readonly isEach?: boolean;
  /** What the service means, where its status alone does not say so; null where it does. */
  judge?(answer: Answer): Outcome | null;
}

export interface Secrets {
  /** Remembers one and returns it. */
  keep(text: string): string;
  mask(text: string): string;
}

export function createPosting(
  config: PostingConfig,
  context: NotifierContext,
  { target, secrets, compose, isEach = false, judge = () => null }: Posting,
): Notifier {
  keepSecrets(config.http_config, secrets);
  const attempt = { config: config.http_config, context,
    timeoutMs: config.timeout ?? settings.attemptMs };
  const deliver = async (notification: Notification, abort: AbortSignal): Promise<Outcome> => {
    const outcomes: Outcome[] = [];
    for (const message of await compose(notification, abort)) {
      const answer = await sendHttp(message, attempt, abort);
      const outcome = answer.type === 'answer' ? judge(answer) ?? verdictOf(answer, context)
        : answer.type === 'refused' ? rejected(answer.why) : retryable(answer.why);
      outcomes.push(outcome);
      if (outcome.status !== 'accepted' && !isEach) break;
    }
    return worstOutcome(outcomes);
  };
  return {
    sendResolved: config.send_resolved,
    target,
    send: async (notification, abort) => masked(await unlessUnreadable(
      deliver(notification, abort)), secrets),
  };
}

/** A file with a secret may be written anew in a moment. */
export function unlessUnreadable(outcome: Promise<Outcome>): Promise<Outcome> {
  return outcome.catch((error: unknown) => {
    if (error instanceof UnreadableError) return retryable(errorMessage(error));
    throw error;
  });
}

export function masked(outcome: Outcome, secrets: Secrets): Outcome {
  if (outcome.status === 'accepted') return outcome;
  return { ...outcome, reason: secrets.mask(outcome.reason) };
}

const RETRYABLE: ReadonlySet<number> = new Set([408, 425, 429]);

/** By its status alone. */
export function verdictOf(answer: Answer, { clock }: NotifierContext, said = answer.text): Outcome {
  const { status, header } = answer;
  if (status >= 200 && status <= 299) return ACCEPTED;
  const words = oneLine(said, limits.reasonCharactersMax);
  const reason = `HTTP ${status}${words === '' ? '' : `: ${words}`}`;
  if (!RETRYABLE.has(status) && status < 500) return rejected(reason);
  return retryable(reason, parseRetryAfter(header('retry-after'), clock.nowMs()));
}

export function createSecrets(): Secrets {
  const kept = new Set<string>();
  return {
    keep: (text) => {
      if (text.length >= limits.secretCharactersMin) kept.add(text);
      return text;
    },
    mask: (text) => [...kept].sort((one, other) => other.length - one.length)
      .reduce((rest, secret) => rest.replaceAll(secret, '…'), text),
  };
}

/** Names a group to a service that knows incidents by a key of bounded length. */
export const groupHash = ({ groupKey }: Notification): string =>
  createHash('sha256').update(groupKey).digest('hex');

/** As JSON, with the id of the notification as key, so that repeated attempts are one message. */
export function jsonMessage(url: string, body: unknown, { id }: Notification): HttpMessage {
  const headers = { 'content-type': 'application/json', 'idempotency-key': id };
  return { url, headers, body: JSON.stringify(body) };
}

/** A group of keys; null for anything else. */
export function jsonOf(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? value as Record<string, unknown> : null;
  } catch {
    return null;
  }
}

/** An address whose path and query are secret, as those of webhooks are. */
export function keepUrl(secrets: Secrets, text: string): string {
  secrets.keep(text);
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  const { pathname, search, password, searchParams } = url;
  const words = pathname.split('/').filter((word) => word.length >= limits.wordCharactersMin);
  for (const part of [pathname, search.slice(1), password, `${pathname}${search}`, ...words,
    ...searchParams.values()]) {
    if (part !== '/') secrets.keep(part);
  }
  return text;
}

function keepSecrets(config: HttpConfig, secrets: Secrets): void {
  const { basic_auth: basic, authorization, bearer_token: token } = config;
  for (const secret of [basic?.password, authorization?.credentials, token,
    config.tls_config?.key, ...Object.values(config.http_headers).flatMap((one) => one.secrets)]) {
    if (secret !== undefined) secrets.keep(secret);
  }
  if (basic === undefined) return;
  secrets.keep(Buffer.from(`${basic.username}:${basic.password}`).toString('base64'));
}
