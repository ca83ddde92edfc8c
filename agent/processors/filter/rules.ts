// From the configuration to what is dropped at each level of a signal. A condition of a higher
// level is asked first: what is dropped there is not looked at below.

import type { ComponentContext } from '../../../proto/contract/component.ts';
import type { Signal } from '../../../proto/otlp/model.ts';
import { failureOptions } from '../../ottl/failures.ts';
import { contextOfGroup, createConditions, type Condition } from '../../ottl/ottl.ts';
import type { OttlContextName, OttlView } from '../../ottl/view.ts';
import { createMatcher, type RecordMatch } from '../edit/match.ts';
import { editEventsInView, editPointsInView, type ViewSteps } from '../edit/views.ts';
import type { ConditionGroup, FilterConfig, LogMatch, MetricMatch } from './config.ts';
import { METRIC_CONVERTERS } from './converters.ts';

type Drops = ReadonlyMap<OttlContextName, readonly Condition[]>;

/** What to do to batches of a signal; undefined when nothing of it is filtered. */
export function createSteps(
  signal: Signal, config: FilterConfig, context: ComponentContext,
): ViewSteps | undefined {
  const drops = dropsOf(signal, config, context);
  const steps = STEPS[signal](drops);
  return Object.values(steps).some((step) => step !== undefined) ? steps : undefined;
}

const STEPS: Readonly<Record<Signal, (drops: Drops) => ViewSteps>> = {
  logs: (drops) => ({ ...originSteps(drops), record: keeping(drops.get('log')) }),
  traces: (drops) => {
    const keepSpan = keeping(drops.get('span'));
    const keepEvent = keeping(drops.get('spanevent'));
    return {
      ...originSteps(drops),
      record: keepEvent === undefined ? keepSpan : (view) => {
        if (keepSpan?.(view) === false) return false;
        // A span that lost all of its events is still one.
        if (view.span!.events.length > 0) editEventsInView(view, keepEvent);
        return true;
      },
    };
  },
  metrics: (drops) => {
    const keepMetric = keeping(drops.get('metric'));
    const keepPoint = keeping(drops.get('datapoint'));
    return {
      ...originSteps(drops),
      record: keepPoint === undefined ? keepMetric
        : (view) => keepMetric?.(view) !== false && editPointsInView(view, keepPoint),
    };
  },
};

const originSteps = (drops: Drops): ViewSteps => ({
  resource: keeping(drops.get('resource')),
  scope: keeping(drops.get('scope')),
});

function keeping(drops: readonly Condition[] | undefined): Condition | undefined {
  if (drops === undefined || drops.length === 0) return undefined;
  const [only] = drops;
  if (drops.length === 1) return (view) => !only!(view);
  return (view) => !drops.some((drop) => drop(view));
}

function dropsOf(signal: Signal, config: FilterConfig, context: ComponentContext): Drops {
  const drops = new Map<OttlContextName, Condition[]>();
  const add = (level: OttlContextName, condition: Condition) =>
    drops.set(level, [...drops.get(level) ?? [], condition]);
  const addTexts = (level: OttlContextName, texts: readonly string[], mode = config.error_mode) => {
    if (texts.length === 0) return;
    add(level, createConditions(texts, {
      context: level, functions: METRIC_CONVERTERS, world: context.world,
      ...failureOptions(mode, context),
    }));
  };
  for (const [level, texts] of levelsOf(signal, config)) addTexts(level, texts);
  for (const one of FLAT[signal](config)) {
    const group: ConditionGroup = typeof one === 'string' ? { conditions: [one] } : one;
    for (const text of group.conditions) {
      const level = group.context ?? contextOfGroup([], [text], signal, METRIC_CONVERTERS);
      addTexts(level, [text], group.error_mode);
    }
  }
  const older = olderDrop(signal, config);
  if (older !== undefined) add(RECORD_LEVEL[signal], older);
  return drops;
}

const RECORD_LEVEL = { traces: 'span', metrics: 'metric', logs: 'log' } as const;

const FLAT: Readonly<Record<Signal, (config: FilterConfig) => FilterConfig['log_conditions']>> = {
  traces: (config) => config.trace_conditions as FilterConfig['log_conditions'],
  metrics: (config) => config.metric_conditions as FilterConfig['log_conditions'],
  logs: (config) => config.log_conditions,
};

function levelsOf(
  signal: Signal, { traces, metrics, logs }: FilterConfig,
): readonly (readonly [OttlContextName, readonly string[]])[] {
  switch (signal) {
    case 'traces':
      return [['resource', traces.resource], ['span', traces.span],
        ['spanevent', traces.spanevent]];
    case 'metrics':
      return [['resource', metrics.resource], ['metric', metrics.metric],
        ['datapoint', metrics.datapoint]];
    case 'logs':
      return [['resource', logs.resource], ['log', logs.log_record]];
  }
}

/** What `include` does not choose and `exclude` does. */
function olderDrop(signal: Signal, config: FilterConfig): Condition | undefined {
  const { include, exclude } = olderMatches(signal, config);
  const wanted = include === undefined ? undefined : createMatcher(include);
  const unwanted = exclude === undefined ? undefined : createMatcher(exclude);
  if (wanted === undefined && unwanted === undefined) return undefined;
  return (view) => {
    const record = recordOf(signal, view);
    const { attributes } = 'attributes' in record ? record : { attributes: [] };
    const seen = { signal, resource: view.resource, scope: view.scope, record, attributes };
    return wanted?.(seen) === false || unwanted?.(seen) === true;
  };
}

function recordOf(signal: Signal, view: OttlView) {
  switch (signal) {
    case 'traces':
      return view.span!;
    case 'metrics':
      return view.metric!;
    case 'logs':
      return view.log!;
  }
}

interface Older {
  readonly include: RecordMatch | undefined;
  readonly exclude: RecordMatch | undefined;
}

function olderMatches(signal: Signal, { spans, metrics, logs }: FilterConfig): Older {
  switch (signal) {
    case 'traces':
      return spans;
    case 'metrics':
      return { include: ofMetrics(metrics.include), exclude: ofMetrics(metrics.exclude) };
    case 'logs':
      return { include: ofLogs(logs.include), exclude: ofLogs(logs.exclude) };
  }
}

/** One that names nothing is as if it were not there. */
function ofMetrics(match: MetricMatch): RecordMatch | undefined {
  if (match === undefined) return undefined;
  const { match_type: type, metric_names: names, resource_attributes: resources } = match;
  if (names === undefined && resources === undefined) return undefined;
  return {
    match_type: type === 'regexp' ? type : 'strict',
    metric_names: names,
    resources,
    log_severity_number: undefined,
  };
}

function ofLogs(match: LogMatch): RecordMatch | undefined {
  if (match === undefined) return undefined;
  const { match_type: type, ...properties } = match;
  if (Object.values(properties).every((property) => property === undefined)) return undefined;
  return {
    match_type: type,
    resources: match.resource_attributes,
    attributes: match.record_attributes,
    log_severity_texts: match.severity_texts,
    log_severity_number: match.severity_number,
    log_bodies: match.bodies,
  };
}
