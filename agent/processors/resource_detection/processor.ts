// Adds to every resource what is known about the place where the agent runs: its host, operating
// system, container engine, and what the environment says.
//
// Detectors run at start and, with `refresh_interval`, again and again; what an earlier one in the
// list finds wins over a later one. The attributes are spliced into the bytes of each batch. With
// `override` they replace what a resource says already. A detector that fails is told in the log
// and finds nothing, so that data still flows; with `fail_on_missing_metadata` it stops the start.
// When a refresh fails, what was known stays.
//
// host.name is the system's own name unless told otherwise. The Collector asks DNS first, which
// gives one host two names when DNS fails at times.

import * as z from 'zod';
import { duration, section } from '../../../config/schema.ts';
import type {
  ComponentContext, Consumer, Processor, ProcessorFactory,
} from '../../../proto/contract/component.ts';
import { rejected } from '../../../proto/contract/outcome.ts';
import { SIGNALS, type Attributes } from '../../../proto/otlp/model.ts';
import type { Timer } from '../../../runtime/clock.ts';
import { errorMessage, OperatorError } from '../../../runtime/errors.ts';
import { setAttribute, type AttributeEdit } from '../edit/actions.ts';
import { editResourceAttributes } from '../edit/resources.ts';
import { DOCKER_SOCKET } from '../../docker_engine/engine.ts';
import { joinAttributes, type Detector, type DetectorContext } from './detector.ts';
import { createDockerDetector } from './docker.ts';
import { createEnvironmentDetector } from './environment.ts';
import { createK8sNodeDetector, SERVICE_ACCOUNT } from './k8s_node.ts';
import { createSystemDetector, SYSTEM_ATTRIBUTES, type SystemAttribute } from './system.ts';

const DETECTORS = ['env', 'system', 'docker', 'k8s_node'] as const;

const enabled = (name: string, unasked: boolean) => section({
  enabled: z.boolean().describe('Whether it is added.').default(unasked),
}).describe(`The attribute ${name}.`);

const systemAttributes = () => Object.fromEntries(Object.entries(SYSTEM_ATTRIBUTES)
  .map(([name, unasked]) => [name, enabled(name, unasked)])) as
  Record<SystemAttribute, ReturnType<typeof enabled>>;

const createSchema = () => section({
  detectors: z.array(z.preprocess((name) => name === 'k8snode' ? 'k8s_node' : name,
    z.enum(DETECTORS))).min(1)
    .describe('Where to look; what an earlier one finds wins.').default(['env']),
  timeout: duration().describe('Time for all detectors together.').prefault('5s'),
  override: z.boolean()
    .describe('Whether what is found replaces what a resource already says.').default(true),
  refresh_interval: duration().describe('Time between two detections; 0s: only at the start.')
    .prefault('0s'),
  fail_on_missing_metadata: z.boolean()
    .describe('Whether the agent refuses to start when a detector fails.').default(false),
  system: section({
    hostname_sources: z.array(z.enum(['os', 'dns', 'cname', 'lookup'])).min(1)
      .describe('Where host.name comes from; the first that has an answer.')
      .default(['os']),
    resource_attributes: section(systemAttributes()).describe('What is added.'),
  }).describe('The detector system.'),
  docker: section({
    resource_attributes: section({
      'host.name': enabled('host.name', true),
      'os.type': enabled('os.type', true),
    }).describe('What is added.'),
  }).describe('The detector docker.'),
  k8snode: section({
    auth_type: z.enum(['serviceAccount', 'none'])
      .describe('How the API server is asked: with the service account of the pod, or plainly.')
      .default('serviceAccount'),
    node_from_env_var: z.string().min(1)
      .describe('The environment variable with the name of the node.').default('K8S_NODE_NAME'),
    resource_attributes: section({
      'k8s.node.name': enabled('k8s.node.name', true),
      'k8s.node.uid': enabled('k8s.node.uid', true),
    }).describe('What is added.'),
  }).describe('The detector k8s_node.'),
});

export type ResourceDetectionConfig = z.output<ReturnType<typeof createSchema>>;


export const resourceDetectionProcessor: ProcessorFactory<ResourceDetectionConfig> = {
  kind: 'processor',
  type: 'resource_detection',
  aliases: ['resourcedetection'],
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  create: (config, context, next) => {
    const place = { world: context.world, log: context.log, env: process.env };
    const places = { dockerSocket: DOCKER_SOCKET, serviceAccount: SERVICE_ACCOUNT };
    return createResourceDetection(config, context, next, createDetectors(config, place, places));
  },
};

export interface DetectorPlaces {
  readonly dockerSocket: string;
  /** The folder with the pod's secrets. */
  readonly serviceAccount: string;
}

/** The detectors of a configuration, in its order. */
export function createDetectors(
  config: ResourceDetectionConfig,
  context: DetectorContext,
  { dockerSocket, serviceAccount }: DetectorPlaces,
): Detector[] {
  const builders: Record<(typeof DETECTORS)[number], () => Detector> = {
    env: () => createEnvironmentDetector(context),
    system: () => createSystemDetector(config.system, context),
    docker: () => createDockerDetector(config.docker.resource_attributes, context, dockerSocket),
    k8s_node: () => createK8sNodeDetector(config.k8snode, context, serviceAccount),
  };
  return config.detectors.map((name) => builders[name]());
}

export function createResourceDetection(
  config: ResourceDetectionConfig,
  { id, world, log }: ComponentContext,
  next: Consumer,
  detectors: readonly Detector[],
): Processor {
  const stopping = new AbortController();
  let edit: AttributeEdit = (attributes) => attributes;
  let timer: Timer | undefined;
  let refreshing = false;

  const refresh = async () => {
    if (refreshing) return;
    refreshing = true;
    const detection = await detectAll(config, detectors, world.clock, stopping.signal);
    refreshing = false;
    if (stopping.signal.aborted) return;
    for (const { name, cause } of detection.failures) {
      log.warn(`the detector ${name} failed`, { cause });
    }
    if (detection.failures.length === 0) edit = createAddition(detection.attributes, config);
  };
  return {
    start: async () => {
      const { attributes, failures } =
        await detectAll(config, detectors, world.clock, stopping.signal);
      const [first] = failures;
      if (first !== undefined && config.fail_on_missing_metadata) {
        throw new OperatorError(`cannot start ${id}: detector ${first.name}: ${first.cause}`,
          'mend it, take it out of detectors, or set fail_on_missing_metadata to false');
      }
      for (const { name, cause } of failures) {
        log.warn(`the detector ${name} failed: data goes on without it`, { cause });
      }
      edit = createAddition(attributes, config);
      log.debug('detected the resource', { attributes: attributes.map(({ key }) => key) });
      if (config.refresh_interval > 0) {
        timer = world.clock.every(config.refresh_interval, () => void refresh());
      }
    },
    stop: async () => {
      timer?.cancel();
      stopping.abort();
    },
    consume: async (batch, abort) => {
      const edited = editResourceAttributes(batch, edit);
      return 'reason' in edited ? rejected(edited.reason) : next.consume(edited.batch, abort);
    },
  };
}

interface Detection {
  readonly attributes: Attributes;
  readonly failures: readonly { readonly name: string; readonly cause: string }[];
}

async function detectAll(
  config: ResourceDetectionConfig,
  detectors: readonly Detector[],
  clock: ComponentContext['world']['clock'],
  stop: AbortSignal,
): Promise<Detection> {
  const over = new AbortController();
  const end = () => over.abort();
  const timer = clock.after(config.timeout, end);
  stop.addEventListener('abort', end, { once: true });
  const results = await Promise.all(detectors.map(async (detector) => {
    try {
      return { name: detector.name, attributes: await inTime(detector, over.signal) };
    } catch (error) {
      return { name: detector.name, cause: errorMessage(error) };
    }
  }));
  timer.cancel();
  stop.removeEventListener('abort', end);
  return {
    attributes: results.reduce<Attributes>((found, { attributes = [] }) =>
      joinAttributes(found, attributes), []),
    failures: results.flatMap(({ name, cause }) => (cause === undefined ? [] : [{ name, cause }])),
  };
}

/** Rejects when `over` fires first, whether or not the detector notices. */
function inTime(detector: Detector, over: AbortSignal): Promise<Attributes> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error('it took too long'));
    if (over.aborted) late();
    over.addEventListener('abort', late, { once: true });
    detector.detect(over).then(resolve, reject)
      .finally(() => over.removeEventListener('abort', late));
  });
}

function createAddition(found: Attributes, { override }: ResourceDetectionConfig): AttributeEdit {
  if (!override) {
    return (attributes) => {
      const joined = joinAttributes(attributes, found);
      return joined.length === attributes.length ? attributes : joined;
    };
  }
  return (attributes) => found.reduce((current, { key, value }) =>
    setAttribute(current, key, value), attributes);
}
