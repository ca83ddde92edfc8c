// CPU and heap profiles of the agent on demand, at the paths of the Collector's extension, in the
// formats of V8: Chrome's developer tools and speedscope open them; Go's pprof does not.
//
//     /debug/pprof/profile?seconds=30   what the CPU does meanwhile: .cpuprofile
//     /debug/pprof/heap?seconds=10      who allocates meanwhile: .heapprofile

import { Session } from 'node:inspector/promises';
import * as z from 'zod';
import { endpoint, fault, ignoredKey, refusedKey, section } from '../../config/schema.ts';
import type { ComponentContext, Extension, ExtensionFactory } from
  '../../proto/contract/component.ts';
import { formatEndpoint, isLoopback } from '../../runtime/net.ts';
import { startTextServer, type TextAnswer, type TextServer } from '../text_server.ts';

export const limits = {
  /** A longer profile is cut to it. */
  secondsMax: 300,
  /** Bytes between two samples of the heap. */
  heapStepBytes: 32_768,
} as const;

const createSchema = () => section({
  endpoint: endpoint().describe('Where to listen.').prefault('localhost:1777'),
  allow_remote: z.boolean().describe('True: the endpoint may be reached from other hosts.')
    .default(false),
  block_profile_fraction: ignoredKey('JavaScript does not block'),
  mutex_profile_fraction: ignoredKey('JavaScript has no locks'),
  save_to_file: refusedKey('save what /debug/pprof/profile answers'),
}).superRefine((config, ctx) => {
  if (config.allow_remote || isLoopback(config.endpoint.host)) return;
  fault(ctx, 'would let whoever reaches it slow the agent down',
    'bind to localhost, or set allow_remote to true', ['endpoint']);
});

export type PprofConfig = z.output<ReturnType<typeof createSchema>>;

export const pprofExtension: ExtensionFactory<PprofConfig> = {
  kind: 'extension',
  type: 'pprof',
  signals: [],
  get schema() {
    return createSchema();
  },
  create: createPprof,
};

interface Profile {
  /** Unless the question says how many. */
  readonly seconds: number;
  readonly profile: (sleep: Sleep, seconds: number) => Promise<unknown>;
}

const PROFILES: Readonly<Record<string, Profile | undefined>> = {
  '/debug/pprof/profile': { seconds: 30, profile: cpuProfile },
  '/debug/pprof/heap': { seconds: 10, profile: heapProfile },
};

const INDEX = 'profile?seconds=30: .cpuprofile\nheap?seconds=10: .heapprofile\n';
const plain = (status: number, body: string): TextAnswer =>
  ({ status, contentType: 'text/plain; charset=utf-8', body });

function createPprof(config: PprofConfig, context: ComponentContext): Extension {
  const { id, log } = context;
  const stopping = new AbortController();
  let server: TextServer | undefined;
  let busy = false;
  const alone = async (profile: () => Promise<unknown>): Promise<TextAnswer> => {
    if (busy) return plain(503, 'another profile is being made\n');
    busy = true;
    try {
      const body = JSON.stringify(await profile());
      return { status: 200, contentType: 'application/json', body };
    } finally {
      busy = false;
    }
  };
  const seconds = (query: URLSearchParams, usual: number) =>
    Math.min(Math.max(0.1, Number(query.get('seconds')) || usual), limits.secondsMax);
  const sleep = (forS: number) => context.world.clock.sleep(forS * 1000, stopping.signal);
  return {
    start: async () => {
      server = await startTextServer({
        endpoint: config.endpoint, setting: `extensions.${id}.endpoint`,
        ...(config.allow_remote ? {} : { hosts: isLoopback }),
        answer: (path, query) => {
          if (/^\/debug\/pprof\/?$/.test(path)) return plain(200, INDEX);
          const make = PROFILES[path];
          return make === undefined ? null
            : alone(() => make.profile(sleep, seconds(query, make.seconds)));
        },
      });
      log.info('pprof listens', { endpoint: formatEndpoint(server.endpoint) });
    },
    stop: async () => {
      stopping.abort();
      await server?.stop();
      server = undefined;
    },
    addresses: (): Readonly<Record<string, string>> =>
      (server === undefined ? {} : { pprof: formatEndpoint(server.endpoint) }),
  };
}

type Sleep = (seconds: number) => Promise<void>;

async function withSession<T>(use: (session: Session) => Promise<T>): Promise<T> {
  const session = new Session();
  session.connect();
  try {
    return await use(session);
  } finally {
    session.disconnect();
  }
}

function cpuProfile(sleep: Sleep, seconds: number): Promise<unknown> {
  return withSession(async (session) => {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    await sleep(seconds);
    return (await session.post('Profiler.stop')).profile;
  });
}

function heapProfile(sleep: Sleep, seconds: number): Promise<unknown> {
  return withSession(async (session) => {
    const samplingInterval = limits.heapStepBytes;
    await session.post('HeapProfiler.startSampling', { samplingInterval });
    await sleep(seconds);
    return (await session.post('HeapProfiler.stopSampling')).profile;
  });
}
