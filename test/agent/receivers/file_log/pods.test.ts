// Proves that the logs of pods are found by themselves and told with their pods, by the
// configuration that docs/receivers.md gives ("Logs of pods"): pods that come and go, files that
// are rotated, lines that the container runtime has cut. The tree is laid out as the kubelet lays
// out /var/log/pods.

import assert from 'node:assert/strict';
import { renameSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { temporaryFolder } from '../../../contract/fakes.ts';
import { follow, type Following } from './following.ts';

const UID = '0b3cba5d-7d28-4a79-a2d2-3b1d5f9a2c11';

/** The example of the documentation, with another folder. */
function documented(folder: string): Record<string, unknown> {
  const docs = readFileSync(join(import.meta.dirname, '../../../../docs/receivers.md'), 'utf8');
  const [, section = ''] = docs.split('\n### Logs of pods\n');
  const example = /```yaml\n([\s\S]*?)```/.exec(section)![1]!;
  const { receivers } = parse(example.replaceAll('/var/log/pods', folder));
  return receivers.file_log;
}

const line = (text: string, tag = 'F', stream = 'stdout') =>
  `2026-01-02T03:04:05.123456789Z ${stream} ${tag} ${text}\n`;

function told(following: Following): string[] {
  return following.sink.received.flatMap((batch) => batch.is('logs')
    ? batch.request.resourceLogs.flatMap(({ resource, scopeLogs }) => {
      const of = (key: string) => resource!.attributes.find((one) => one.key === key)?.value.value;
      const from = ['k8s.namespace.name', 'k8s.pod.name', 'k8s.container.name',
        'k8s.container.restart_count'].map(of).join('/');
      return scopeLogs.flatMap(({ logRecords }) =>
        logRecords.map(({ body }) => `${from} ${String(body!.value)}`));
    }) : []);
}

test('file_log: pods are found with their names, over rotations and restarts', async () => {
  const place = { folder: temporaryFolder(), stateFolder: temporaryFolder() };
  const pods = await follow(documented(place.folder), place);
  const file = `shop_web-5d9_${UID}/app/0.log`;
  pods.write(file, line('one') + line('cut ', 'P') + line('in two'));
  pods.write(`observability_binnacle-agent-x1_${UID}/agent/0.log`, line('own'));
  await pods.flush();
  renameSync(pods.path(file), `${pods.path(file)}.20260102-030405`);
  pods.write(file, line('after', 'F', 'stderr'));
  pods.write(`shop_web-5d9_${UID}/app/1.log`, line('restarted'));
  await pods.flush();
  await pods.flush();
  assert.deepEqual(told(pods).sort(), [
    'shop/web-5d9/app/0 after', 'shop/web-5d9/app/0 cut in two', 'shop/web-5d9/app/0 one',
    'shop/web-5d9/app/1 restarted',
  ]);
  await pods.stop();
});
