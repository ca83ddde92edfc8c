// `binnacle query` at a terminal without a statement: a prompt.
//
// A statement goes on over lines until its semicolon (or \G, which shows its result vertically).
// Ctrl-C drops what is being written, or cancels what runs, in the store too. While something
// runs the terminal is as it is outside of the prompt, so that Ctrl-C is a signal.

import { createInterface, type Interface } from 'node:readline';
import { OperatorError } from '../../runtime/errors.ts';
import type { World } from '../../runtime/world.ts';
import { AskError } from './ask.ts';
import { loadAttributes, loadTables, type Attribute, type Table } from './catalog.ts';
import { createCompleter } from './completion.ts';
import { failureText } from './failure.ts';
import type { Form } from './format.ts';
import { historyPath, limits as historyLimits, openHistory, type History } from './history.ts';
import { streamSink } from './output.ts';
import { runningOf, type QueryFlags } from './query.ts';
import { attributesPage, columnsPage, tablesPage } from './schema.ts';
import { ranText, runStatement, type Running } from './statement.ts';
import { inOneLine, isOpen, splitStatements } from './statements.ts';
import { coloursFor, countText } from './text.ts';

const HELP = `
  SELECT …;        run it; it may go on over lines until the ;
  SELECT …\\G       run it and show each row vertically
  \\d               list the tables
  \\d otel_logs     list the columns of a table and the attributes of its rows
  \\x on|off|auto   rows vertically: always, never, when they do not fit (auto)
  \\timing          say how long it took, or not
  \\q               leave (Ctrl-D)
  Tab completes tables, columns and attributes; the arrows go through the history.

`;

type Expanded = 'on' | 'off' | 'auto';

/** Resolves when the person leaves. Throws OperatorError when the backend is not to be had. */
export async function startPrompt(world: World, flags: QueryFlags): Promise<void> {
  const running = runningOf(world, flags, streamSink(process.stdout, () => {}));
  const tables = await loadTables(running.target).catch((error: unknown) => {
    if (!(error instanceof AskError)) throw error;
    throw new OperatorError(`${error.code}: ${error.message}`, error.hint);
  });
  const history = await openHistory(world.files, historyPath(process.env));
  process.stdout.write(`Binnacle at ${flags.url}. \\? says what there is, \\q leaves.\n`);
  await new Prompt(running, tables, history, flags.format !== undefined).run();
}

class Prompt {
  private readonly running: Running;
  private readonly hasFormat: boolean;
  private readonly history: History;
  private readonly lines: string[] = [];
  private readonly attributes = new Map<string, Promise<readonly Attribute[]>>();
  private readonly terminal: Interface;
  private tables: readonly Table[];
  private busy = false;
  private closed = false;
  /** What was written of a statement so far. */
  private written = '';
  private expanded: Expanded = 'auto';
  private timing = true;
  private historyWorks = true;

  constructor(running: Running, tables: readonly Table[], history: History, hasFormat: boolean) {
    this.running = running;
    this.tables = tables;
    this.history = history;
    this.hasFormat = hasFormat;
    const complete = createCompleter({ tables, attributesOf: (one) => this.attributesOf(one) });
    this.terminal = createInterface({
      input: process.stdin,
      output: process.stdout,
      history: [...history.entries],
      historySize: historyLimits.entriesMax,
      completer: (line: string, done: (error: null, found: [string[], string]) => void) => {
        complete(this.written, line).then((found) => done(null, found),
          () => done(null, [[], line]));
      },
    });
  }

  run(): Promise<void> {
    this.ask();
    return new Promise((resolve) => {
      // Statements are kept, not lines: a line of its own says little.
      this.terminal.on('history', (shown) => {
        shown.splice(0, shown.length, ...this.history.entries);
      });
      this.terminal.on('line', (line) => {
        this.lines.push(line);
        void this.work();
      });
      this.terminal.on('SIGINT', () => this.drop());
      this.terminal.on('close', () => {
        this.closed = true;
        if (!this.busy) process.stdout.write('\n');
        resolve();
      });
    });
  }

  private ask(): void {
    if (this.closed) return;
    const inside = isOpen(`${this.written}\n`) ? '       \'> ' : '       -> ';
    this.terminal.setPrompt(this.written === '' ? 'binnacle> ' : inside);
    this.terminal.prompt();
  }

  private drop(): void {
    process.stdout.write('^C\n');
    this.written = '';
    this.terminal.write(null, { ctrl: true, name: 'e' });
    this.terminal.write(null, { ctrl: true, name: 'u' });
    this.ask();
  }

  /** Lines that were pasted come at once, and wait for each other here. */
  private async work(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    while (this.lines.length > 0 && !this.closed) {
      try {
        await this.take(this.lines.shift()!);
      } catch (error) {
        this.fail(error, '');
      }
    }
    this.busy = false;
    this.ask();
  }

  private async take(line: string): Promise<void> {
    const word = line.trim();
    if (this.written === '' && (word.startsWith('\\') || /^(?:quit|exit|help)$/i.test(word))) {
      return this.command(word);
    }
    this.written += this.written === '' ? line : `\n${line}`;
    const isVertical = /\\G\s*$/.test(this.written) && !isOpen(this.written);
    const text = isVertical ? this.written.replace(/\\G\s*$/, ';') : this.written;
    const pieces = splitStatements(text);
    const rest = pieces.find(({ ended }) => !ended);
    const isComment = pieces.length === 0 && !isOpen(`${text}\n`);
    this.written = rest !== undefined ? text.slice(rest.start)
      : pieces.length > 0 || isComment ? '' : text;
    for (const { sql, ended } of pieces) if (ended) await this.runOne(sql, isVertical);
  }

  private async runOne(sql: string, isVertical: boolean): Promise<void> {
    await this.remember(`${inOneLine(sql)};`);
    const form: Form = this.hasFormat ? this.running.form
      : { kind: isVertical || this.expanded === 'on' ? 'vertical' : 'table' };
    const running = { ...this.running, form, mayChange: this.expanded === 'auto' };
    await this.cancellable(async (abort) => {
      const ran = await runStatement(running, sql, abort);
      const { dim } = coloursFor(process.stdout);
      const rows = ran.rows === null ? '' : `${countText(ran.rows, 'row')}\n`;
      process.stdout.write(dim(this.timing ? `${ranText(ran)}\n` : rows));
    }, sql);
  }

  private async cancellable(
    act: (abort: AbortSignal) => Promise<void>,
    sql: string,
  ): Promise<void> {
    const abort = new AbortController();
    const cancel = () => abort.abort();
    this.terminal.pause();
    process.stdin.setRawMode(false);
    process.on('SIGINT', cancel);
    try {
      await act(abort.signal);
    } catch (error) {
      if (abort.signal.aborted) process.stdout.write('\ncancelled\n');
      else this.fail(error, sql);
    } finally {
      process.off('SIGINT', cancel);
      if (!this.closed) {
        process.stdin.setRawMode(true);
        this.terminal.resume();
      }
    }
  }

  private fail(error: unknown, sql: string): void {
    const colours = coloursFor(process.stdout);
    if (error instanceof AskError) {
      const columns = process.stdout.columns ?? 100;
      process.stdout.write(failureText(error, { sql, origin: '', colours, columns }));
    } else if (error instanceof OperatorError) {
      process.stdout.write(`${colours.red('binnacle:')} ${error.message}\n  ${error.hint}\n`);
    } else throw error;
  }

  private async remember(entry: string): Promise<void> {
    try {
      await this.history.add(entry);
    } catch {
      if (this.historyWorks) process.stdout.write('(the history cannot be written)\n');
      this.historyWorks = false;
    }
  }

  private async command(text: string): Promise<void> {
    const [name = '', argument] = text.replace(/;$/, '').split(/\s+/);
    if (/^(?:\\q|quit|exit)$/i.test(name)) return this.terminal.close();
    if (name === '\\d') return this.describe(argument);
    if (name === '\\x') return this.expand(argument);
    if (name === '\\timing') {
      this.timing = !this.timing;
      process.stdout.write(`timing is ${this.timing ? 'on' : 'off'}\n`);
      return;
    }
    const known = /^(?:\\\?|\\h|help)$/i.test(name);
    process.stdout.write(known ? HELP : `there is no ${name}; \\? says what there is\n`);
  }

  private expand(argument: string | undefined): void {
    const next = this.expanded === 'on' ? 'auto' : 'on';
    const wanted = argument ?? next;
    if (wanted !== 'on' && wanted !== 'off' && wanted !== 'auto') {
      process.stdout.write('\\x takes on, off or auto\n');
      return;
    }
    this.expanded = wanted;
    process.stdout.write(`vertical rows: ${wanted}\n`);
  }

  private describe(name: string | undefined): Promise<void> {
    return this.cancellable(async (abort) => {
      this.tables = await loadTables(this.running.target, abort);
      if (name === undefined) {
        process.stdout.write(await tablesPage(this.tables));
        return;
      }
      const table = this.tables.find((one) => one.name === name);
      if (table === undefined) {
        process.stdout.write(`there is no table ${name}; \\d lists them\n`);
        return;
      }
      process.stdout.write(await columnsPage(table)
        + await attributesPage(await this.attributesOf(table)));
    }, '');
  }

  private attributesOf(table: Table): Promise<readonly Attribute[]> {
    const known = this.attributes.get(table.name);
    if (known !== undefined) return known;
    const asked = loadAttributes(this.running.target, table);
    this.attributes.set(table.name, asked);
    asked.catch(() => this.attributes.delete(table.name));
    return asked;
  }
}
