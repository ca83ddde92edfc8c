// What no schema can see in an alerting file: names that stand for something elsewhere in it.

import { closestWord, type ConfigPath, type ConfigProblem } from '../../../config/errors.ts';
import { problemAt } from '../../../config/parse.ts';
import type { ConfigTree } from '../../../config/tree.ts';
import { lifeProblems, lifeSettings } from '../life/settings.ts';
import type { Matcher } from '../model.ts';
import type { ReceiverYaml } from './receivers.ts';
import type { LimitsYaml, RouteYaml } from './schema.ts';
import type { NamedTimes } from './times.ts';

/** The file as its schema gives it. */
export interface FileYaml extends Readonly<Record<string, unknown>> {
  readonly global: { readonly resolve_timeout: number };
  readonly route?: RouteYaml | undefined;
  readonly receivers: readonly ReceiverYaml[];
  readonly inhibit_rules: readonly InhibitYaml[];
  readonly time_intervals: readonly NamedTimes[];
  readonly mute_time_intervals: readonly NamedTimes[];
  readonly templates: readonly string[];
  readonly limits: LimitsYaml;
}

export interface InhibitYaml {
  readonly name: string;
  readonly source_matchers: readonly Matcher[];
  readonly source_match: Readonly<Record<string, string>>;
  readonly source_match_re: Readonly<Record<string, string>>;
  readonly target_matchers: readonly Matcher[];
  readonly target_match: Readonly<Record<string, string>>;
  readonly target_match_re: Readonly<Record<string, string>>;
  readonly equal: readonly string[];
}

export function checkFile(file: FileYaml, tree: ConfigTree): ConfigProblem[] {
  return [
    ...checkReceivers(file, tree),
    ...checkTimes(file, tree),
    ...checkTop(file, tree),
    ...lifeProblems(lifeSettings(file), namesOf(file).receivers, tree),
    ...(file.route === undefined ? [] : checkRoute(file.route, ['route'], namesOf(file), tree)),
  ];
}

interface Names {
  readonly receivers: readonly string[];
  readonly times: readonly string[];
  readonly escalations: readonly string[];
}

const namesOf = (file: FileYaml): Names => ({
  receivers: file.receivers.map(({ name }) => name),
  times: [...file.time_intervals, ...file.mute_time_intervals].map(({ name }) => name),
  escalations: lifeSettings(file).escalations.map(({ name }) => name),
});

function checkReceivers({ receivers }: FileYaml, tree: ConfigTree): ConfigProblem[] {
  const names = receivers.map(({ name }) => name);
  const fallbacks = new Map(receivers.map(({ name, fallback }) => [name, fallback]));
  return receivers.flatMap(({ name, fallback }, index) => {
    const path = ['receivers', index];
    const found: ConfigProblem[] = [];
    if (names.indexOf(name) < index) {
      found.push(problemAt(tree, [...path, 'name'], { why: 'is the name of another receiver' }));
    }
    if (fallback === undefined || fallback === '') return found;
    if (!fallbacks.has(fallback)) found.push(unknown(tree, [...path, 'fallback'], names, fallback));
    else if (comesBack(name, fallbacks)) {
      found.push(problemAt(tree, [...path, 'fallback'], { why: 'leads back to this receiver',
        hint: 'the last receiver of a chain has no fallback' }));
    }
    return found;
  });
}

function comesBack(name: string, fallbacks: ReadonlyMap<string, string>): boolean {
  const seen = new Set<string>();
  for (let at = fallbacks.get(name); at !== undefined && at !== ''; at = fallbacks.get(at)) {
    if (at === name) return true;
    if (seen.has(at)) return false;
    seen.add(at);
  }
  return false;
}

function checkTimes(file: FileYaml, tree: ConfigTree): ConfigProblem[] {
  const seen = new Set<string>();
  return (['time_intervals', 'mute_time_intervals'] as const).flatMap((key) =>
    file[key].flatMap(({ name }, index) => {
      const known = seen.has(name);
      seen.add(name);
      return known ? [problemAt(tree, [key, index, 'name'],
        { why: 'is the name of another time interval' })] : [];
    }));
}

function checkTop({ route }: FileYaml, tree: ConfigTree): ConfigProblem[] {
  if (route === undefined) {
    return [problemAt(tree, ['route'], { why: 'is required',
      hint: 'write route: {receiver: NAME}' })];
  }
  const found: ConfigProblem[] = [];
  const refuse = (key: string, why: string, hint: string) =>
    void found.push(problemAt(tree, ['route', key], { why, hint }));
  if (route.receiver === undefined) {
    refuse('receiver', 'is required at the topmost route', 'name one of the receivers');
  }
  const below = 'the topmost route takes every alert; write it in routes';
  if (route.matchers.length > 0) refuse('matchers', 'may not stand here', below);
  if (Object.keys(route.match).length > 0) refuse('match', 'may not stand here', below);
  if (Object.keys(route.match_re).length > 0) refuse('match_re', 'may not stand here', below);
  for (const key of ['mute_time_intervals', 'active_time_intervals'] as const) {
    if (route[key].length > 0) refuse(key, 'may not stand here', below);
  }
  return found;
}

function checkRoute(
  route: RouteYaml,
  path: ConfigPath,
  names: Names,
  tree: ConfigTree,
): ConfigProblem[] {
  const found: ConfigProblem[] = [];
  if (route.receiver !== undefined && !names.receivers.includes(route.receiver)) {
    found.push(unknown(tree, [...path, 'receiver'], names.receivers, route.receiver));
  }
  if (route.escalation !== undefined && !names.escalations.includes(route.escalation)) {
    found.push(unknown(tree, [...path, 'escalation'], names.escalations, route.escalation));
  }
  for (const key of ['mute_time_intervals', 'active_time_intervals'] as const) {
    for (const [index, name] of route[key].entries()) {
      if (!names.times.includes(name)) {
        found.push(unknown(tree, [...path, key, index], names.times, name));
      }
    }
  }
  return [...found, ...route.routes.flatMap((inner, index) =>
    checkRoute(inner, [...path, 'routes', index], names, tree))];
}

function unknown(
  tree: ConfigTree,
  path: ConfigPath,
  known: readonly string[],
  name: string = '',
): ConfigProblem {
  const closest = closestWord(name, known);
  const hint = closest === null ? `defined: ${known.slice(0, NAMES_SHOWN).join(', ')}`
    : `did you mean "${closest}"?`;
  return problemAt(tree, path, { why: 'is not defined', hint: known.length === 0 ? '' : hint });
}

const NAMES_SHOWN = 20;
