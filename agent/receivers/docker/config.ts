// What a person writes under `receivers.docker`. The Collector has no such receiver; the keys are
// those of its other receivers where they mean the same.
//
//     docker:
//       exclude:
//         images: ["*/pause*"]
//         labels: { logging: "off" }
//       container_labels: [com.docker.compose.*]

import * as z from 'zod';
import { byteSize, duration, section } from '../../../config/schema.ts';
import { ruleList } from '../../docker_engine/choice.ts';
import { apiVersion, engineEndpoint } from '../../docker_engine/engine.ts';
import { operatorList } from '../../operators/pipeline.ts';
import { retryOnFailure } from '../sending/settings.ts';

const flag = (describe: string, fallback: boolean) => z.boolean().describe(describe)
  .default(fallback);

const choice = (describe: string) => section({
  names: ruleList().describe('Names of containers.').default([]),
  images: ruleList().describe('Names of images, with their tags.').default([]),
  labels: z.record(z.string().min(1), z.string())
    .describe('Labels and their values, as one of the rules.').default({}),
}).describe(describe);

const texts = () => z.record(
  z.string().min(1),
  z.union([z.string(), z.number(), z.boolean()]).transform(String)
    .refine((text) => !/^EXPR\(/.test(text), 'expressions are not supported'),
);

export const dockerSchema = () => section({
  endpoint: engineEndpoint().describe('Where the Docker engine is: a unix socket, or http.')
    .prefault('unix:///var/run/docker.sock'),
  api_version: apiVersion(),
  timeout: duration({ min: '1ms' }).describe('Time for an answer of the engine.').prefault('5s'),
  poll_interval: duration({ min: '10ms' })
    .describe('Time between looks for containers, besides those that the engine tells.')
    .prefault('30s'),
  include: choice('Only containers that one of the rules fits: name, glob, /expression/, !rule.'),
  exclude: choice('No containers that one of the rules fits.'),
  start_at: z.enum(['end', 'beginning'])
    .describe('Where to start in containers that are there at the very first start.')
    .default('end'),
  stdout: flag('Follow what containers write to standard output.', true),
  stderr: flag('Follow what containers write to standard error.', true),
  container_labels: ruleList()
    .describe('Labels of containers that become container.label.<name> of the resource.')
    .default([]),
  max_log_size: byteSize({ min: '64', max: '16MiB' })
    .describe('A longer line is split into several.').prefault('1MiB'),
  attributes: texts().describe('Attributes that every record gets.').default({}),
  resource: texts().describe('Attributes of the resource.').default({}),
  operators: operatorList().default([]),
  storage: z.string().describe('Accepted; places are always kept on disk.').optional(),
  retry_on_failure: retryOnFailure(),
}).refine(({ stdout, stderr }) => stdout || stderr, 'follows neither stdout nor stderr');

export type DockerConfig = z.output<ReturnType<typeof dockerSchema>>;
