// Reads a script of alerts. What is wrong is told all at once, each with its line and column; see
// docs/alert_scripts.md.
//
// A line that begins in the first column is a statement; indented lines below it belong to it.

import type { ConfigProblem } from '../../config/errors.ts';
import { knownHint } from '../../config/errors.ts';
import type { Source } from '../../config/source.ts';
import { createLine, durationIn, ScriptFault, settingIn, type Line } from './line.ts';
import { readLoad, readMeasure, readRecords } from './load.ts';
import {
  limits, type MeasuredLoad, type MetricLoad, type Piece, type Place, type RecordLoad,
  type Script, type Step,
} from './model.ts';
import { readStep } from './step.ts';

export type ScriptResult =
  | { readonly ok: true; readonly script: Script }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

export function parseScript({ file, text }: Source): ScriptResult {
  const draft = newDraft();
  const problems: ConfigProblem[] = [];
  const note = (fault: ScriptFault) => problems.push(
    { file, ...fault.place, path: '', why: fault.message, hint: fault.hint });
  const attempt = (read: () => void) => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof ScriptFault)) throw error;
      note(error);
    }
  };
  if (Buffer.byteLength(text) > limits.scriptBytesMax) {
    note(new ScriptFault({ line: 1, column: 1 },
      `the script has more than ${limits.scriptBytesMax} bytes`, 'make several of it'));
    return { ok: false, problems };
  }
  for (const block of blocksOf(text, note)) attempt(() => readBlock(block, draft));
  if (problems.length > 0) return { ok: false, problems };
  const steps = draft.steps.sort((one, other) => one.atMs - other.atMs);
  const endMs = Math.max(draft.endMs, draft.startMs, steps.at(-1)?.atMs ?? 0);
  return { ok: true, script: { ...draft, file, steps, endMs } };
}

/** A statement with the indented lines that belong to it. */
export interface Block {
  readonly line: number;
  readonly head: string;
  /** With their numbers; empty lines and comments are among them, since YAML has its own. */
  readonly body: ReadonlyArray<{ readonly line: number; readonly text: string }>;
}

function blocksOf(text: string, note: (fault: ScriptFault) => void): Block[] {
  const blocks: Array<Block & { body: Array<{ line: number; text: string }> }> = [];
  text.split(/\r?\n/).forEach((written, index) => {
    const line = index + 1;
    const last = blocks.at(-1);
    if (/^\s*(#|$)/.test(written)) {
      last?.body.push({ line, text: written });
    } else if (!/^\s/.test(written)) {
      blocks.push({ line, head: written, body: [] });
    } else if (last !== undefined) {
      last.body.push({ line, text: written });
    } else {
      note(new ScriptFault({ line, column: 1 }, 'an indented line belongs to a statement above',
        'there is none; begin in the first column'));
    }
  });
  return blocks;
}

type Draft = { -readonly [Key in keyof Omit<Script, 'file'>]: Script[Key] } & {
  rules: Piece[];
  metrics: MetricLoad[];
  records: RecordLoad[];
  measured: MeasuredLoad[];
  steps: Step[];
};

const newDraft = (): Draft => ({
  rules: [], alerting: null, env: {}, metrics: [], records: [], measured: [],
  startMs: 0, endMs: 0, realOffsets: false, anyNotifications: false, steps: [],
});

type ReadStatement = (line: Line, block: Block, draft: Draft) => void;

const STATEMENTS: Readonly<Record<string, ReadStatement>> = {
  rules: (line, block, draft) => void draft.rules.push(pieceOf(line, block)),
  alerting: (line, block, draft) => {
    if (draft.alerting !== null) line.fail('there is an alerting block already', '', undefined);
    draft.alerting = pieceOf(line, block);
  },
  env: (line, block, draft) => {
    const setting = settingIn(line.next('NAME=value'));
    if (setting === null) line.fail('it must be NAME=value');
    draft.env = { ...draft.env, [setting!.name]: setting!.value.text };
    line.end();
    noBody(block);
  },
  load: (line, block, draft) => void draft.metrics.push(...readLoad(line, linesOf(block))),
  measure: (line, block, draft) => void draft.measured.push(...readMeasure(line, linesOf(block))),
  logs: (line, block, draft) => {
    draft.records.push(readRecords('logs', line));
    noBody(block);
  },
  spans: (line, block, draft) => {
    draft.records.push(readRecords('traces', line));
    noBody(block);
  },
  start: (line, block, draft) => {
    draft.startMs = lateness(line);
    noBody(block);
  },
  end: (line, block, draft) => {
    draft.endMs = lateness(line);
    noBody(block);
  },
  offset: (line, block, draft) => {
    if (!line.take('real')) line.fail('it can only be "offset real"');
    line.end();
    draft.realOffsets = true;
    noBody(block);
  },
  ignore: (line, block, draft) => {
    if (!line.take('notifications')) line.fail('it can only be "ignore notifications"');
    line.end();
    draft.anyNotifications = true;
    noBody(block);
  },
  at: (line, block, draft) => {
    const steps = readStep(line, {
      lines: () => linesOf(block),
      piece: () => pieceOf(line, block),
      noBody: () => noBody(block),
    });
    if (draft.steps.length + steps.length > limits.stepsMax) {
      line.fail(`there are more than ${limits.stepsMax} steps`, 'repeat them less often');
    }
    draft.steps.push(...steps);
  },
};

function readBlock(block: Block, draft: Draft): void {
  const line = createLine(block.head, block.line);
  const verb = line.next('a statement');
  const read = Object.hasOwn(STATEMENTS, verb.text) ? STATEMENTS[verb.text] : undefined;
  if (read === undefined) {
    line.fail(`there is no statement "${verb.text}"`,
      knownHint(verb.text, Object.keys(STATEMENTS)), verb);
  }
  read!(line, block, draft);
}

/** `at 3d`. */
function lateness(line: Line): number {
  if (!line.take('at')) line.fail('"at" and a time must follow');
  const time = durationIn(line.next('a time'));
  line.end();
  return time;
}

/** Indented YAML with its lines and columns in the script, or the file that the line names. */
function pieceOf(line: Line, block: Block): Piece {
  const file = line.peek() === undefined ? null : line.next('a file');
  line.end();
  if (file !== null) {
    noBody(block);
    return { type: 'file', file: file.text, place: file.place };
  }
  const first = block.body.find(({ text }) => !/^\s*(#|$)/.test(text));
  if (first === undefined) line.fail('YAML, or the name of a file, must follow', 'indent it');
  const text = '\n'.repeat(block.line) + block.body.map((one) => one.text).join('\n');
  return { type: 'text', text, place: { line: first!.line, column: 1 } };
}

const linesOf = (block: Block): Line[] => block.body
  .filter(({ text }) => !/^\s*(#|$)/.test(text))
  .map(({ text, line }) => createLine(text, line));

function noBody({ body }: Block): void {
  const odd = body.find(({ text }) => !/^\s*(#|$)/.test(text));
  if (odd === undefined) return;
  const place: Place = { line: odd.line, column: 1 + odd.text.search(/\S/) };
  throw new ScriptFault(place, 'nothing belongs to the statement above',
    'begin a statement in the first column');
}
