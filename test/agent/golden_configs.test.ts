// Proves that configurations as people have them for the Collector (test/golden/config, written
// by us, by mixes of components) validate without a problem and run: each is loaded, with the
// addresses that it listens on moved to free ports of this machine and its folders to one of its
// own, and its pipelines are started and stopped.

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadComponents } from '../../agent/components.ts';
import { createGraph } from '../../agent/graph/graph.ts';
import { describeProblems } from '../../config/errors.ts';
import { loadAgentConfig } from '../../config/pipelines.ts';
import { createCounters } from '../../runtime/counters.ts';
import { createFiles } from '../../runtime/files.ts';
import { createWorld } from '../../runtime/world.ts';
import { createRecordingLog, temporaryFolder } from '../contract/fakes.ts';
import { createAuthority } from '../proto/certificate.ts';

const factories = await loadComponents();
const FOLDER = `${import.meta.dirname}/../golden/config`;
const WORK = temporaryFolder();
const ENV = {
  CERTS: join(WORK, 'certs'), CLIENT_USER: 'agent', CLIENT_PASSWORD: 'correct horse', WORK,
  INGEST_KEY: 'key', POD_IP: '127.0.0.1',
};
const authority = createAuthority('ca');
const certificate = authority.issue('backend', ['backend.internal']);
mkdirSync(ENV.CERTS);
writeFileSync(join(ENV.CERTS, 'ca.crt'), authority.cert);
writeFileSync(join(ENV.CERTS, 'server.crt'), certificate.cert);
writeFileSync(join(ENV.CERTS, 'server.key'), certificate.key);
const STOP_MS = 10_000;

const names = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml')).sort();

/** What a file listens on becomes a free port of this machine; its folders lie in ours. */
function moved(text: string, folder: string): string {
  return text
    .replaceAll(/(0\.0\.0\.0|localhost|127\.0\.0\.1|\$\{env:POD_IP\}):\d{4,5}\b/g, '127.0.0.1:0')
    .replaceAll('/var/lib/otelcol', folder);
}

test('golden configurations: there are at least forty', () => {
  assert.ok(names.length >= 40, String(names.length));
});

for (const name of names) {
  test(`golden configurations: ${name} validates and runs`, async () => {
    const folder = join(WORK, name);
    mkdirSync(folder);
    const file = join(folder, 'agent.yaml');
    writeFileSync(file, moved(readFileSync(join(FOLDER, name), 'utf8'), folder));
    const { config, warnings } = await loadAgentConfig({
      files: [file], env: ENV, disk: createFiles(), components: factories,
    });
    assert.equal(describeProblems(warnings), '');
    const log = createRecordingLog();
    const graph = createGraph({ config, factories, world: createWorld(), log,
      counters: createCounters(), folder, agentId: '11111111-2222-4333-8444-555555555555' });
    await graph.start();
    assert.ok(graph.ready());
    await graph.stop(AbortSignal.timeout(STOP_MS));
    const errors = log.lines.filter(({ level }) => level === 'error');
    assert.deepEqual(errors.map(({ message }) => message), []);
  });
}
