// Changes the attributes of spans, log records and data points by a list of actions, for all
// records or for those that `include` and `exclude` leave. See edit/actions.ts for the actions and
// edit/match.ts for the choice.
//
// A batch in which nothing changes is handed on as it came. Otherwise new objects are built around
// what stayed, down to the changed lists; the batch that came in is not touched.

import * as z from 'zod';
import { section } from '../../config/schema.ts';
import { Batch } from '../../proto/contract/batch.ts';
import type { ProcessorFactory } from '../../proto/contract/component.ts';
import { rejected } from '../../proto/contract/outcome.ts';
import { envelopeOf } from '../../proto/otlp/codec.ts';
import {
  SIGNALS, type Attributes, type DataPoint, type Metric, type Signal,
} from '../../proto/otlp/model.ts';
import { DecodeError } from '../../proto/protobuf/error.ts';
import {
  attributeAction, createEdit, mapList, type AttributeEdit,
} from './edit/actions.ts';
import { createMatcher, recordMatch, type Matcher, type RecordView } from './edit/match.ts';

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
  const envelope = envelopeOf(signal);
  const groups = envelope.groups(batch.request);
  const changed = mapList(groups, (group) => {
    const scopes = envelope.scopes(group);
    const newScopes = mapList(scopes, (scope) => {
      const records = envelope.records(scope);
      const surroundings = { signal, resource: group.resource, scope: scope.scope };
      const newRecords = mapList(records, (record) =>
        editRecord(signal, record as Recorded, (attributes) => {
          const view: RecordView = { ...surroundings, record, attributes };
          return chosen?.(view) === false ? attributes : edit(attributes);
        }));
      return newRecords === records
        ? scope
        : envelope.scope(scope.scope, newRecords, scope.schemaUrl);
    });
    return newScopes === scopes
      ? group
      : envelope.group(group.resource, newScopes, group.schemaUrl);
  });
  return changed === groups ? batch
    : Batch.fromRequest(signal, envelope.request(changed), batch.origins);
}

/** A span or log record, which has attributes, or a metric, whose data points have. */
type Recorded = Metric | { readonly attributes: Attributes };

function editRecord(signal: Signal, record: Recorded, edit: AttributeEdit): Recorded {
  if (signal === 'metrics') return editMetric(record as Metric, edit);
  const { attributes } = record as { readonly attributes: Attributes };
  const changed = edit(attributes);
  return changed === attributes ? record : { ...record, attributes: changed };
}

function editMetric(metric: Metric, edit: AttributeEdit): Metric {
  if (metric.data === undefined) return metric;
  const points: readonly DataPoint[] = metric.data.dataPoints;
  const changed = mapList(points, (point) => {
    const attributes = edit(point.attributes);
    return attributes === point.attributes ? point : { ...point, attributes };
  });
  if (changed === points) return metric;
  return { ...metric, data: { ...metric.data, dataPoints: changed } as Metric['data'] };
}
