// Who asks: credentials become a Caller, or a reason why not. Tokens come as a bearer, as the
// password of basic authentication (any user name will do), or in ClickHouse's own header.
//
// Promises:
// - A presented token is compared with all known ones in constant time.
// - Neither tokens nor their hashes are logged, counted or answered.
// - While a token is configured, nobody is let in without one.

import { timingSafeEqual } from 'node:crypto';
import type { Authorize, HeaderReader, Refusal } from '../../proto/contract/arrival.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Counters } from '../../runtime/counters.ts';
import { rateLimited, type Log } from '../../runtime/log.ts';
import { mayDo, type Permission } from './permissions.ts';
import { ANONYMOUS, type Caller, type Role } from './roles.ts';
import { hashOf } from './token.ts';

export const limits = {
  /** Characters of a token; a longer one is unknown. */
  tokenCharactersMax: 512,
} as const;

/** A token as the configuration knows it. */
export interface TokenOptions {
  readonly name: string;
  readonly role: Role;
  /** SHA-256 of the token, in hex. */
  readonly hash: string;
  /** Milliseconds since 1970 from which on it does not count; null for never. */
  readonly expiresMs: number | null;
}

export interface AccessOptions {
  readonly tokens: readonly TokenOptions[];
  readonly clock: Clock;
  readonly counters: Counters;
  readonly log: Log;
}

/** Why somebody is not let in. `forbidden`: he is known, and may not do this. */
export type Denial = 'absent' | 'unknown' | 'expired' | 'forbidden';

export type Identity =
  | { readonly caller: Caller }
  | { readonly denial: Exclude<Denial, 'forbidden'> };

export interface Access {
  /** False while no token is configured: then everybody is an anonymous admin. */
  readonly enforced: boolean;
  /** Whose token it is; `undefined` and '' are no token. */
  callerByToken(token: string | undefined, address: string): Identity;
  /** The same, with the token from wherever headers may carry it. */
  callerByHeaders(header: HeaderReader, address: string): Identity;
  /** For servers of SQL: null, counted and logged, for who may not write statements. */
  callerForSql(token: string | undefined, address: string): Caller | null;
  /** For OTLP: only writers and admins may hand in telemetry. */
  readonly authorizeIngest: Authorize;
  /** Counts and logs that somebody was turned away. */
  refused(denial: Denial, address: string, name: string | null): void;
}

const LOG_EVERY_MS = 10_000;

export const DENIAL_TEXT: Readonly<Record<Denial, string>> = {
  absent: 'there is no token',
  unknown: 'the token is not known',
  expired: 'the token has expired',
  forbidden: 'the role of the token does not allow this',
};

export function createAccess(options: AccessOptions): Access {
  const { clock, counters } = options;
  const log = rateLimited(options.log, clock, LOG_EVERY_MS);
  const known = options.tokens.map((token) =>
    ({ ...token, bytes: Buffer.from(token.hash, 'hex') }));
  const enforced = known.length > 0;

  const callerByToken = (token: string | undefined, address: string): Identity => {
    if (!enforced) return { caller: { name: ANONYMOUS, role: 'admin', address } };
    if (token === undefined || token === '') return { denial: 'absent' };
    if (token.length > limits.tokenCharactersMax) return { denial: 'unknown' };
    const hash = hashOf(token);
    // All are compared, so that the time tells nothing of where one was found.
    const [found] = known.filter(({ bytes }) => timingSafeEqual(bytes, hash));
    if (found === undefined) return { denial: 'unknown' };
    const { name, role, expiresMs } = found;
    if (expiresMs !== null && clock.nowMs() >= expiresMs) return { denial: 'expired' };
    return { caller: { name, role, address } };
  };
  const callerByHeaders = (header: HeaderReader, address: string): Identity =>
    callerByToken(tokenIn(header), address);
  const refused = (denial: Denial, address: string, name: string | null): void => {
    counters.counter('binnacle_access_refused_total',
      'Requests that were refused for who sent them.', { reason: denial }).add(1);
    log.warn(`refused a request: ${DENIAL_TEXT[denial]}`,
      { address, ...(name === null ? {} : { name }) });
  };
  const authorizeIngest = (header: HeaderReader): Refusal | null => {
    const found = callerByHeaders(header, '');
    const denial = 'denial' in found ? found.denial
      : mayDo(found.caller.role, 'ingest') ? null : 'forbidden';
    if (denial === null) return null;
    refused(denial, '', 'caller' in found ? found.caller.name : null);
    return {
      status: denial === 'forbidden' ? 'forbidden' : 'unauthenticated',
      reason: `${DENIAL_TEXT[denial]}; send a writer's as authorization: Bearer <token>`,
    };
  };
  const callerForSql = (token: string | undefined, address: string): Caller | null => {
    const identity = callerByToken(token, address);
    const denial = denialOf(identity, 'sql');
    if (denial === null && 'caller' in identity) return identity.caller;
    refused(denial ?? 'forbidden', address, 'caller' in identity ? identity.caller.name : null);
    return null;
  };
  return { enforced, callerForSql, callerByToken, callerByHeaders, authorizeIngest, refused };
}

/** Why `identity` may not do what needs `permission`; null when it may. */
export function denialOf(identity: Identity, permission: Permission | null): Denial | null {
  if ('denial' in identity) return identity.denial;
  if (permission === null) return 'forbidden';
  return mayDo(identity.caller.role, permission) ? null : 'forbidden';
}

const BEARER = /^bearer +(\S+) *$/i;
const BASIC = /^basic +([A-Za-z0-9+/_=-]+) *$/i;

function tokenIn(header: HeaderReader): string | undefined {
  const authorization = header('authorization');
  if (authorization === undefined) return header('x-clickhouse-key');
  const bearer = BEARER.exec(authorization)?.[1];
  if (bearer !== undefined) return bearer;
  const basic = BASIC.exec(authorization)?.[1];
  if (basic === undefined) return undefined;
  const text = Buffer.from(basic, 'base64').toString();
  return text.slice(text.indexOf(':') + 1);
}
