// The process that killed.test.ts kills: follows the logs of a folder and appends each line that
// it accepts to a file. Arguments: folder of the logs, folder of the checkpoints, the file.

import { appendFileSync } from 'node:fs';
import { fileLogReceiver } from '../../../../agent/receivers/file_log/receiver.ts';
import { ACCEPTED } from '../../../../proto/contract/outcome.ts';
import { itemKeys, testContext } from '../../../contract/fakes.ts';
import { asLines } from './following.ts';

const [folder, stateFolder, accepted] = process.argv.slice(2) as [string, string, string];
const config = fileLogReceiver.schema.parse({
  include: [`${folder}/app.log*`], start_at: 'beginning', poll_interval: '10ms',
});
const receiver = fileLogReceiver.create(config, testContext({ folder: stateFolder }), {
  consume: async (batch) => {
    appendFileSync(accepted, `\0${asLines(itemKeys(batch))}`);
    return ACCEPTED;
  },
});
await receiver.start();
// The pipe of the parent keeps this process alive, and ends it when the parent is gone.
process.stdin.on('end', () => process.exit(0)).resume();
