// What a person writes under `receivers.docker_stats`: the keys and defaults of the Collector's,
// but that the version of the API is the newest which the engine speaks unless one is given.

import * as z from 'zod';
import { duration, refusedKey, section } from '../../../config/schema.ts';
import { ruleList } from '../../docker_engine/choice.ts';
import { apiVersion, engineEndpoint } from '../../docker_engine/engine.ts';
import { containerMetrics } from './metrics.ts';

/** All attributes that the resource of a container can have, and whether it has them untold. */
export const RESOURCE_ATTRIBUTES = {
  'container.runtime': true,
  'container.hostname': true,
  'container.id': true,
  'container.image.name': true,
  'container.name': true,
  'container.image.id': false,
  'container.command_line': false,
} as const satisfies Record<string, boolean>;

export type ResourceAttribute = keyof typeof RESOURCE_ATTRIBUTES;

const switchOf = (enabled: boolean, describe: string) =>
  section({ enabled: z.boolean().describe('Whether it is sent.').default(enabled) })
    .describe(describe);

const names = (describe: string) => z.record(z.string().min(1), z.string().min(1))
  .describe(describe).default({});

export const dockerStatsSchema = () => section({
  endpoint: engineEndpoint().describe('Where the Docker engine is: a unix socket, or http.')
    .prefault('unix:///var/run/docker.sock'),
  collection_interval: duration({ min: '1ms' })
    .describe('Time from one collection to the next.').prefault('10s'),
  initial_delay: duration().describe('Time from the start to the first collection.').prefault('1s'),
  timeout: duration({ min: '1ms' }).describe('Time for an answer of the engine.').prefault('5s'),
  api_version: apiVersion(),
  excluded_images: ruleList()
    .describe('Images whose containers are left out: names, globs, /expressions/; ! negates.')
    .default([]),
  container_labels_to_metric_labels:
    names('Labels of containers, and the attributes that they become.'),
  env_vars_to_metric_labels:
    names('Environment variables of containers, and the attributes that they become.'),
  metrics: section(Object.fromEntries(containerMetrics.map(({ name, enabled, description }) =>
    [name, switchOf(enabled, description)]))).describe('Metrics, by name.'),
  resource_attributes: section(Object.fromEntries(Object.entries(RESOURCE_ATTRIBUTES)
    .map(([name, enabled]) => [name, switchOf(enabled, `The attribute ${name}.`)])) as
    Record<ResourceAttribute, ReturnType<typeof switchOf>>)
    .describe('Attributes of the resource of each container.'),
  provide_per_core_cpu_metrics: refusedKey('enable metrics.container.cpu.usage.percpu'),
});

export type DockerStatsConfig = z.output<ReturnType<typeof dockerStatsSchema>>;
