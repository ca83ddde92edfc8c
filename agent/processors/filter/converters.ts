// Converters that only the filter has: about the data points of a metric.

import type { Attributes, Metric } from '../../../proto/otlp/model.ts';
import { converter, type FunctionSpec } from '../../ottl/functions/function.ts';
import { literalText } from '../../ottl/functions/parameters.ts';
import { findKey } from '../../ottl/value.ts';

const somePoint = (metric: Metric, test: (attributes: Attributes) => boolean): boolean =>
  (metric.data?.dataPoints ?? []).some(({ attributes }) => test(attributes));

const hasKey = converter('HasAttrKeyOnDatapoint', { key: literalText() }, ({ key }) => (view) =>
  somePoint(view.metric!, (attributes) => findKey(attributes, key) !== undefined),
{ contexts: ['metric'], pure: false });

const hasPair = converter('HasAttrOnDatapoint', { key: literalText(), value: literalText() },
  ({ key, value }) => (view) => somePoint(view.metric!, (attributes) => {
    const found = findKey(attributes, key);
    return found?.type === 'string' && found.value === value;
  }), { contexts: ['metric'], pure: false });

export const METRIC_CONVERTERS: readonly FunctionSpec[] = [hasKey, hasPair];
