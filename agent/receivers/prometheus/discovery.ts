// Where targets come from: lists in the configuration, files, URLs, DNS. Each source tells its
// whole list at the start and whenever it has changed; while it cannot be read the list before
// stays. Lists are bounded by `limits`.

import { Resolver } from 'node:dns/promises';
import { basename, dirname, join, resolve } from 'node:path';
import picomatch from 'picomatch';
import { parse as parseYaml } from 'yaml';
import { errorMessage } from '../../../runtime/errors.ts';
import type { Log } from '../../../runtime/log.ts';
import type { World } from '../../../runtime/world.ts';
import { createPageClient, type PageClient } from './client.ts';
import type { ScrapeConfig } from './config.ts';
import type { FoundTargets } from './targets.ts';

export const limits = {
  /** Bytes of one list; a longer one is not read, and the one before stays. */
  listBytes: 16 * 1024 * 1024,
  /** Files that one glob may name; those after them, by the alphabet, are not read. */
  files: 1000,
  /** Files are looked at this often, or every refresh_interval when that is shorter. */
  lookMs: 5000,
  /** Time for the answer of a URL or of DNS. */
  timeoutMs: 30_000,
} as const;

export type Found = (groups: readonly FoundTargets[]) => void;

export interface Source {
  /** Begins to look; what it finds is told by and by. Throws OperatorError. */
  start(found: Found): Promise<void>;
  stop(): Promise<void>;
}

export interface DiscoveryOptions {
  readonly world: World;
  /** Says each sentence now and then only. */
  readonly log: Log;
  /** The configuration path of the job. */
  readonly setting: string;
}

export function createSources(config: ScrapeConfig, options: DiscoveryOptions): Source[] {
  const { setting } = options;
  return [
    { start: async (found) => found(config.static_configs), stop: async () => {} },
    ...config.file_sd_configs.map(({ files, refresh_interval: refreshMs }) => {
      const look = fileLook(files, options);
      return polled(look, Math.min(refreshMs, limits.lookMs), options);
    }),
    ...config.http_sd_configs.map((one, index) => {
      const path = `${setting}.http_sd_configs[${index}]`;
      const client = createPageClient(one, options.world, path);
      const look = httpLook(client, one.url, one.refresh_interval);
      return polled(look, one.refresh_interval, options, client);
    }),
    ...config.dns_sd_configs.map((one) =>
      polled(dnsLook(one, options), one.refresh_interval, options)),
  ];
}

/** Null: nothing has changed. Throws with the cause when nothing can be had. */
type Look = (abort: AbortSignal) => Promise<readonly FoundTargets[] | null>;

function polled(
  look: Look,
  everyMs: number,
  { world, log, setting }: DiscoveryOptions,
  client?: PageClient,
): Source {
  const ending = new AbortController();
  let running: Promise<void> | undefined;
  return {
    start: async (found) => {
      await client?.start();
      const once = async (): Promise<void> => {
        try {
          const groups = await look(ending.signal);
          if (groups !== null && !ending.signal.aborted) found(groups);
        } catch (error) {
          if (ending.signal.aborted) return;
          log.warn(`${setting}: cannot find targets: ${errorMessage(error)}`);
        }
      };
      running = (async () => {
        while (!ending.signal.aborted) {
          await once();
          await world.clock.sleep(everyMs, ending.signal);
        }
      })();
    },
    stop: async () => {
      ending.abort();
      await running;
      await client?.close();
    },
  };
}

function fileLook(globs: readonly string[], { world: { files }, log }: DiscoveryOptions): Look {
  const known = new Map<string, { stamp: string; groups: readonly FoundTargets[] }>();
  return async () => {
    const paths = (await Promise.all(globs.map((glob) => pathsOf(resolve(glob))))).flat();
    let changed = false;
    for (const path of known.keys()) {
      if (!paths.includes(path)) changed = known.delete(path);
    }
    for (const path of paths) {
      const stat = await files.stat(path);
      const stamp = stat === null ? '' : `${stat.modifiedMs} ${stat.sizeBytes} ${stat.inode}`;
      if (stat === null || known.get(path)?.stamp === stamp) continue;
      const before = known.get(path)?.groups ?? [];
      try {
        if (stat.sizeBytes > limits.listBytes) throw new Error('the list is too long');
        known.set(path, { stamp, groups: listOf(path, await files.readText(path) ?? '') });
        changed = true;
      } catch (error) {
        // Told once for each change of the file, which is then not read again.
        known.set(path, { stamp, groups: before });
        log.warn(`cannot read targets from ${path}: ${errorMessage(error)}`);
      }
    }
    return changed ? [...known.values()].flatMap(({ groups }) => groups) : null;
  };

  async function pathsOf(glob: string): Promise<string[]> {
    const name = basename(glob);
    if (!picomatch.scan(name).isGlob) return [glob];
    const fits = picomatch(name, { dot: true });
    const entries = await files.list(dirname(glob)) ?? [];
    return entries.filter((one) => one.kind !== 'folder' && fits(one.name))
      .map((one) => join(dirname(glob), one.name)).sort().slice(0, limits.files);
  }
}

function listOf(path: string, text: string): FoundTargets[] {
  const parsed: unknown = path.endsWith('.json') ? JSON.parse(text) : parseYaml(text);
  return groupsOf(parsed ?? [], { __meta_filepath: path });
}

/** `[{ targets: [host:port], labels: { name: value } }]`, as files and URLs give it. */
export function groupsOf(list: unknown, more: Readonly<Record<string, string>>): FoundTargets[] {
  if (!Array.isArray(list)) throw new Error('it is not a list of groups');
  return list.map((group: unknown, index) => {
    const { targets, labels = {} } = (group ?? {}) as Record<string, unknown>;
    const right = Array.isArray(targets) && targets.every((one) => typeof one === 'string')
      && labels !== null && typeof labels === 'object' && !Array.isArray(labels);
    if (!right) throw new Error(`group ${index + 1} needs targets and labels`);
    const pairs = Object.entries(labels).map(([name, value]) => [name, String(value)] as const);
    return { targets: targets as string[], labels: { ...Object.fromEntries(pairs), ...more } };
  });
}

function httpLook(client: PageClient, url: string, refreshMs: number): Look {
  const headers = {
    accept: 'application/json',
    'accept-encoding': 'gzip',
    'x-prometheus-refresh-interval-seconds': String(refreshMs / 1000),
  };
  let last = '';
  return async (abort) => {
    const { timeoutMs, listBytes } = limits;
    const request = { url: new URL(url), headers, timeoutMs, bytesMax: listBytes };
    const answer = await client.get(request, abort);
    if (!answer.ok) throw new Error(answer.why);
    if (!/^application\/json\b/i.test(answer.contentType)) throw new Error('it is not JSON');
    const text = answer.body.toString();
    if (text === last) return null;
    const groups = groupsOf(JSON.parse(text), { __meta_url: url });
    last = text;
    return groups;
  };
}

type DnsConfig = ScrapeConfig['dns_sd_configs'][number];

/** The calls of node:dns that are made. */
export type DnsResolver = Pick<Resolver, 'cancel' | 'resolveSrv' | 'resolve4' | 'resolve6'
  | 'resolveMx' | 'resolveNs'>;

export function dnsLook(
  { names, type, port }: DnsConfig,
  { log, setting }: Pick<DiscoveryOptions, 'log' | 'setting'>,
  createResolver: () => DnsResolver = () => new Resolver({ timeout: 5000, tries: 2 }),
): Look {
  const known = new Map<string, FoundTargets>();
  return async (abort) => {
    const resolver = createResolver();
    const cancel = () => resolver.cancel();
    abort.addEventListener('abort', cancel, { once: true });
    for (const name of names) {
      try {
        const addresses = await addressesOf(resolver, name, type, port);
        known.set(name, { targets: addresses, labels: { __meta_dns_name: name } });
      } catch (error) {
        if (abort.aborted) break;
        log.warn(`${setting}: cannot look up ${name}: ${errorMessage(error)}`);
      }
    }
    abort.removeEventListener('abort', cancel);
    return [...known.values()];
  };
}

async function addressesOf(
  resolver: DnsResolver,
  name: string,
  type: DnsConfig['type'],
  port = 0,
): Promise<string[]> {
  const bare = (host: string) => host.replace(/\.$/, '');
  switch (type) {
    case 'SRV': return (await resolver.resolveSrv(name))
      .map((one) => `${bare(one.name)}:${one.port}`);
    case 'A': return (await resolver.resolve4(name)).map((one) => `${one}:${port}`);
    case 'AAAA': return (await resolver.resolve6(name)).map((one) => `[${one}]:${port}`);
    case 'MX': return (await resolver.resolveMx(name))
      .map((one) => `${bare(one.exchange)}:${port}`);
    case 'NS': return (await resolver.resolveNs(name)).map((one) => `${bare(one)}:${port}`);
  }
}
