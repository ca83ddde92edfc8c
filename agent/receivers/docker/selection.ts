// Which containers are followed, and what their records say of them.

import { createMatcher, type Matches } from '../../docker_engine/choice.ts';
import {
  parseImage, type ContainerDetails, type ContainerSummary,
} from '../../docker_engine/container.ts';
import { emptyMap, type ValueMap } from '../../operators/entry.ts';
import type { DockerConfig } from './config.ts';

export type Chosen = (container: ContainerSummary) => boolean;

export function createSelection({ include, exclude }: DockerConfig): Chosen {
  const included = createRules(include);
  const excluded = createRules(exclude);
  return (container) =>
    (included === null || included(container)) && !(excluded?.(container) ?? false);
}

/** True when one of the rules fits; null when there are none. */
function createRules({ names, images, labels }: DockerConfig['include']): Chosen | null {
  const wanted = Object.entries(labels);
  if (names.length + images.length + wanted.length === 0) return null;
  const name = createMatcher(names);
  const image = createMatcher(images);
  const values = wanted.map(([label, rule]): [string, Matches] => [label, createMatcher([rule])]);
  return (container) => name(container.name) || image(container.image)
    || values.some(([label, fits]) => {
      const value = container.labels[label];
      return value !== undefined && fits(value);
    });
}

/** The resource of a container. Made new at each call. */
export function createResource(config: DockerConfig): (container: ContainerDetails) => ValueMap {
  const wanted = createMatcher(config.container_labels);
  return (container) => {
    const { name, tag } = parseImage(container.image);
    const resource = emptyMap();
    for (const key of Object.keys(config.resource)) resource[key] = config.resource[key]!;
    resource['container.id'] = container.id;
    resource['container.name'] = container.name;
    resource['container.image.name'] = name;
    if (tag !== '') resource['container.image.tag'] = tag;
    resource['container.runtime'] = 'docker';
    for (const [label, value] of Object.entries(container.labels)) {
      if (wanted(label)) resource[`container.label.${label}`] = value;
    }
    return resource;
  };
}
