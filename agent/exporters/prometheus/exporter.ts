// `prometheus`: shows the last value of each metric on a page that Prometheus scrapes. Nothing is
// sent anywhere: who accepts here has put the value on the page, in memory, and the values between
// two scrapes are seen by nobody.

import type {
  ComponentContext, Exporter, ExporterFactory,
} from '../../../proto/contract/component.ts';
import { ACCEPTED, rejected, retryable, type Outcome } from '../../../proto/contract/outcome.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { formatEndpoint } from '../../../runtime/net.ts';
import { prometheusSchema, type PrometheusConfig } from './config.ts';
import { writePage } from './page.ts';
import { startPageServer, type PageServer } from './server.ts';
import { createStore, limits, type DropReason, type Store } from './store.ts';

export const prometheusExporter: ExporterFactory<PrometheusConfig> = {
  kind: 'exporter',
  type: 'prometheus',
  signals: ['metrics'],
  get schema() {
    return prometheusSchema();
  },
  create: (config, context) => createExporter(config, context, limits.series),
};

export function createExporter(
  config: PrometheusConfig,
  context: ComponentContext,
  seriesMax: number,
): Exporter {
  const { id, world, log } = context;
  const store = createStore({ config, clock: world.clock, seriesMax });
  const drop = createMeter(context, store);
  let server: PageServer | undefined;
  return {
    start: async () => {
      server = await startPageServer({
        endpoint: config.endpoint,
        setting: `exporters.${id}`,
        tls: config.tls === undefined ? undefined : {
          certFile: config.tls.cert_file, keyFile: config.tls.key_file,
          clientCaFile: config.tls.client_ca_file,
        },
        world,
        openMetrics: config.enable_open_metrics,
        page: (format) =>
          writePage(store.families(), { format, timestamps: config.send_timestamps }),
      });
      log.info('metrics are shown to Prometheus', { endpoint: formatEndpoint(server.endpoint) });
    },
    stop: async () => {
      server?.stop();
      server = undefined;
    },
    addresses: (): Readonly<Record<string, string>> => (server === undefined ? {} : {
      Prometheus: `${config.tls === undefined ? 'http' : 'https'}://`
        + `${formatEndpoint(server.endpoint)}/metrics`,
    }),
    consume: async (batch, abort) => {
      if (abort.aborted) return retryable('it was given up');
      if (!batch.is('metrics')) return rejected('only metrics can be shown to Prometheus');
      try {
        return drop(store.add(batch.request));
      } catch (error) {
        if (error instanceof DecodeError) return rejected(error.message);
        throw error;
      }
    },
  };
}

/** Counts what is not shown, and says it in the answer. */
function createMeter(
  { id, counters }: ComponentContext,
  store: Store,
): (dropped: ReadonlyMap<DropReason, number>) => Outcome {
  counters.gauge('binnacle_prometheus_exporter_series', 'Series that are shown.', store.size,
    { exporter: id });
  return (dropped) => {
    if (dropped.size === 0) return ACCEPTED;
    let all = 0;
    for (const [reason, count] of dropped) {
      all += count;
      counters.counter('binnacle_prometheus_exporter_dropped_points_total',
        'Data points that are not shown.', { exporter: id, reason }).add(count);
    }
    const reason = `cannot show all points: ${[...dropped.keys()].join(', ')}`;
    return { status: 'accepted', rejected: all, reason };
  };
}
