// All component types of the agent: the one place that knows them. A module is loaded when a
// configuration names its component: whatever is loaded costs memory, and time at every start.

import assert from 'node:assert/strict';
import type { AnyFactory, ComponentKind } from '../proto/contract/component.ts';

interface Listed {
  readonly kind: ComponentKind;
  /** The canonical one first, as the factory has them; a test compares. */
  readonly spellings: readonly [type: string, ...aliases: string[]];
  readonly load: () => Promise<AnyFactory>;
}

const one = (
  kind: ComponentKind,
  spellings: Listed['spellings'],
  load: () => Promise<AnyFactory>,
): Listed => ({ kind, spellings, load });

const COMPONENTS: readonly Listed[] = [
  one('receiver', ['docker'], async () =>
    (await import('./receivers/docker/receiver.ts')).dockerReceiver),
  one('receiver', ['docker_stats', 'dockerstats'], async () =>
    (await import('./receivers/docker_stats/receiver.ts')).dockerStatsReceiver),
  one('receiver', ['file_log', 'filelog'], async () =>
    (await import('./receivers/file_log/receiver.ts')).fileLogReceiver),
  one('receiver', ['host_metrics', 'hostmetrics'], async () =>
    (await import('./receivers/host_metrics/receiver.ts')).hostMetricsReceiver),
  one('receiver', ['internal_metrics'], async () =>
    (await import('./receivers/internal_metrics.ts')).internalMetricsReceiver),
  one('receiver', ['journald'], async () =>
    (await import('./receivers/journald/receiver.ts')).journaldReceiver),
  one('receiver', ['otlp'], async () =>
    (await import('./receivers/otlp.ts')).otlpReceiver),
  one('receiver', ['prometheus'], async () =>
    (await import('./receivers/prometheus/receiver.ts')).prometheusReceiver),
  one('receiver', ['statsd'], async () =>
    (await import('./receivers/statsd/receiver.ts')).statsdReceiver),
  one('receiver', ['stdin'], async () => (await import('./receivers/stdin.ts')).stdinReceiver),
  one('receiver', ['syslog'], async () =>
    (await import('./receivers/syslog/receiver.ts')).syslogReceiver),
  one('processor', ['attributes'], async () =>
    (await import('./processors/attributes.ts')).attributesProcessor),
  one('processor', ['batch'], async () =>
    (await import('./processors/batch/processor.ts')).batchProcessor),
  one('processor', ['cardinality_guard', 'cardinality_guardian'], async () =>
    (await import('./processors/cardinality_guard/processor.ts')).cardinalityGuardProcessor),
  one('processor', ['cumulative_to_delta', 'cumulativetodelta'], async () =>
    (await import('./processors/cumulative_to_delta.ts')).cumulativeToDeltaProcessor),
  one('processor', ['delta_to_cumulative', 'deltatocumulative'], async () =>
    (await import('./processors/delta_to_cumulative.ts')).deltaToCumulativeProcessor),
  one('processor', ['drain'], async () =>
    (await import('./processors/drain/processor.ts')).drainProcessor),
  one('processor', ['filter'], async () =>
    (await import('./processors/filter/processor.ts')).filterProcessor),
  one('processor', ['interval'], async () =>
    (await import('./processors/interval.ts')).intervalProcessor),
  one('processor', ['log_dedup', 'logdedup'], async () =>
    (await import('./processors/log_dedup/processor.ts')).logDedupProcessor),
  one('processor', ['mask'], async () =>
    (await import('./processors/mask/processor.ts')).maskProcessor),
  one('processor', ['memory_limiter'], async () =>
    (await import('./processors/memory_limiter.ts')).memoryLimiterProcessor),
  one('processor', ['probabilistic_sampler'], async () =>
    (await import('./processors/probabilistic_sampler.ts')).probabilisticSamplerProcessor),
  one('processor', ['rate_limit'], async () =>
    (await import('./processors/rate_limit.ts')).rateLimitProcessor),
  one('processor', ['redaction'], async () =>
    (await import('./processors/redaction/processor.ts')).redactionProcessor),
  one('processor', ['resource'], async () =>
    (await import('./processors/resource.ts')).resourceProcessor),
  one('processor', ['resource_detection', 'resourcedetection'], async () =>
    (await import('./processors/resource_detection/processor.ts')).resourceDetectionProcessor),
  one('processor', ['tail_sampling'], async () =>
    (await import('./processors/tail_sampling/processor.ts')).tailSamplingProcessor),
  one('processor', ['transform'], async () =>
    (await import('./processors/transform/processor.ts')).transformProcessor),
  one('exporter', ['debug', 'logging'], async () =>
    (await import('./exporters/debug.ts')).debugExporter),
  one('exporter', ['file'], async () =>
    (await import('./exporters/file/exporter.ts')).fileExporter),
  one('exporter', ['load_balancing', 'loadbalancing'], async () =>
    (await import('./exporters/load_balancing/exporter.ts')).loadBalancingExporter),
  one('exporter', ['otlp', 'otlp_grpc'], async () =>
    (await import('./exporters/otlp.ts')).otlpExporter),
  one('exporter', ['otlp_http', 'otlphttp'], async () =>
    (await import('./exporters/otlp_http.ts')).otlpHttpExporter),
  one('exporter', ['prometheus'], async () =>
    (await import('./exporters/prometheus/exporter.ts')).prometheusExporter),
  one('connector', ['count'], async () =>
    (await import('./connectors/count/connector.ts')).countConnector),
  one('connector', ['forward'], async () =>
    (await import('./connectors/forward.ts')).forwardConnector),
  one('connector', ['routing'], async () =>
    (await import('./connectors/routing/connector.ts')).routingConnector),
  one('connector', ['service_graph', 'servicegraph'], async () =>
    (await import('./connectors/service_graph/connector.ts')).serviceGraphConnector),
  one('connector', ['span_metrics', 'spanmetrics'], async () =>
    (await import('./connectors/span_metrics/connector.ts')).spanMetricsConnector),
  one('extension', ['basic_auth', 'basicauth'], async () =>
    (await import('./extensions/basic_auth/extension.ts')).basicAuthExtension),
  one('extension', ['bearer_token_auth', 'bearertokenauth'], async () =>
    (await import('./extensions/bearer_token_auth.ts')).bearerTokenAuthExtension),
  one('extension', ['file_storage'], async () =>
    (await import('./extensions/file_storage.ts')).fileStorageExtension),
  one('extension', ['health_check', 'healthcheck'], async () =>
    (await import('./extensions/health_check.ts')).healthCheckExtension),
  one('extension', ['pprof'], async () =>
    (await import('./extensions/pprof.ts')).pprofExtension),
  one('extension', ['zpages'], async () =>
    (await import('./extensions/zpages/extension.ts')).zpagesExtension),
];

/**
 * All types. Those that occur as a word in one of `texts`, in any spelling, are loaded; of the
 * others only kind and spellings may be asked. Without texts all are loaded.
 */
export async function loadComponents(texts?: readonly string[]): Promise<AnyFactory[]> {
  // What is written in escapes cannot be looked for.
  const isNamed = texts === undefined || texts.some((text) => /\\[xuU]/.test(text))
    ? () => true
    : ({ spellings }: Listed) => {
      const word = new RegExp(`\\b(?:${spellings.join('|')})\\b`);
      return texts.some((text) => word.test(text));
    };
  return Promise.all(COMPONENTS.map((listed) =>
    (isNamed(listed) ? listed.load() : knownByName(listed))));
}

function knownByName({ kind, spellings: [type, ...aliases] }: Listed): AnyFactory {
  const fail = () => assert.fail(`the ${kind} ${type} is not loaded`);
  return {
    kind, type, aliases, signals: [], create: fail,
    get schema() {
      return fail();
    },
  };
}
