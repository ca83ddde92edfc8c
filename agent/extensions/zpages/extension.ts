// Pages about the agent itself, as the Collector's extension of this name has them, their content
// as JSON, and a live view of what passes any place of the pipelines, for `binnacle agent tap`.
//
//     /debug/servicez, /debug/pipelinez, /debug/extensionz   pages
//     /debug/status                                          all of it as JSON
//     /debug/tap?at=…&rate=…&filter=…                        server-sent events; see tap.ts
//
// Whoever reaches it sees records as they are at that place, also before anything is masked. So it
// binds to loopback unless it is told otherwise, and then answers only to names of this host: a
// page in a browser cannot reach it by a name of its own.

import * as z from 'zod';
import { endpoint, fault, ignoredKey, refusedKey, section } from '../../../config/schema.ts';
import type {
  ComponentContext, Extension, ExtensionFactory,
} from '../../../proto/contract/component.ts';
import { formatEndpoint, isLoopback } from '../../../runtime/net.ts';
import { startTextServer, type TextAnswer, type TextServer } from '../../text_server.ts';
import { extensionPage, json, pipelinePage, servicePage, statusOf } from './pages.ts';
import { createTap, limits, partsAt } from './tap.ts';

const createSchema = () => section({
  endpoint: endpoint().describe('Where to listen.').prefault('localhost:55679'),
  allow_remote: z.boolean()
    .describe('True: the endpoint may be reached from other hosts. Nobody is asked who they are.')
    .default(false),
  expvar: ignoredKey('/debug/status has more'),
  tls: refusedKey('let a proxy do it'),
  auth: refusedKey('let a proxy do it'),
}).superRefine((config, ctx) => {
  if (config.allow_remote || isLoopback(config.endpoint.host)) return;
  fault(ctx, 'would show all data to whoever reaches it',
    'bind to localhost, or set allow_remote to true', ['endpoint']);
});

export type ZpagesConfig = z.output<ReturnType<typeof createSchema>>;

export const zpagesExtension: ExtensionFactory<ZpagesConfig> = {
  kind: 'extension',
  type: 'zpages',
  signals: [],
  get schema() {
    return createSchema();
  },
  create: createZpages,
};

const RATE = 10;

function createZpages(config: ZpagesConfig, context: ComponentContext): Extension {
  const { id, host, world, counters, log } = context;
  const tap = createTap(host, world.clock);
  const status = () => statusOf(host, counters, world);
  const pages: Readonly<Record<string, () => TextAnswer>> = {
    '/debug/servicez': () => servicePage(status()),
    '/debug/pipelinez': () => pipelinePage(status()),
    '/debug/extensionz': () => extensionPage(status()),
    '/debug/status': () => json(status()),
  };
  const nowhere = (at: string): TextAnswer => ({
    status: tap.isFull() ? 503 : 404, contentType: 'text/plain; charset=utf-8',
    body: tap.isFull() ? `${limits.listenersMax} listen already\n` : `there is no "${at}"; `
      + `there are ${host.view!().parts.filter(({ kind }) => kind !== 'extension')
        .map(({ kind, id: name, pipeline }) =>
          `${kind}:${name}${pipeline === undefined ? '' : `@${pipeline}`}`).join(', ')}\n`,
  });
  let server: TextServer | undefined;
  return {
    start: async () => {
      server = await startTextServer({
        endpoint: config.endpoint, setting: `extensions.${id}.endpoint`,
        ...(config.allow_remote ? {} : { hosts: isLoopback }),
        answer: (path, query) => (path === '/debug/tap' ? nowhere(query.get('at') ?? '')
          : pages[path === '/' || path === '/debug' ? '/debug/servicez' : path]?.() ?? null),
        stream: (path, query) => {
          const at = query.get('at') ?? '';
          const there = path === '/debug/tap' && partsAt(at, host.view!()).length > 0;
          if (!there || tap.isFull()) return null;
          const rate = Math.min(Math.max(1, Number(query.get('rate')) || RATE), limits.rateMax);
          return tap.stream({ at, rate, filter: query.get('filter') ?? '' });
        },
      });
      log.info('zpages listen', { endpoint: formatEndpoint(server.endpoint) });
    },
    stop: async () => {
      await server?.stop();
      server = undefined;
    },
    addresses: (): Readonly<Record<string, string>> =>
      (server === undefined ? {} : { zpages: formatEndpoint(server.endpoint) }),
  };
}
