// Profiles of this very process: their form is V8's, one at a time, and a stop ends one early.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pprofExtension } from '../../../agent/extensions/pprof.ts';
import { createSink, NEVER, testContext } from '../../contract/fakes.ts';
import { withoutLeaks } from '../../contract/leaks.ts';

const withPprof = (body: (url: string, stop: () => Promise<void>) => Promise<void>) =>
  withoutLeaks(async (world) => {
    const config = pprofExtension.schema.parse({ endpoint: '127.0.0.1:0' });
    const extension = pprofExtension.create(config, testContext({ id: 'pprof', world }),
      createSink());
    await extension.start();
    const stop = () => extension.stop(NEVER);
    try {
      await body(`http://${extension.addresses!()['pprof']}/debug/pprof`, stop);
    } finally {
      await stop();
    }
  });

const get = (url: string) => fetch(url, { headers: { connection: 'close' } });

test('pprof: a profile of the CPU and one of the heap', () => withPprof(async (url) => {
  const cpu = await (await get(`${url}/profile?seconds=0.2`)).json() as Record<string, unknown>;
  assert.ok(Array.isArray(cpu['nodes']) && Array.isArray(cpu['samples']));
  const heap = await (await get(`${url}/heap?seconds=0.1`)).json() as Record<string, unknown>;
  assert.ok('head' in heap && Array.isArray(heap['samples']));
  assert.match(await (await get(`${url}/`)).text(), /profile\?seconds/);
  const other = await get(`${url}/mutex`);
  assert.equal(other.status, 404);
  await other.text();
}));

test('pprof: one at a time', () => withPprof(async (url) => {
  const first = get(`${url}/profile?seconds=0.5`);
  const others = await Promise.all([0, 1].map(async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const answer = await get(`${url}/heap?seconds=0.1`);
    await answer.text();
    return answer.status;
  }));
  assert.deepEqual(others, [503, 503]);
  assert.equal((await (await first).json() as { nodes: unknown[] }).nodes.length > 0, true);
}));

test('pprof: a stop ends what is under way', () => withPprof(async (url, stop) => {
  const first = get(`${url}/profile?seconds=300`).then((answer) => answer.text(), () => '');
  await new Promise((resolve) => setTimeout(resolve, 100));
  await stop();
  await first;
}));

test('pprof: other hosts only when that is said', () => {
  const { schema } = pprofExtension;
  assert.equal(schema.safeParse({ endpoint: '0.0.0.0:1777' }).success, false);
  assert.equal(schema.safeParse({ endpoint: '0.0.0.0:1777', allow_remote: true }).success, true);
  assert.equal(schema.safeParse({ save_to_file: 'x' }).success, false);
});
