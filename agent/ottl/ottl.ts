// The OpenTelemetry Transformation Language: statements that change records and conditions that
// choose them, as the Collector documents them (pkg/ottl, 0.140 and later). docs/ottl.md says what
// is there and where it differs.
//
// A text is compiled once, at the start; what comes out is asked for each record:
//
//     const drops = createConditions(['severity_number < SEVERITY_NUMBER_WARN'],
//       { context: 'log', errorMode: 'ignore', world });
//     const view = new OttlView();
//     view.resource = group.resource;
//     view.scope = scope.scope;
//     view.log = record;
//     if (drops(view)) …
//
// Texts of a configuration are checked by the words of schema.ts when it is read, so compiling them
// again does not fail.

import type { Signal } from '../../proto/otlp/model.ts';
import type { Test } from './combine.ts';
import { compileConditionNode, compileStatementNode, compileValueNode } from './compile.ts';
import { describeFault, excerptOf, OttlFailure, OttlFault } from './fault.ts';
import type { FunctionSpec, Getter, OttlEnvironment } from './functions/function.ts';
import { functionsWith } from './functions/registry.ts';
import { inferContext } from './inference.ts';
import { parseCondition, parseStatement, parseValue } from './parser.ts';
import type { Node } from './syntax.ts';
import type { OttlContextName, OttlView } from './view.ts';

/** Does the condition hold for what is in view? Throws OttlFailure when it cannot be said. */
export type Condition = Test;
/** Answers whether the statement's condition held, so that its editor ran. Throws OttlFailure. */
export type Statement = Test;

/**
 * What a failure on a record means: `ignore` counts and logs it and goes on to the next statement,
 * `silent` counts it only, `propagate` throws OttlFailure, and the batch is refused.
 */
export type ErrorMode = 'ignore' | 'silent' | 'propagate';
export const ERROR_MODES: readonly ErrorMode[] = ['ignore', 'silent', 'propagate'];

export interface OttlOptions {
  /** Where statements run; from their paths, by `signal`, when it is not given. */
  readonly context?: OttlContextName | undefined;
  readonly signal?: Signal;
  /** Functions that only some components have. */
  readonly functions?: readonly FunctionSpec[];
  /** A World will do. */
  readonly world: OttlEnvironment;
}

/** A condition. Throws OttlFault when it cannot be used. */
export function compileCondition(text: string, options: OttlOptions): Condition {
  const node = parseCondition(text);
  return compileConditionNode(node, settingsOf([node], options));
}

/** A statement. Throws OttlFault when it cannot be used. */
export function compileStatement(text: string, options: OttlOptions): Statement {
  const node = parseStatement(text);
  return compileStatementNode(node, settingsOf(rootsOf(node), options));
}

/** A value, such as a path or a converter. Throws OttlFault when it cannot be used. */
export function compileValue(text: string, options: OttlOptions): Getter {
  const node = parseValue(text);
  return compileValueNode(node, settingsOf([node], options));
}

const rootsOf = ({ editor, condition }: ReturnType<typeof parseStatement>): readonly Node[] =>
  (condition === undefined ? [editor] : [editor, condition]);

function settingsOf(roots: readonly Node[], options: OttlOptions) {
  const functions = functionsWith(options.functions ?? []);
  const { context = inferContext([roots], options.signal!, functions), world } = options;
  return { context, functions, environment: world };
}

/**
 * The context of a group of statements and conditions. Throws OttlFault; that of a MisfitFault has
 * the index of its text, conditions first.
 */
export function contextOfGroup(
  statements: readonly string[], conditions: readonly string[], signal: Signal,
  functions: readonly FunctionSpec[] = [],
): OttlContextName {
  const texts = [
    ...conditions.map((text) => [parseCondition(text)]),
    ...statements.map((text) => rootsOf(parseStatement(text))),
  ];
  return inferContext(texts, signal, functionsWith(functions));
}

export interface FailureOptions {
  readonly errorMode: ErrorMode;
  /** Called for each failure that does not throw; `text` is the statement. */
  readonly onFailure?: ((failure: OttlFailure, text: string) => void) | undefined;
}

/** True when any of the conditions holds; one that fails does not, unless failures propagate. */
export function createConditions(
  texts: readonly string[], options: OttlOptions & FailureOptions,
): Condition {
  const tests = texts.map((text) =>
    guarded(compileCondition(text, options), text, options));
  const [only] = tests;
  if (tests.length === 1) return only!;
  return (view) => tests.some((test) => test(view));
}

/** Runs all statements in their order. */
export function createStatements(
  texts: readonly string[], options: OttlOptions & FailureOptions,
): (view: OttlView) => void {
  const runs = texts.map((text) => guarded(compileStatement(text, options), text, options));
  return (view) => {
    for (const run of runs) run(view);
  };
}

function guarded(test: Test, text: string, { errorMode, onFailure }: FailureOptions): Test {
  if (errorMode === 'propagate') return test;
  return (view) => {
    try {
      return test(view);
    } catch (error) {
      if (!(error instanceof OttlFailure)) throw error;
      onFailure?.(error, text);
      return false;
    }
  };
}

/** What is wrong with a text, for messages about a configuration; null when nothing is. */
export interface OttlProblem {
  readonly why: string;
  /** May have lines of its own: the statement with a caret. */
  readonly hint: string;
}

export function conditionProblem(text: string, options: Unchecked): OttlProblem | null {
  return problemOf(text, () => compileCondition(text, { ...options, world: NO_WORLD }));
}

export function statementProblem(text: string, options: Unchecked): OttlProblem | null {
  return problemOf(text, () => compileStatement(text, { ...options, world: NO_WORLD }));
}

type Unchecked = Omit<OttlOptions, 'world'>;

/** For compiling what will not run. */
const NO_WORLD: OttlEnvironment = {
  clock: { nowMs: () => 0, nowNs: () => 0n },
  random: { bytes: (count) => new Uint8Array(count), uuid: () => '' },
};

function problemOf(text: string, compile: () => void): OttlProblem | null {
  try {
    compile();
    return null;
  } catch (error) {
    if (error instanceof OttlFault) return problemFrom(text, error);
    throw error;
  }
}

export function problemFrom(text: string, fault: OttlFault): OttlProblem {
  const shown = excerptOf(text, fault.at);
  return {
    why: describeFault(text, fault),
    hint: fault.hint === '' ? `look here:\n${shown}` : `${fault.hint}\n${shown}`,
  };
}
