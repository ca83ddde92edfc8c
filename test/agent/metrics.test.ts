// Proves docs/metrics.md: an agent in which every component runs registers no counter that the page
// does not name, with the labels that it names, and the page names none that the program does not
// know. Counters that appear only when something goes wrong, and those of the backend, are looked
// up in the sources.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startAgent } from '../../agent/main.ts';
import { NEVER, NOW, temporaryFolder } from '../contract/fakes.ts';
import { withoutLeaks } from '../contract/leaks.ts';

const root = `${import.meta.dirname}/../../`;
const page = readFileSync(`${root}docs/metrics.md`, 'utf8');

/** Names in the rows of a section, each with its labels. */
function namesIn(section: string): Map<string, string[]> {
  const text = page.split(/^## /m).find((one) => one.startsWith(`${section}\n`))!;
  const rows = text.split('\n').filter((line) => line.startsWith('| `'));
  return new Map(rows.flatMap((row) => {
    const [, names = '', labels = ''] = row.split('|');
    const list = labels.trim() === '' ? [] : labels.trim().split(', ').sort();
    return [...names.matchAll(/`(\w+)`/g)].map((match) => [match[1]!, list] as const);
  }));
}

function sourcesIn(...folders: string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(root + folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => readFileSync(join(root, folder, path), 'utf8')));
}

/** Names that stand as a whole in sources below these folders; prefixes of names, too. */
function literalsIn(...folders: string[]): Set<string> {
  return new Set(sourcesIn(...folders).flatMap((text) =>
    [...text.matchAll(/'((?:binnacle|otelcol)_\w+)'/g)].map((match) => match[1]!)));
}

const CONFIG = (logs: string) => `
receivers:
  otlp: { protocols: { grpc: { endpoint: "127.0.0.1:0" }, http: { endpoint: "127.0.0.1:0" } } }
  file_log: { include: ["${logs}"], storage: file_storage }
  host_metrics: { initial_delay: 1h, scrapers: { load: } }
processors:
  memory_limiter: { check_interval: 1s, limit_mib: 4096 }
  batch: { timeout: 5ms }
exporters:
  debug: { output_paths: [stdout], use_internal_logger: false, sampling_initial: 0,
    sampling_thereafter: 0 }
  otlp: { endpoint: "127.0.0.1:1", tls: { insecure: true } }
service:
  telemetry: { logs: { level: error }, metrics: { address: "127.0.0.1:0" } }
  pipelines:
    logs:
      receivers: [otlp, file_log]
      processors: [memory_limiter, batch]
      exporters: [debug, otlp]
    metrics:
      receivers: [otlp, host_metrics]
      processors: [memory_limiter, batch]
      exporters: [debug, otlp]
    traces: { receivers: [otlp], processors: [memory_limiter, batch], exporters: [debug, otlp] }
`;

async function runningMetrics(): Promise<string> {
  const folder = temporaryFolder();
  const file = join(folder, 'agent.yaml');
  writeFileSync(file, CONFIG(join(folder, '*.log')));
  const env = { BINNACLE_DATA_DIR: folder };
  const agent = await startAgent({ files: [file], env, version: '1.2.3' });
  try {
    const headers = { connection: 'close', 'content-type': 'application/json' };
    const bad = await fetch(`http://${agent.addresses['OTLP HTTP']}/v1/logs`,
      { method: 'POST', body: 'no JSON', headers });
    assert.equal(bad.status, 400, await bad.text());
    return await (await fetch(agent.addresses['Agent metrics']!, { headers })).text();
  } finally {
    await agent.stop(NEVER);
    await agent.stop(NOW);
  }
}

test('docs: docs/metrics.md has every counter of an agent, with its labels', () =>
  withoutLeaks(async () => {
    const text = await runningMetrics();
    const documented = namesIn('Agent');
    const helps = [...text.matchAll(/^# HELP (\S+) (.*)$/gm)];
    assert.ok(helps.length > 20);
    for (const [, name, help] of helps) {
      assert.ok(documented.has(name!), `${name} is not in docs/metrics.md`);
      assert.match(help!, /^[A-Z].*\.$/, `${name}: the help is no sentence`);
    }
    for (const [, name, labels = ''] of text.matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
      const keys = [...labels.matchAll(/(\w+)="/g)].map((match) => match[1]!);
      assert.deepEqual(keys, documented.get(name!), name);
    }
    const known = literalsIn('agent', 'proto');
    const shown = new Set(helps.map(([, name]) => name!));
    assert.deepEqual([...known].filter((name) => !documented.has(name)
      && ![...documented.keys()].some((other) => other.startsWith(`${name}_`))), []);
    assert.deepEqual([...documented.keys()].filter((name) =>
      !known.has(name) && !shown.has(name)), []);
  }));

test('docs: docs/metrics.md has the counters in the sources of the backend', () => {
  const documented = namesIn('Backend');
  const text = sourcesIn('backend', 'proto').join('\n');
  const called = [...text.matchAll(/(?:counter|gauge)\(\s*'(binnacle_\w+)'/g)]
    .map((match) => match[1]!);
  assert.ok(called.length > 10);
  assert.deepEqual(called.filter((name) => !documented.has(name)), []);
  // The writer puts its prefix before the rest of the name.
  assert.deepEqual([...documented.keys()].filter((name) => !text.includes(`'${name}'`)
    && !text.includes(`'${name.replace('binnacle_storage_', '')}'`)), []);
});
