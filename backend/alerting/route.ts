// Which way an alert goes: the tree of routes, the groups that a route makes, and their keys, which
// are Alertmanager's.

import { sorted, printLabels, type Labels } from '../labels/labels.ts';
import type { RouteConfig } from './config.ts';
import { compileMatchers, printMatchers } from './matchers.ts';

export interface Route {
  readonly config: RouteConfig;
  /** Unlike `key` it is of one node alone. */
  readonly id: string;
  /** The matchers of the nodes down to it: `{}/{team="a"}`. */
  readonly key: string;
  readonly fits: (labels: Labels) => boolean;
  readonly routes: readonly Route[];
}

export const createRoutes = (config: RouteConfig): Route => routeOf(config, '', '', 0);

/**
 * The nodes that take the alert: of each level the first that fits, and those behind it as long as
 * they say `continue`; where no node below fits, the node itself.
 */
export function routesFor(route: Route, labels: Labels): Route[] {
  if (!route.fits(labels)) return [];
  const found: Route[] = [];
  for (const inner of route.routes) {
    const taken = routesFor(inner, labels);
    found.push(...taken);
    if (taken.length > 0 && !inner.config.continues) break;
  }
  return found.length > 0 ? found : [route];
}

/** Every node, the top first. */
export function* allRoutes(route: Route): Iterable<Route> {
  yield route;
  for (const inner of route.routes) yield* allRoutes(inner);
}

/** What alerts of one group have in common. */
export function groupLabels({ config: { groupBy } }: Route, labels: Labels): Labels {
  return Object.fromEntries(sorted(labels).filter(([name]) =>
    groupBy === 'all' || groupBy.includes(name)));
}

/** `{}/{team="a"}:{alertname="X"}`. */
export const groupKey = (route: Route, labels: Labels): string =>
  `${route.key}:${printLabels(labels)}`;

function routeOf(config: RouteConfig, above: string, aboveId: string, index: number): Route {
  const own = printMatchers(config.matchers);
  const key = above === '' ? own : `${above}/${own}`;
  const id = aboveId === '' ? own : `${aboveId}/${own}/${index}`;
  return {
    config, key, id, fits: compileMatchers(config.matchers),
    routes: config.routes.map((inner, at) => routeOf(inner, key, id, at)),
  };
}
