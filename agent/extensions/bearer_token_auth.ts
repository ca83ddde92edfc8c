// Tokens for the receivers and exporters that name it in `auth.authenticator`, as the Collector's
// extension of this name: receivers let in who has one of them, exporters send the first.
//
// A file is looked at while the agent runs: a token that is written there counts within seconds;
// what cannot be used leaves the last good ones in force.

import { createHash, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import { fault, secret, section } from '../../config/schema.ts';
import type { Refusal } from '../../proto/contract/arrival.ts';
import type { ComponentContext, Extension, ExtensionFactory } from
  '../../proto/contract/component.ts';
import { followFile, type FollowedFile } from '../followed_file.ts';

const TOKENS_MAX = 1000; // More in a file are refused: each request is compared with all.

const token = () => secret().min(1).regex(/^[\x21-\x7e]+$/, 'must be printable, without blanks');

const createSchema = () => section({
  scheme: z.string().regex(/^[\x21-\x7e]*$/, 'must be a word')
    .describe('Stands before the token; empty for none.').default('Bearer'),
  token: token().describe('The token.').optional(),
  tokens: z.array(token()).describe('Several: all are let in, the first is sent.').default([]),
  filename: z.string().min(1)
    .describe('Holds tokens, a line each; looked at while the agent runs. Wins over the others.')
    .optional(),
  header: z.string().regex(/^[A-Za-z0-9_-]+$/, 'is not a name for a header')
    .describe('Carries the token.').default('Authorization'),
}).superRefine((config, ctx) => {
  const given = [config.token, config.tokens[0], config.filename];
  if (given.every((one) => one === undefined)) {
    fault(ctx, 'needs one of token, tokens and filename', 'write one of them');
  }
  if (config.token !== undefined && config.tokens.length > 0) {
    fault(ctx, 'contradicts token', 'write all of them in tokens', ['tokens']);
  }
});

export type BearerTokenAuthConfig = z.output<ReturnType<typeof createSchema>>;

export const bearerTokenAuthExtension: ExtensionFactory<BearerTokenAuthConfig> = {
  kind: 'extension',
  type: 'bearer_token_auth',
  aliases: ['bearertokenauth'],
  signals: [],
  get schema() {
    return createSchema();
  },
  create: createBearerTokenAuth,
};

const REFUSED: Refusal = { status: 'unauthenticated', reason: 'a token that is known is needed' };

function createBearerTokenAuth(
  config: BearerTokenAuthConfig,
  { id, world, log }: ComponentContext,
): Extension {
  const name = config.header.toLowerCase();
  let sent = '';
  let known: readonly Buffer[] = [];
  const take = (tokens: readonly string[]) => {
    const values = tokens.map((one) => (config.scheme === '' ? one : `${config.scheme} ${one}`));
    sent = values[0] ?? '';
    known = values.map(digest);
  };
  take(config.token === undefined ? config.tokens : [config.token]);
  let followed: FollowedFile | null = null;
  return {
    authenticator: {
      authorize: (header) => {
        const given = digest(normal(header(name) ?? '', config.scheme));
        // All are compared, so that the time does not tell which.
        return known.filter((one) => timingSafeEqual(one, given)).length > 0 ? null : REFUSED;
      },
      headers: () => ({ [name]: sent }),
    },
    start: async () => {
      if (config.filename === undefined) return;
      const setting = `extensions.${id}.filename`;
      followed = await followFile(config.filename, { world, log, setting }, (text) => {
        take(tokensIn(text));
        log.info('tokens are read', { tokens: known.length });
      });
    },
    stop: async () => followed?.stop(),
  };
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** The scheme of a header is the same in capitals (RFC 9110, 11.1). */
function normal(value: string, scheme: string): string {
  const [given, rest] = [value.slice(0, scheme.length), value.slice(scheme.length)];
  return given.toLowerCase() === scheme.toLowerCase() ? `${scheme}${rest}` : value;
}

function tokensIn(text: string): string[] {
  const tokens = text.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  if (tokens.length === 0) throw new Error('it holds no token');
  if (tokens.length > TOKENS_MAX) throw new Error(`it holds more than ${TOKENS_MAX} tokens`);
  if (tokens.some((one) => !/^[\x21-\x7e]+$/.test(one))) {
    throw new Error('a token must be printable, without blanks');
  }
  return tokens;
}
