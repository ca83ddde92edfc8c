// All component types of the agent: the one place that knows them.

import type { AnyFactory } from '../proto/contract/component.ts';
import { countConnector } from './connectors/count/connector.ts';
import { forwardConnector } from './connectors/forward.ts';
import { serviceGraphConnector } from './connectors/service_graph/connector.ts';
import { spanMetricsConnector } from './connectors/span_metrics/connector.ts';
import { debugExporter } from './exporters/debug.ts';
import { otlpExporter } from './exporters/otlp.ts';
import { otlpHttpExporter } from './exporters/otlp_http.ts';
import { prometheusExporter } from './exporters/prometheus/exporter.ts';
import { basicAuthExtension } from './extensions/basic_auth/extension.ts';
import { bearerTokenAuthExtension } from './extensions/bearer_token_auth.ts';
import { fileStorageExtension } from './extensions/file_storage.ts';
import { healthCheckExtension } from './extensions/health_check.ts';
import { attributesProcessor } from './processors/attributes.ts';
import { batchProcessor } from './processors/batch/processor.ts';
import { cumulativeToDeltaProcessor } from './processors/cumulative_to_delta.ts';
import { deltaToCumulativeProcessor } from './processors/delta_to_cumulative.ts';
import { intervalProcessor } from './processors/interval.ts';
import { maskProcessor } from './processors/mask/processor.ts';
import { memoryLimiterProcessor } from './processors/memory_limiter.ts';
import { probabilisticSamplerProcessor } from './processors/probabilistic_sampler.ts';
import { redactionProcessor } from './processors/redaction/processor.ts';
import { resourceProcessor } from './processors/resource.ts';
import { resourceDetectionProcessor } from './processors/resource_detection/processor.ts';
import { tailSamplingProcessor } from './processors/tail_sampling/processor.ts';
import { dockerReceiver } from './receivers/docker/receiver.ts';
import { dockerStatsReceiver } from './receivers/docker_stats/receiver.ts';
import { fileLogReceiver } from './receivers/file_log/receiver.ts';
import { hostMetricsReceiver } from './receivers/host_metrics/receiver.ts';
import { internalMetricsReceiver } from './receivers/internal_metrics.ts';
import { journaldReceiver } from './receivers/journald/receiver.ts';
import { otlpReceiver } from './receivers/otlp.ts';
import { prometheusReceiver } from './receivers/prometheus/receiver.ts';

export const factories: readonly AnyFactory[] = [
  dockerReceiver,
  dockerStatsReceiver,
  fileLogReceiver,
  hostMetricsReceiver,
  internalMetricsReceiver,
  journaldReceiver,
  otlpReceiver,
  prometheusReceiver,
  attributesProcessor,
  batchProcessor,
  cumulativeToDeltaProcessor,
  deltaToCumulativeProcessor,
  intervalProcessor,
  maskProcessor,
  memoryLimiterProcessor,
  probabilisticSamplerProcessor,
  redactionProcessor,
  resourceProcessor,
  resourceDetectionProcessor,
  tailSamplingProcessor,
  debugExporter,
  otlpExporter,
  otlpHttpExporter,
  prometheusExporter,
  countConnector,
  forwardConnector,
  serviceGraphConnector,
  spanMetricsConnector,
  basicAuthExtension,
  bearerTokenAuthExtension,
  fileStorageExtension,
  healthCheckExtension,
];
