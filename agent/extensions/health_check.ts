// Answers over HTTP whether the agent is ready, as the Collector's extension of this name does:
// 200 from the moment when all components have started until a stop begins, 503 otherwise.

import * as z from 'zod';
import { endpoint, optionalSection, section } from '../../config/schema.ts';
import type { ExtensionFactory } from '../../proto/contract/component.ts';
import { formatEndpoint } from '../../runtime/net.ts';
import { startTextServer, type TextAnswer, type TextServer } from '../text_server.ts';

const createSchema = () => section({
  endpoint: endpoint().describe('Where to listen.').prefault('localhost:13133'),
  path: z.string().regex(/^\//, 'must begin with /')
    .describe('The path that is answered; all others are not found.').default('/'),
  response_body: optionalSection({
    healthy: z.string().describe('The body of a 200.').default(''),
    unhealthy: z.string().describe('The body of a 503.').default(''),
  }).describe('Bodies to answer with instead of the JSON object.'),
});

export type HealthCheckConfig = z.output<ReturnType<typeof createSchema>>;

export const healthCheckExtension: ExtensionFactory<HealthCheckConfig> = {
  kind: 'extension',
  type: 'health_check',
  aliases: ['healthcheck'],
  signals: [],
  get schema() {
    return createSchema();
  },
  create: (config, { id, host, log, world }) => {
    let server: TextServer | undefined;
    let upSinceMs = 0;
    const answer = (path: string): TextAnswer | null => {
      if (path !== config.path) return null;
      if (!host.ready()) return notAvailable(config);
      return available(config, upSinceMs, world.clock.nowMs());
    };
    return {
      start: async () => {
        upSinceMs = world.clock.nowMs();
        const setting = `extensions.${id}.endpoint`;
        server = await startTextServer({ endpoint: config.endpoint, setting, answer });
        log.info('health check listens', { endpoint: formatEndpoint(server.endpoint) });
      },
      stop: async () => {
        await server?.stop();
        server = undefined;
      },
      addresses: (): Readonly<Record<string, string>> => (server === undefined
        ? {}
        : { 'Health check': formatEndpoint(server.endpoint) }),
    };
  },
};

function available(config: HealthCheckConfig, sinceMs: number, nowMs: number): TextAnswer {
  const state = {
    status: 'Server available',
    upSince: new Date(sinceMs).toISOString(),
    uptime: goDuration(nowMs - sinceMs),
  };
  return answerOf(200, state, config.response_body?.healthy);
}

function notAvailable(config: HealthCheckConfig): TextAnswer {
  // The Collector's zero values of time and duration.
  const state = { status: 'Server not available', upSince: '0001-01-01T00:00:00Z', uptime: '' };
  return answerOf(503, state, config.response_body?.unhealthy);
}

function answerOf(status: number, state: object, text: string | undefined): TextAnswer {
  return text === undefined || text === ''
    ? { status, contentType: 'application/json', body: JSON.stringify(state) }
    : { status, contentType: 'text/plain', body: text };
}

/** A duration as Go prints it: `0s`, `350ms`, `2.5s`, `1h0m3s`. */
export function goDuration(ms: number): string {
  if (ms === 0) return '0s';
  if (ms < 1000) return `${ms}ms`;
  const seconds = ms / 1000;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = `${Number((seconds % 60).toFixed(3))}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
