// Addresses: how an endpoint is written, what it means, and what to say when it cannot be bound.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { OperatorError, errorCode, systemCause } from './errors.ts';

export interface Endpoint {
  /** A host name or an address without brackets. */
  readonly host: string;
  /** 0–65535; 0 asks the system for a free port. */
  readonly port: number;
}

/**
 * Parses `host:port`, `[v6]:port` or `:port` (all interfaces), as the Collector writes endpoints.
 * Returns null when the text is none of these.
 */
export function parseEndpoint(text: string): Endpoint | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/]*)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const port = Number(match[3]);
  if (port > 65535) return null;
  const host = match[1] ?? match[2]!;
  return { host: host === '' ? '0.0.0.0' : host, port };
}

export function formatEndpoint({ host, port }: Endpoint): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** All addresses of a host name, as the system knows them. Throws the system's error. */
export async function lookupHost(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * Turns the failure of a listen call into an error that says what to do. `setting` is the
 * configuration path of the endpoint, such as `receivers.otlp.protocols.grpc.endpoint`.
 */
export function listenError(error: unknown, endpoint: Endpoint, setting: string): OperatorError {
  const where = formatEndpoint(endpoint);
  const hint =
    errorCode(error) === 'EADDRINUSE'
      ? `stop the program that listens there, or set ${setting} to another port`
      : `set ${setting} to an address of this machine and a port that may be used`;
  return new OperatorError(`cannot listen on ${where}: ${systemCause(error)}`, hint);
}
