// Editors that only the transform processor has, as its README documents them.

import type { FunctionSpec } from '../../ottl/functions/function.ts';
import { AGGREGATE_EDITORS } from './aggregate.ts';
import { CONVERT_EDITORS } from './convert.ts';
import { EXTRACT_EDITORS } from './extract.ts';
import { HISTOGRAM_EDITORS } from './histogram_buckets.ts';
import { SPAN_NAME_EDITORS } from './span_name.ts';

export const OWN_EDITORS: readonly FunctionSpec[] = [
  ...AGGREGATE_EDITORS, ...CONVERT_EDITORS, ...EXTRACT_EDITORS, ...HISTOGRAM_EDITORS,
  ...SPAN_NAME_EDITORS,
];
