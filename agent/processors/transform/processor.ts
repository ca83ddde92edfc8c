// Changes spans, metrics and log records by statements of OTTL. Groups of statements run one after
// the other, each over the whole batch: at its level, once for each resource, scope, span, event,
// metric, data point or log record. A batch in which nothing changes is handed on as it came.

import type { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext, ProcessorFactory } from '../../../proto/contract/component.ts';
import { rejected } from '../../../proto/contract/outcome.ts';
import { SIGNALS, type Signal } from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { failureOptions } from '../../ottl/failures.ts';
import { OttlFailure } from '../../ottl/fault.ts';
import { contextOfGroup, createConditions, createStatements } from '../../ottl/ottl.ts';
import { OttlView, type OttlContextName } from '../../ottl/view.ts';
import { editEventsInView, editPointsInView, editViews, type ViewSteps } from '../edit/views.ts';
import { groupsOf, transformSchema, type StatementGroup, type TransformConfig } from './config.ts';
import { OWN_EDITORS } from './editors.ts';

export const transformProcessor: ProcessorFactory<TransformConfig> = {
  kind: 'processor',
  type: 'transform',
  signals: SIGNALS,
  get schema() {
    return transformSchema();
  },
  create: (config, context, next) => {
    const steps = new Map(SIGNALS.map((signal) => [signal, groupsOf(signal, config)
      .map((group) => createSteps(signal, group, { config, context }))]));
    const view = new OttlView();
    const transformed = (batch: Batch): Batch => steps.get(batch.signal)!
      .reduce((current, ofGroup) => editViews(current, view, ofGroup) ?? current, batch);
    return {
      start: async () => {},
      stop: async () => {},
      consume: async (batch, abort) => {
        let changed: Batch;
        try {
          changed = transformed(batch);
        } catch (error) {
          if (error instanceof DecodeError) return rejected(error.message);
          if (error instanceof OttlFailure) {
            return rejected(`cannot transform the batch: ${error.message}`);
          }
          throw error;
        }
        return next.consume(changed, abort);
      },
    };
  },
};

interface Making {
  readonly config: TransformConfig;
  readonly context: ComponentContext;
}

function createSteps(
  signal: Signal, { context: written, conditions, statements, error_mode: own }: StatementGroup,
  { config, context }: Making,
): ViewSteps {
  const level = written ?? contextOfGroup(statements, conditions, signal, OWN_EDITORS);
  const options = {
    context: level, functions: OWN_EDITORS, world: context.world,
    ...failureOptions(own ?? config.error_mode, context),
  };
  const run = createStatements(statements, options);
  const wanted = conditions.length === 0 ? undefined : createConditions(conditions, options);
  return stepsAt(level, (view) => {
    view.cache = NO_CACHE;
    if (wanted === undefined || wanted(view)) run(view);
    return true;
  });
}

const NO_CACHE: OttlView['cache'] = [];

function stepsAt(level: OttlContextName, step: (view: OttlView) => true): ViewSteps {
  switch (level) {
    case 'resource':
      return { resource: step };
    case 'scope':
      return { scope: step };
    case 'spanevent':
      return {
        record: (view) => {
          if (view.span!.events.length > 0) editEventsInView(view, step);
          return true;
        },
      };
    case 'datapoint':
      return {
        record: (view) => {
          editPointsInView(view, step);
          return true;
        },
      };
    default:
      return { record: step };
  }
}
