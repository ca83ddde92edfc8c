// The words every part of a pipeline is made of. A receiver is a Component that was given `next`;
// a processor is a Component and a Consumer that was given `next`; an exporter is both, without
// `next`. Parts never look each other up and never import each other.

import type { z } from 'zod';
import type { Counters } from '../../runtime/counters.ts';
import type { Log } from '../../runtime/log.ts';
import type { World } from '../../runtime/world.ts';
import type { Signal } from '../otlp/model.ts';
import type { Authorize } from './arrival.ts';
import type { Batch, Origin } from './batch.ts';
import type { Outcome } from './outcome.ts';

export interface Consumer {
  /**
   * Takes responsibility for a batch, or says why not. Resolves only when the verdict is final:
   * `accepted` means that the batch is durable at the next hop. Never throws and never rejects for
   * bad input or a dead peer: those are outcomes. When `abort` fires the callee stops waiting and
   * answers `retryable`; what it already handed on may still arrive. The batch is immutable and
   * may be kept. Calls may overlap.
   */
  consume(batch: Batch, abort: AbortSignal): Promise<Outcome>;
}

export interface Component {
  /** Called once, after all consumers behind it have started. Throws OperatorError or a bug. */
  start(): Promise<void>;
  /**
   * Stops taking in new data and waits for what is under way, until `deadline` fires. Legal before
   * start and more than once. Never throws.
   */
  stop(deadline: AbortSignal): Promise<void>;
  /** Where it listens once it has started, by protocol: `OTLP gRPC` → `127.0.0.1:4317`. */
  addresses?(): Readonly<Record<string, string>>;
}

export type Receiver = Component;
export type Processor = Component & Consumer;
export type Exporter = Component & Consumer & {
  /**
   * True when `accepted` means durable in a queue of its own. Such an exporter counts by itself
   * what the destination says.
   */
  readonly queued?: boolean;
  /** The stretches of a receiver that are durable in its queue; known once it has started. */
  origins?(receiver: string): readonly Origin[];
};
export type Connector = Component & Consumer;
export type Extension = Component & {
  /** For components that name it as their storage. */
  readonly storage?: Storage;
  /** For components that name it in `auth.authenticator`. */
  readonly authenticator?: Authenticator;
};

/** Who may ask, and what to say when asking. Used when the extension has started. */
export interface Authenticator {
  /** For servers; absent: it is only for clients. */
  readonly authorize?: Authorize;
  /** For clients: headers of each request, by lower-case names; absent: only for servers. */
  readonly headers?: () => Readonly<Record<string, string>>;
}

/** A place for what components keep, other than their own folder. */
export interface Storage {
  /** It exists when the extension has started. */
  readonly directory: string;
  /**
   * Keys of 32 bytes for what lies there: the first is to write with, all are to read with. None:
   * it is not encrypted. Known when the extension has started.
   */
  keys(): readonly Uint8Array[];
}

export type ComponentKind = 'receiver' | 'processor' | 'exporter' | 'connector' | 'extension';

/** What the process tells a component about itself and the machine. */
export interface ComponentContext {
  /** The name in the configuration, such as `otlp` or `file_log/nginx`. */
  readonly id: string;
  readonly world: World;
  readonly log: Log;
  readonly counters: Counters;
  /**
   * A folder of this component's own that survives restarts. It exists when `start` is called.
   */
  readonly folder: string;
  /** A UUID that names this agent, the same over restarts. */
  readonly agentId: string;
  /** The state of the whole process, for components that report on it. */
  readonly host: Host;
  /** The storage of the extension of this name; null when it has none. */
  readonly storage?: (extensionId: string) => Storage | null;
  /** What the extension of this name has for `auth.authenticator`; null when it has none. */
  readonly authenticator?: (extensionId: string) => Authenticator | null;
  /**
   * For a receiver: the stretches of its sources that are durable in each of the queues behind it.
   * What is in all of them need not be read again. None where one of them does not know.
   */
  readonly durable?: () => readonly (readonly Origin[])[];
  /**
   * For a connector: the pipelines that it begins, by id, for one that chooses among them. `next`
   * gives a batch to all of them that carry its signal, and accepts it where there is none.
   */
  readonly pipelines?: ReadonlyMap<string, PipelineEntry>;
}

export interface PipelineEntry extends Consumer {
  readonly signal: Signal;
}

export interface Host {
  /** True from the moment all components have started until stop begins. */
  ready(): boolean;
  /** What runs now, for pages about it. */
  readonly view?: () => GraphView;
  /**
   * Calls `see` with each batch that leaves a part, or enters it when it is an exporter, until the
   * function that it returns is called. Null: there is no such part. `see` must be quick.
   */
  readonly tap?: (key: string, see: (batch: Batch) => void) => (() => void) | null;
}

export interface GraphView {
  readonly parts: readonly PartView[];
  readonly pipelines: readonly PipelineView[];
}

export interface PartView {
  /** `exporter otlp`, or `processor batch logs`: its pipeline is last. */
  readonly key: string;
  readonly kind: ComponentKind;
  readonly id: string;
  readonly type: string;
  /** Of a processor. */
  readonly pipeline?: string;
  /** Batches handed to it that have no answer yet. */
  readonly calls: number;
  readonly addresses: Readonly<Record<string, string>>;
  /** The last warning or error that it wrote to the log. */
  readonly problem?: { readonly level: string; readonly message: string; readonly atMs: number };
}

export interface PipelineView {
  readonly id: string;
  readonly signal: Signal;
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
}

/**
 * How a component type is known in the configuration and built. `C` is the parsed configuration:
 * `schema` turns what a person wrote into it, with all defaults filled in.
 */
export interface Factory<C, K extends ComponentKind, T extends Component> {
  readonly kind: K;
  /** `lower_snake_case`; also the file or folder name of the component. */
  readonly type: string;
  /** Other spellings that the OpenTelemetry Collector accepts, such as `filelog`. */
  readonly aliases?: readonly string[];
  /** The signals it can take part in; for a connector those that it takes. None: an extension. */
  readonly signals: readonly Signal[];
  /** For a connector: the signals that it gives for one that it takes. */
  readonly gives?: (signal: Signal) => readonly Signal[];
  /**
   * May be made anew whenever it is asked for: schemas are large, and of use only while a
   * configuration is read (D-028).
   */
  readonly schema: z.ZodType<C>;
  /** The extensions that a configuration names; they must run. */
  readonly uses?: (config: C) => readonly UsedExtension[];
  /** For a connector: the pipelines that a configuration names; it must begin them. */
  readonly chooses?: (config: C) => readonly ChosenPipeline[];
  create(config: C, context: ComponentContext, next: Consumer): T;
}

/** That of `type` and the id that stands at `path` of a component's configuration. */
export interface UsedExtension {
  readonly path: readonly string[];
  readonly id: string;
  /** Null: of any type. */
  readonly type: string | null;
}

/** The pipeline whose id stands at `path` of a connector's configuration. */
export interface ChosenPipeline {
  readonly path: readonly (string | number)[];
  readonly id: string;
}

export type ReceiverFactory<C> = Factory<C, 'receiver', Receiver>;
export type ProcessorFactory<C> = Factory<C, 'processor', Processor>;
export type ExporterFactory<C> = Factory<C, 'exporter', Exporter>;
export type ConnectorFactory<C> = Factory<C, 'connector', Connector>;
export type ExtensionFactory<C> = Factory<C, 'extension', Extension>;
export type AnyFactory = Factory<any, ComponentKind, Component>;
