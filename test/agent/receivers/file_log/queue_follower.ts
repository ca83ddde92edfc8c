// The process that killed.test.ts kills with a disk queue: file_log → batch → queue, joined by the
// graph of the agent. What is sent is appended to a file, a line for each batch: its id and its
// lines. Arguments: folder of the logs, data folder, the file.

import { appendFileSync } from 'node:fs';
import { z } from 'zod';
import { createGraph } from '../../../../agent/graph/graph.ts';
import { batchProcessor } from '../../../../agent/processors/batch/processor.ts';
import { createQueuedExporter } from '../../../../agent/queue/exporter.ts';
import { fileLogReceiver } from '../../../../agent/receivers/file_log/receiver.ts';
import type { ExporterFactory } from '../../../../proto/contract/component.ts';
import { ACCEPTED, retryable } from '../../../../proto/contract/outcome.ts';
import { itemKeys, testContext } from '../../../contract/fakes.ts';
import { SIZE } from '../../queue/open.ts';
import { RETRY } from '../../queue/peer.ts';

const [folder, dataFolder, sent] = process.argv.slice(2) as [string, string, string];

const recorder: ExporterFactory<unknown> = {
  kind: 'exporter', type: 'recorder', signals: ['logs'], schema: z.unknown(),
  create: (_config, context) => createQueuedExporter(async () => ({
    send: async (batch) => {
      // So that the queue has something in it when the process dies.
      await context.world.clock.sleep(context.world.random.float() * 5);
      if (context.world.random.float() < 0.1) return retryable('not now');
      // The line end stands first: what was torn by a kill must not be joined to it.
      appendFileSync(sent, `\n${JSON.stringify({ id: batch.id, lines: itemKeys(batch) })}`);
      return ACCEPTED;
    },
    close: async () => {},
  }), {
    context,
    delivery: { ...context, retry: RETRY, concurrency: 2 },
    // Small segments, so that they are removed all the time.
    queue: { size: { ...SIZE, bytesMax: 600_000 }, whenFull: 'refuse' },
  }),
};
const config = (type: string, settings: unknown) =>
  new Map([[type, { id: type, type, config: settings }]]);
const graph = createGraph({
  ...testContext({ folder: dataFolder }),
  factories: [fileLogReceiver, batchProcessor, recorder],
  config: {
    receivers: config('file_log', fileLogReceiver.schema.parse({
      include: [`${folder}/app.log*`], start_at: 'beginning', poll_interval: '10ms',
    })),
    processors: config('batch', batchProcessor.schema.parse({ timeout: '20ms' })),
    exporters: config('recorder', {}),
    connectors: new Map(),
    extensions: new Map(),
    pipelines: [{ id: 'logs', signal: 'logs', receivers: ['file_log'], processors: ['batch'],
      exporters: ['recorder'] }],
  },
});
await graph.start();
// The pipe of the parent keeps this process alive, and ends it when the parent is gone.
process.stdin.on('end', () => process.exit(0)).resume();
