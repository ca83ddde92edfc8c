// Changes the attributes of resources by a list of actions (see edit/actions.ts). The new
// resource is spliced into the bytes of the batch; records are never decoded.

import * as z from 'zod';
import { section } from '../../config/schema.ts';
import type { ProcessorFactory } from '../../proto/contract/component.ts';
import { rejected } from '../../proto/contract/outcome.ts';
import { SIGNALS } from '../../proto/otlp/model.ts';
import { attributeAction, createEdit } from './edit/actions.ts';
import { editResourceAttributes } from './edit/resources.ts';

const createSchema = () => section({
  attributes: z.array(attributeAction()).min(1)
    .describe('Changes, in the order in which they are made.'),
});

export type ResourceConfig = z.output<ReturnType<typeof createSchema>>;

export const resourceProcessor: ProcessorFactory<ResourceConfig> = {
  kind: 'processor',
  type: 'resource',
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  create: (config, _context, next) => {
    const edit = createEdit(config.attributes);
    return {
      start: async () => {},
      stop: async () => {},
      consume: async (batch, abort) => {
        const edited = editResourceAttributes(batch, edit);
        return 'reason' in edited ? rejected(edited.reason) : next.consume(edited.batch, abort);
      },
    };
  },
};
