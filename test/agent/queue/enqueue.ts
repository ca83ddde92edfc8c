// A process for the tests of a kill: puts batches into the queue of the folder that it is given,
// from four senders, takes some, and prints the name of each batch that was answered `accepted`.

import { writeSync } from 'node:fs';
import { createFiles } from '../../../runtime/files.ts';
import { NEVER } from '../../contract/fakes.ts';
import { batchOf, openOn } from './open.ts';

const [folder] = process.argv.slice(2);
const { queue } = await openOn({ files: createFiles() }, { folder: folder! });

async function send(sender: number): Promise<never> {
  for (let number = 0; ; number++) {
    const name = `s${sender}.${number}`;
    const outcome = await queue.put(batchOf(name), NEVER);
    if (outcome.status === 'accepted') writeSync(1, `${name}\n`);
  }
}

await Promise.all([0, 1, 2, 3].map(send));
