// A graph of fakes that write down what happens to them, from a configuration in few words.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { createGraph, type GraphOptions } from '../../../agent/graph/graph.ts';
import type { ComponentConfig } from '../../../config/components.ts';
import type { PipelineConfig } from '../../../config/pipelines.ts';
import type { Origin } from '../../../proto/contract/batch.ts';
import type {
  AnyFactory, Component, ComponentContext, ComponentKind, Consumer,
} from '../../../proto/contract/component.ts';
import { ACCEPTED } from '../../../proto/contract/outcome.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import { createCounters } from '../../../runtime/counters.ts';
import { createWorld } from '../../../runtime/world.ts';
import {
  createManualClock, createRecordingLog, createSink, temporaryFolder, type Answer,
} from '../../contract/fakes.ts';

export interface Built {
  readonly kind: ComponentKind;
  readonly context: ComponentContext;
  readonly next: Consumer;
}

/** A configuration in few words, and everything that happened to its components. */
export function createBench(pipelines: Record<string, string>, extensions: string[] = []) {
  const events: string[] = [];
  const built: Built[] = [];
  const answers = new Map<string, Answer>();
  const broken = new Map<string, Error>();
  const hanging = new Set<string>();
  const create = (kind: ComponentKind) =>
    (_config: unknown, context: ComponentContext, next: Consumer): Component & Consumer => {
      built.push({ kind, context, next });
      const sink = createSink((batch, call, abort) => {
        const answer = answers.get(context.id) ?? ACCEPTED;
        return typeof answer === 'function' ? answer(batch, call, abort) : answer;
      });
      return {
        start: async () => {
          assert.ok(existsSync(context.folder), 'the folder is there at the start');
          events.push(`start ${context.id}`);
          const error = broken.get(context.id);
          if (error !== undefined) throw error;
        },
        stop: async () => {
          events.push(`stop ${context.id}`);
          if (hanging.has(context.id)) await new Promise(() => {});
        },
        consume: (batch, abort) =>
          (kind === 'exporter' ? sink : next).consume(batch, abort),
        ...(kind !== 'exporter' || context.id === 'debug' ? {}
          : { origins: originsOf(context.id) }),
        addresses: () => (kind === 'receiver' ? { [context.id]: 'here' } : {}),
      };
    };
  const factory = (kind: ComponentKind): AnyFactory =>
    ({ kind, type: kind, signals: SIGNALS, schema: z.unknown(), create: create(kind) });
  const config = configOf(pipelines, extensions);
  const log = createRecordingLog();
  const counters = createCounters();
  const world = { ...createWorld(), clock: createManualClock() };
  const folder = temporaryFolder();
  const kinds = ['receiver', 'processor', 'exporter', 'connector', 'extension'] as const;
  const factories = kinds.map(factory);
  const graph = createGraph({
    config, log, counters, world, folder, agentId: 'agent', factories,
  });
  return {
    graph, factories, events, built, answers, broken, hanging, log, counters, folder, world,
  };
}

/** What an exporter says of a receiver; the state names both. */
const originsOf = (id: string) => (receiver: string): Origin[] =>
  [{ receiver, run: '', content: 1, from: 0, to: 1, state: `${receiver} in ${id}` }];

/**
 * `{ traces: 'in > a b > out' }`: receivers, processors and exporters of a pipeline. What stands on
 * both sides is a connector.
 */
export function configOf(
  pipelines: Record<string, string>,
  extensions: string[] = [],
  settings: Record<string, unknown> = {},
): GraphOptions['config'] {
  const parsed = Object.entries(pipelines).map(([id, text]): PipelineConfig => {
    const [receivers, processors, exporters] = text.split('>').map((part) =>
      part.split(' ').filter((word) => word !== ''));
    const signal = id.split('/')[0] as PipelineConfig['signal'];
    return { id, signal, receivers: receivers!, processors: processors!, exporters: exporters! };
  });
  const section = (type: string, ids: readonly string[]) =>
    new Map<string, ComponentConfig>(ids.map((id) =>
      [id, { id, type, config: settings[id] ?? {} }]));
  const all = (list: 'receivers' | 'exporters') => parsed.flatMap((one) => one[list]);
  const joins = (id: string) => all('receivers').includes(id) && all('exporters').includes(id);
  const others = (list: 'receivers' | 'exporters') => all(list).filter((id) => !joins(id));
  return {
    pipelines: parsed,
    receivers: section('receiver', others('receivers')),
    processors: section('processor', parsed.flatMap(({ processors }) => processors)),
    exporters: section('exporter', others('exporters')),
    connectors: section('connector', all('exporters').filter(joins)),
    extensions: section('extension', extensions),
  };
}

/** What a receiver hands its batches to. */
export const feed = (bench: ReturnType<typeof createBench>, id: string): Consumer =>
  bench.built.find(({ kind, context }) => kind === 'receiver' && context.id === id)!.next;
