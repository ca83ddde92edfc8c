// From a discovered address to what is scraped: labels with defaults, relabelled, then a URL, the
// labels that every sample gets, and the resource that they belong to. As in Prometheus 3: no port
// is added to an address that has none.

import { isIP } from 'node:net';
import type { KeyValue } from '../../../proto/otlp/model.ts';
import { parseDuration } from '../../../config/schema.ts';
import type { LabelMap, Relabelling } from './relabel.ts';

/** What a source of targets knows: addresses, and labels that all of them have. */
export interface FoundTargets {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface Target {
  /** The same for the same labels: a target that is found again is not begun anew. */
  readonly key: string;
  readonly url: URL;
  /** What the log and the counters call it: the URL without parameters. */
  readonly name: string;
  /** Those that its samples get, `job` and `instance` among them. */
  readonly labels: LabelMap;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

export interface TargetOptions {
  readonly job: string;
  readonly scheme: string;
  readonly path: string;
  readonly params: Readonly<Record<string, readonly string[]>>;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly relabel: Relabelling;
}

/** Null: the rules dropped it. A text: why it cannot be one. */
export function createTarget(
  address: string,
  found: FoundTargets,
  options: TargetOptions,
): Target | string | null {
  const labels = discoveredLabels(address, found, options);
  if (!options.relabel(labels)) return null;
  const host = labels.get('__address__') ?? '';
  if (host === '') return 'it has no __address__';
  if (/[/\s?#]/.test(host)) return 'its __address__ is not host:port';
  const intervalMs = parseDuration(labels.get('__scrape_interval__'));
  const timeoutMs = parseDuration(labels.get('__scrape_timeout__'));
  if (!intervalMs || !timeoutMs) return 'its scrape interval or timeout is not a duration above 0';
  if (timeoutMs > intervalMs) return 'its scrape timeout is longer than its interval';
  const url = urlOf(labels, host, options.params);
  if (url === null) return 'its labels do not make a URL';
  for (const name of [...labels.keys()]) if (name.startsWith('__meta_')) labels.delete(name);
  if (!labels.get('instance')) labels.set('instance', host);
  const key = JSON.stringify([...labels].sort(([a], [b]) => (a < b ? -1 : 1)));
  for (const [name, value] of [...labels]) {
    if (name.startsWith('__') || value === '') labels.delete(name);
  }
  return {
    key, url, labels, intervalMs, timeoutMs, name: `${url.origin}${url.pathname}`,
  };
}

function discoveredLabels(
  address: string,
  found: FoundTargets,
  { job, scheme, path, params, intervalMs, timeoutMs }: TargetOptions,
): LabelMap {
  const labels: LabelMap = new Map(Object.entries(found.labels));
  labels.set('__address__', address);
  const defaults: [string, string][] = [
    ['job', job],
    ['__scheme__', scheme],
    ['__metrics_path__', path],
    ['__scrape_interval__', `${intervalMs}ms`],
    ['__scrape_timeout__', `${timeoutMs}ms`],
    ...Object.entries(params).flatMap(([name, values]): [string, string][] =>
      (values.length === 0 ? [] : [[`__param_${name}`, values[0]!]])),
  ];
  for (const [name, value] of defaults) if (!labels.get(name)) labels.set(name, value);
  return labels;
}

function urlOf(
  labels: LabelMap,
  host: string,
  params: Readonly<Record<string, readonly string[]>>,
): URL | null {
  const scheme = labels.get('__scheme__') ?? '';
  if (scheme !== 'http' && scheme !== 'https') return null;
  const path = labels.get('__metrics_path__') ?? '';
  let url: URL;
  try {
    url = new URL(`${scheme}://${host}${path.startsWith('/') ? path : `/${path}`}`);
  } catch {
    return null;
  }
  for (const [name, values] of Object.entries(params)) {
    for (const value of values.slice(1)) url.searchParams.append(name, value);
  }
  for (const [label, value] of labels) {
    if (!label.startsWith('__param_')) continue;
    const name = label.slice('__param_'.length);
    const others = url.searchParams.getAll(name);
    url.searchParams.delete(name);
    for (const one of [value, ...others]) url.searchParams.append(name, one);
  }
  return url;
}

/** The resource of a job and an instance, as the Collector names it. */
export function resourceOf(job: string, instance: string, scheme: string): KeyValue[] {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(instance);
  const host = match === null ? instance : match[1] ?? match[2]!;
  const pairs: [string, string][] = [['service.name', job], ['service.instance.id', instance]];
  if (isTelling(host)) pairs.push(['server.address', host]);
  if (match !== null) pairs.push(['server.port', match[3]!]);
  pairs.push(['url.scheme', scheme]);
  return pairs.map(([key, value]) => ({ key, value: { type: 'string', value } }));
}

/** Loopback and any-addresses say nothing about a machine to anybody else. */
function isTelling(host: string): boolean {
  if (host === '' || host === 'localhost') return false;
  if (isIP(host) === 4) return !/^(?:127\.|0\.0\.0\.0$|22[4-9]\.|23\d\.)/.test(host);
  return isIP(host) !== 6 || !/^(?:::1?|ff[0-9a-f]{2}:.*)$/i.test(host);
}
