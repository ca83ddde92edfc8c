// Changes the attributes of spans, log records and data points by a list of actions, for all
// records or for those that `include` and `exclude` leave. See edit/actions.ts for the actions and
// edit/match.ts for the choice.
//
// A batch in which nothing changes is handed on as it came.

import * as z from 'zod';
import { section } from '../../config/schema.ts';
import type { Batch } from '../../proto/contract/batch.ts';
import type { ProcessorFactory } from '../../proto/contract/component.ts';
import { rejected } from '../../proto/contract/outcome.ts';
import { SIGNALS } from '../../proto/otlp/model.ts';
import { DecodeError } from '../../proto/protobuf/error.ts';
import { attributeAction, createEdit, type AttributeEdit } from './edit/actions.ts';
import { createMatcher, recordMatch, type Matcher, type RecordView } from './edit/match.ts';
import { editAttributes, editRecords } from './edit/records.ts';

const createSchema = () => section({
  actions: z.array(attributeAction()).min(1)
    .describe('Changes, in the order in which they are made.'),
  include: recordMatch().describe('Only records that match are changed.'),
  exclude: recordMatch().describe('Records that match are not changed.'),
});

export type AttributesConfig = z.output<ReturnType<typeof createSchema>>;

export const attributesProcessor: ProcessorFactory<AttributesConfig> = {
  kind: 'processor',
  type: 'attributes',
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  create: (config, _context, next) => {
    const edit = createEdit(config.actions);
    const chosen = choice(config);
    return {
      start: async () => {},
      stop: async () => {},
      consume: async (batch, abort) => {
        let changed: Batch;
        try {
          changed = editBatch(batch, edit, chosen);
        } catch (error) {
          if (error instanceof DecodeError) return rejected(error.message);
          throw error;
        }
        return next.consume(changed, abort);
      },
    };
  },
};

/** Undefined when all records are chosen. */
function choice({ include, exclude }: AttributesConfig): Matcher | undefined {
  const wanted = include === undefined ? undefined : createMatcher(include);
  const unwanted = exclude === undefined ? undefined : createMatcher(exclude);
  if (wanted === undefined && unwanted === undefined) return undefined;
  return (view) => wanted?.(view) !== false && unwanted?.(view) !== true;
}

function editBatch(batch: Batch, edit: AttributeEdit, chosen: Matcher | undefined): Batch {
  const { signal } = batch;
  const edited = editRecords(batch, (record, around) => editAttributes(record, (attributes) => {
    const view: RecordView = { signal, ...around, record, attributes };
    return chosen?.(view) === false ? attributes : edit(attributes);
  }));
  return edited ?? batch;
}
