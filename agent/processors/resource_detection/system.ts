// The `system` detector: what the operating system says about this host.

import { lookup, lookupService, resolveCname } from 'node:dns/promises';
import * as os from 'node:os';
import type { AnyValue, KeyValue } from '../../../proto/otlp/model.ts';
import type { Files } from '../../../runtime/files.ts';
import { textAttributes, type Detector, type DetectorContext } from './detector.ts';

export type HostnameSource = 'os' | 'dns' | 'cname' | 'lookup';

/** Every attribute that can be asked for; the value says whether it is without being asked. */
export const SYSTEM_ATTRIBUTES = {
  'host.name': true,
  'os.type': true,
  'host.id': false,
  'host.arch': false,
  'host.ip': false,
  'host.mac': false,
  'os.description': false,
  'os.name': false,
  'os.version': false,
  'host.cpu.vendor.id': false,
  'host.cpu.family': false,
  'host.cpu.model.id': false,
  'host.cpu.model.name': false,
  'host.cpu.stepping': false,
  'host.cpu.cache.l2.size': false,
} as const;
export type SystemAttribute = keyof typeof SYSTEM_ATTRIBUTES;

export interface SystemOptions {
  readonly hostname_sources: readonly HostnameSource[];
  readonly resource_attributes: Readonly<Record<SystemAttribute, { readonly enabled: boolean }>>;
}

export function createSystemDetector(
  { hostname_sources: sources, resource_attributes: wanted }: SystemOptions,
  { world, log }: DetectorContext,
): Detector {
  const { files } = world;
  return {
    name: 'system',
    detect: async (abort) => {
      const found: KeyValue[] = [];
      for (const name of Object.keys(SYSTEM_ATTRIBUTES) as SystemAttribute[]) {
        if (!wanted[name].enabled) continue;
        const value = name === 'host.name'
          ? text(await hostName(sources, abort))
          : await READERS[name](files);
        if (value !== null) found.push({ key: name, value });
        else log.debug(`the system detector does not find ${name}`);
      }
      return found;
    },
  };
}

const text = (value: string | undefined): AnyValue | null =>
  textAttributes({ value })[0]?.value ?? null;

const list = (values: readonly string[]): AnyValue | null => (values.length === 0
  ? null
  : { type: 'array', value: [...new Set(values)].map((value) => ({ type: 'string', value })) });

type Reader = (files: Files) => AnyValue | null | Promise<AnyValue | null>;

const READERS: Readonly<Record<Exclude<SystemAttribute, 'host.name'>, Reader>> = {
  'os.type': () => text(OS_TYPES[os.platform()] ?? os.platform()),
  'host.id': async (files) => text((await firstText(files, MACHINE_IDS))?.trim()),
  'host.arch': () => text(ARCHITECTURES[os.arch()] ?? os.arch()),
  'host.ip': () => list(outsideInterfaces().map(({ address }) => address)),
  'host.mac': () => list(outsideInterfaces()
    .map(({ mac }) => mac.toUpperCase().replaceAll(':', '-'))
    .filter((mac) => mac !== '00-00-00-00-00-00')),
  'os.description': async (files) => {
    const kernel = `${os.type()} ${os.hostname()} ${os.release()} ${os.version()} ${os.machine()}`;
    const name = await releaseField(files, 'PRETTY_NAME');
    return text(name === undefined ? kernel : `${name} (${kernel})`);
  },
  'os.name': async (files) => text(await releaseField(files, 'NAME') ?? os.type()),
  'os.version': async (files) => text(await releaseField(files, 'VERSION_ID') ?? os.release()),
  'host.cpu.vendor.id': async (files) => text(await cpuField(files, 'vendor_id')),
  'host.cpu.family': async (files) => text(await cpuField(files, 'cpu family')),
  'host.cpu.model.id': async (files) => text(await cpuField(files, 'model')),
  'host.cpu.model.name': async (files) =>
    text(await cpuField(files, 'model name') ?? os.cpus()[0]?.model),
  'host.cpu.stepping': async (files) => text(await cpuField(files, 'stepping')),
  'host.cpu.cache.l2.size': async (files) => {
    const size = /^(\d+)/.exec(await cpuField(files, 'cache size') ?? '')?.[1];
    return size === undefined ? null : { type: 'int', value: BigInt(size) };
  },
};

/** The values of the semantic conventions for what Node.js calls otherwise. */
const OS_TYPES: Readonly<Record<string, string>> = { win32: 'windows', sunos: 'solaris' };
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64', ia32: 'x86', arm: 'arm32', ppc64: 'ppc64',
};
const MACHINE_IDS = ['/etc/machine-id', '/var/lib/dbus/machine-id'];
const OS_RELEASES = ['/etc/os-release', '/usr/lib/os-release'];

async function firstText(files: Files, paths: readonly string[]): Promise<string | null> {
  for (const path of paths) {
    const content = await files.readText(path);
    if (content !== null && content.trim() !== '') return content;
  }
  return null;
}

async function releaseField(files: Files, name: string): Promise<string | undefined> {
  const content = await firstText(files, OS_RELEASES);
  return new RegExp(`^${name}=["']?(.*?)["']?$`, 'm').exec(content ?? '')?.[1];
}

/** The first processor's; all of a host are alike but for their numbers. */
async function cpuField(files: Files, name: string): Promise<string | undefined> {
  const content = await files.readText('/proc/cpuinfo');
  return new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(content ?? '')?.[1]?.trim();
}

function outsideInterfaces(): os.NetworkInterfaceInfo[] {
  return Object.values(os.networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal }) => !internal);
}

/** What the first source that has an answer says; the system's own name if none has. */
async function hostName(sources: readonly HostnameSource[], abort: AbortSignal): Promise<string> {
  for (const source of sources) {
    const name = await raced(HOSTNAMES[source](os.hostname()), abort);
    if (name !== undefined && name !== '') return name.replace(/\.$/, '');
  }
  return os.hostname();
}

const HOSTNAMES: Record<HostnameSource, (own: string) => Promise<string | undefined>> = {
  os: async (own) => own,
  dns: async (own) => {
    const { address } = await lookup(own);
    const { hostname } = await lookupService(address, 0);
    // An address that no name belongs to is answered as it is, and loopback has no outer name.
    return hostname === address || hostname.startsWith('localhost') ? undefined : hostname;
  },
  cname: async (own) => (await resolveCname(own))[0],
  lookup: async (own) => {
    const { address } = await lookup(own);
    return (await lookupService(address, 0)).hostname;
  },
};

/** Undefined when it fails or takes longer than the whole detection may. */
function raced<T>(answer: Promise<T>, abort: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve) => {
    const give = () => resolve(undefined);
    if (abort.aborted) give();
    abort.addEventListener('abort', give, { once: true });
    answer.then(resolve, give).finally(() => abort.removeEventListener('abort', give));
  });
}
