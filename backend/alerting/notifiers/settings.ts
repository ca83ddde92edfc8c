// Keys that several kinds of notifiers have, and how secrets among them are read.

import * as z from 'zod';
import { duration, fault, secret } from '../../../config/schema.ts';
import { systemCause } from '../../../runtime/errors.ts';
import type { NotifierContext } from '../model.ts';

export const limits = {
  /** Time for one attempt when `timeout` is 0 or absent; then it has failed and may be repeated. */
  attemptMs: 10_000,
} as const;

/** The default is Alertmanager's for the kind. */
export const sendResolved = (unlessGiven: boolean) => z.boolean()
  .describe('Whether to tell, too, that alerts are resolved.').default(unlessGiven);

export const timeout = () => duration({ max: '5m' })
  .describe('Time for one attempt; 0: 10s.').prefault('0s')
  .transform((ms) => (ms === 0 ? limits.attemptMs : ms));

/** An address over HTTP that nobody but its owner may know, such as that of a webhook. */
export const secretUrl = (description: string) => secret().superRefine(checkUrl)
  .describe(description);

export const plainUrl = (description: string) => z.string().superRefine(checkUrl)
  .describe(description);

function checkUrl(text: string, ctx: z.core.$RefinementCtx<unknown>): void {
  if (text.includes('{{')) {
    return fault(ctx, 'may not be a template', 'labels would decide where messages go; '
      + 'write one receiver for each address, and routes to them');
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    fault(ctx, 'is not an address', 'write http://host/path or https://host/path');
  }
}

/** A key and the key of a file that holds the same; one of them must be there. */
export function checkOneOf<C extends object>(
  config: C,
  ctx: z.core.$RefinementCtx<unknown>,
  keys: readonly (keyof C & string)[],
): void {
  const given = keys.filter((key) => config[key] !== undefined && config[key] !== '');
  const names = keys.join(' or ');
  if (given.length === 0) fault(ctx, `needs ${names}`);
  if (given.length > 1) fault(ctx, `has more than one of ${keys.join(', ')}`, 'write one of them');
}

/** What is written, or what the file holds now. Throws an error for people. */
export async function readSecret(
  { files }: Pick<NotifierContext, 'files'>,
  written: string | undefined,
  file: string | undefined,
): Promise<string> {
  if (file === undefined || file === '') return written ?? '';
  return readTextFile(files, file);
}

export async function readTextFile(
  files: NotifierContext['files'],
  file: string,
): Promise<string> {
  let text: string | null;
  try {
    text = await files.readText(file);
  } catch (error) {
    throw new UnreadableError(`cannot read ${file}: ${systemCause(error)}`);
  }
  if (text === null) throw new UnreadableError(`cannot read ${file}: it does not exist`);
  return text.trim();
}

/** A file that the configuration names cannot be read now. Its message holds no secret. */
export class UnreadableError extends Error {}

/** `https://hooks.slack.com/…`: what of an address may be shown. */
export function maskedUrl(text: string): string {
  if (!URL.canParse(text)) return '…';
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}/${pathname === '/' ? '' : '…'}`;
}
