// What the configuration says about access, as the rest of the backend takes it.

import type { AccessConfig, AccessLimitsConfig } from '../../config/access.ts';
import type { BackendConfig } from '../../config/backend.ts';
import type { Authorize } from '../../proto/contract/arrival.ts';
import { isLoopback } from '../../runtime/net.ts';
import type { QueryLimits } from '../query/limits.ts';
import type { Access, TokenOptions } from './access.ts';
import { ANONYMOUS, type Caller } from './roles.ts';

export const tokensOf = ({ tokens }: AccessConfig): TokenOptions[] =>
  tokens.map(({ name, role, hash, expires }) =>
    ({ name, role, hash, expiresMs: expires === undefined ? null : Date.parse(expires) }));

/**
 * The limits of a caller: those of its token, of its role, of all. Who showed no token has those of
 * all, so that a backend without tokens is what `query` says.
 */
export function callerLimits(
  config: AccessConfig,
  all: QueryLimits,
): (caller: Caller) => QueryLimits {
  const byRole = new Map(Object.entries(config.roles).map(([role, limits]) =>
    [role, { ...all, ...limitsOf(limits) }]));
  const byName = new Map(config.tokens.map(({ name, role, limits }) =>
    [name, { ...all, ...byRole.get(role), ...limitsOf(limits) }]));
  return ({ name, role }) =>
    (name === ANONYMOUS ? all : byName.get(name) ?? byRole.get(role) ?? all);
}

const OF_CONFIG = {
  max_execution_time: 'executionMsMax',
  max_rows_to_read: 'readRowsMax',
  max_bytes_to_read: 'readBytesMax',
  max_result_rows: 'resultRowsMax',
  max_result_bytes: 'resultBytesMax',
  max_memory: 'memoryBytesMax',
  max_concurrent: 'callerConcurrentMax',
  max_waiting: 'callerWaitingMax',
} as const satisfies Record<keyof AccessLimitsConfig, keyof QueryLimits>;

function limitsOf(config: AccessLimitsConfig): Partial<QueryLimits> {
  return Object.fromEntries(Object.entries(OF_CONFIG).flatMap(([key, name]) => {
    const value = config[key as keyof AccessLimitsConfig];
    return value === undefined ? [] : [[name, value]];
  }));
}

/** For an OTLP server: over the network, who hands in telemetry shows a token or a certificate. */
export function ingestAuthorization(
  { access: { tokens }, allow_unauthenticated_access: allowed }:
    Pick<BackendConfig, 'access' | 'allow_unauthenticated_access'>,
  { authorizeIngest }: Access,
  { endpoint, tls }: Pick<BackendConfig['http'], 'endpoint' | 'tls'>,
): { authorize?: Authorize } {
  const free = tokens.length === 0 || allowed || isLoopback(endpoint.host)
    || tls?.client_ca_file !== undefined;
  return free ? {} : { authorize: authorizeIngest };
}
