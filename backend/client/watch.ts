// `--watch`: the same question again and again. On a terminal each result takes the place of the
// one before; in a pipe they follow each other.
//
// A mistake in the statement ends it. A backend that is away or busy does not: the next try may
// reach it.

import { EXIT, OperatorError } from '../../runtime/errors.ts';
import { AskError } from './ask.ts';
import { failureText } from './failure.ts';
import type { Sink } from './output.ts';
import type { Running } from './statement.ts';
import { inOneLine } from './statements.ts';
import { coloursFor, cut, durationText, harmless } from './text.ts';

export interface WatchOptions {
  readonly intervalMs: number;
  /** What is asked, for the line above. */
  readonly title: string;
  readonly running: Running;
  readonly abort: AbortSignal;
  /** Asks once and writes to the sink that it is given. */
  readonly once: (running: Running) => Promise<void>;
}

const limits = {
  /** A shorter interval would be a load and no help. */
  intervalMsMin: 100,
  /** Rows below the last line of the terminal are not seen, so what is beyond this is cut. */
  linesDefault: 24,
} as const;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of `2s`, `500ms`, `1m`, `2` (seconds). Throws OperatorError. */
export function parseInterval(text: string): number {
  const [, number, unit = 's'] = /^(\d{1,6}(?:\.\d{1,3})?)(ms|s|m|h)?$/.exec(text) ?? [];
  const ms = Number(number) * UNITS[unit]!;
  if (number !== undefined && ms >= limits.intervalMsMin) return ms;
  throw new OperatorError(`--watch cannot be '${text}'`,
    `write it like 2s or 500ms, at least ${limits.intervalMsMin}ms`);
}

/** Until it is aborted, which is its orderly end. Resolves with the exit code. */
export async function watch(options: WatchOptions): Promise<number> {
  const { abort, intervalMs, running } = options;
  const { clock, sink } = running;
  while (!abort.aborted) {
    const startMs = clock.monotonicMs();
    const held = heldSink(sink.isTerminal);
    try {
      await options.once({ ...running, sink: held });
      await sink.write(sink.isTerminal ? screen(held.text(), options) : held.text());
    } catch (error) {
      if (abort.aborted) break;
      const text = troubleText(error, options);
      if (text === null) throw error;
      if (!mayPass(error)) {
        process.stderr.write(text);
        return EXIT.failed;
      }
      if (sink.isTerminal) await sink.write(screen(text, options));
      else process.stderr.write(text);
    }
    await clock.sleep(Math.max(0, startMs + intervalMs - clock.monotonicMs()), abort);
  }
  return EXIT.ok;
}

/** Drawn as a whole, so that it does not flicker. */
function heldSink(isTerminal: boolean): Sink & { text(): string } {
  const chunks: Buffer[] = [];
  return {
    isTerminal,
    write: async (chunk) => void chunks.push(Buffer.from(chunk as string)),
    finish: async () => {},
    discard: async () => {},
    text: () => Buffer.concat(chunks).toString(),
  };
}

const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

function screen(text: string, { intervalMs, running, title }: WatchOptions): string {
  const { columns = 80, rows = limits.linesDefault } = process.stdout;
  const time = new Date(running.clock.nowMs()).toISOString().slice(11, 19);
  const head = cut(`every ${durationText(intervalMs)}, ${time} UTC: ${harmless(inOneLine(title))}`,
    columns);
  const all = text.replace(/\n$/, '').split('\n');
  const room = rows - 3;
  const lines = all.length <= room ? all
    : [...all.slice(0, room - 1), `… ${all.length - room + 1} more lines`];
  const { dim } = coloursFor(process.stdout);
  return HOME + [dim(head), '', ...lines].map((line) => `${line}${CLEAR_LINE}\n`).join('')
    + CLEAR_BELOW;
}

/** Null for what is no failure of the question. */
function troubleText(error: unknown, { title }: WatchOptions): string | null {
  if (error instanceof OperatorError) return `binnacle: ${error.message}\n  ${error.hint}\n`;
  if (!(error instanceof AskError)) return null;
  return failureText(error, { sql: title, origin: '', colours: coloursFor(process.stderr),
    columns: process.stderr.columns ?? 100 });
}

const mayPass = (error: unknown): boolean => error instanceof OperatorError
  || (error instanceof AskError && (error.status === 429 || error.status >= 500
    || error.code === 'BROKEN_OFF'));
