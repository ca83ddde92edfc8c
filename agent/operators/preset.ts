// preset: one of the ready lists of presets.ts, as one operator.

import * as z from 'zod';
import { parseZone } from '../times/zone.ts';
import { createFlow } from './flow.ts';
import { operatorList } from './pipeline.ts';
import { PRESETS } from './presets.ts';
import { flowOperator, operatorKeys } from './step.ts';

export const preset = flowOperator({
  keys: () => ({
    ...operatorKeys(),
    name: z.enum(Object.keys(PRESETS)).describe('Which format the lines have.'),
    location: z.string().refine((zone) => parseZone(zone) !== null, 'is not a time zone; write '
      + 'Local, UTC or a name such as Europe/Berlin')
      .describe('Time zone of times without one.').default('Local'),
  }),
  create: ({ name, location }, making, { send, fail, filtered }) => {
    let fault: string | null = null;
    const written = PRESETS[name]!.operators(location)
      .map((operator) => ({ on_error: 'send_quiet', ...operator }));
    const flow = createFlow(operatorList().parse(written), making, {
      // What one of them failed on goes through the others, too, and is a failure of the whole.
      failed: (_operator, why) => (fault ??= why),
      emit: (entry) => {
        const failed = fault;
        fault = null;
        if (failed === null) send(entry);
        else fail(entry, failed);
      },
      dropped: filtered,
      filtered,
    });
    return flow.push;
  },
});
