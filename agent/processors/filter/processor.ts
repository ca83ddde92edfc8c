// Drops what conditions of OTTL hold for: resources, spans and their events, metrics and their data
// points, log records. See config.ts for the ways to say so. What is dropped is counted.
//
// As in the Collector a span that lost all events stays, a metric without data points goes, and
// what is dropped at a higher level is not looked at below. A batch of which nothing is dropped is
// handed on as it came.

import type { Batch } from '../../../proto/contract/batch.ts';
import type { ProcessorFactory } from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected } from '../../../proto/contract/outcome.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { OttlFailure } from '../../ottl/fault.ts';
import { OttlView } from '../../ottl/view.ts';
import { createDropCounter } from '../edit/records.ts';
import { editViews } from '../edit/views.ts';
import { filterSchema, type FilterConfig } from './config.ts';
import { createSteps } from './rules.ts';

export const filterProcessor: ProcessorFactory<FilterConfig> = {
  kind: 'processor',
  type: 'filter',
  signals: SIGNALS,
  get schema() {
    return filterSchema();
  },
  create: (config, context, next) => {
    const steps = new Map(SIGNALS.map((signal) =>
      [signal, createSteps(signal, config, context)]));
    const view = new OttlView();
    const countDropped = createDropCounter(context, 'filter');
    const filtered = (batch: Batch): Batch | null => {
      const ofSignal = steps.get(batch.signal);
      return ofSignal === undefined ? batch : editViews(batch, view, ofSignal);
    };
    return {
      start: async () => {},
      stop: async () => {},
      consume: async (batch, abort) => {
        let kept: Batch | null;
        try {
          kept = filtered(batch);
        } catch (error) {
          if (error instanceof DecodeError) return rejected(error.message);
          if (error instanceof OttlFailure) {
            return rejected(`cannot filter the batch: ${error.message}`);
          }
          throw error;
        }
        const outcome = kept === null ? ACCEPTED : await next.consume(kept, abort);
        // What comes again is filtered again, and alike.
        if (outcome.status !== 'retryable') {
          countDropped(batch.signal, batch.itemCount - (kept?.itemCount ?? 0));
        }
        return outcome;
      },
    };
  },
};
