// All component types of the agent: the one place that knows them.

import type { AnyFactory } from '../proto/contract/component.ts';
import { debugExporter } from './exporters/debug.ts';
import { healthCheckExtension } from './extensions/health_check.ts';
import { attributesProcessor } from './processors/attributes.ts';
import { batchProcessor } from './processors/batch/processor.ts';
import { memoryLimiterProcessor } from './processors/memory_limiter.ts';
import { resourceProcessor } from './processors/resource.ts';
import { hostMetricsReceiver } from './receivers/host_metrics/receiver.ts';

export const factories: readonly AnyFactory[] = [
  hostMetricsReceiver,
  attributesProcessor,
  batchProcessor,
  memoryLimiterProcessor,
  resourceProcessor,
  debugExporter,
  healthCheckExtension,
];
