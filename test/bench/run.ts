// Runs the benches, one after the other, each in a process of its own, and lists their figures with
// the goals of the design:
//
//   npm run bench                         all, in under ten minutes
//   npm run bench -- NAME… [options]      these only; other options are handed to them
//   npm run bench -- --json FILE          also writes all figures, and what machine it was
//   npm run bench -- --docs               also puts the figures into docs/performance.md
//   npm run bench -- --from FILE --docs   puts figures there that were written to FILE before
//
// A bench is a file of this folder whose top comment holds `npm run bench -- NAME`, its own name.
// A figure that misses its goal is no failure; a bench that breaks is one, and the exit code says
// so. Beside each figure stands what others took of the machine meanwhile, which tells how far to
// trust it. Nothing is left: what the benches write lies in a folder that is removed at the end.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync }
  from 'node:fs';
import { availableParallelism, cpus, release, tmpdir, totalmem } from 'node:os';
import { basename, join } from 'node:path';
import { distanceOf, formatNumber, goalOf, lineOf, type Reported } from './figures.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const HERE = join(ROOT, 'test/bench');
const DOCUMENT = join(ROOT, 'docs/performance.md');
const MARKS = ['<!-- figures -->', '<!-- end of figures -->'] as const;
const TICKS_PER_SECOND = 100;

interface Measured {
  readonly bench: string;
  readonly seconds: number;
  /** Cores that everything else on this machine took meanwhile, on average. */
  readonly othersCores: number | null;
  readonly failed: boolean;
  readonly figures: readonly Reported[];
}

interface Results {
  readonly machine: string;
  readonly benches: readonly Measured[];
}

const { names, json, docs, from, passed } = readArguments(process.argv.slice(2));
const results = from === undefined ? await runAll() : readResults(from);
if (json !== undefined) writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`);
if (docs) writeDocument(results);
printSummary(results);
process.exit(results.benches.some(({ failed }) => failed) ? 1 : 0);

function readArguments(args: string[]) {
  const own = { names: [] as string[], json: '', from: '', docs: false, passed: [] as string[] };
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === '--docs') own.docs = true;
    else if (arg === '--json') own.json = args[++index] ?? fail('--json needs a file');
    else if (arg === '--from') own.from = args[++index] ?? fail('--from needs a file');
    else if (arg.startsWith('--')) own.passed.push(arg, args[++index] ?? fail(`${arg} of what?`));
    else own.names.push(arg);
  }
  if (own.passed.length > 0 && own.names.length === 0) {
    fail(`${own.passed[0]} is an option of a bench: name the bench, too`);
  }
  return { ...own, json: own.json || undefined, from: own.from || undefined };
}

function readResults(file: string): Results {
  return JSON.parse(readFileSync(file, 'utf8')) as Results;
}

async function runAll(): Promise<Results> {
  const all = benches();
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) fail(`no bench is called ${unknown}; there are ${all.join(', ')}`);
  spawnSync(process.execPath, ['build.mjs'], { cwd: ROOT, stdio: 'inherit' });
  const folder = mkdtempSync(join(tmpdir(), 'binnacle-bench-run-'));
  const benchesDone: Measured[] = [];
  try {
    for (const name of names.length > 0 ? names : all) {
      benchesDone.push(await runOne(name, folder));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { machine: machine(), benches: benchesDone };
}

/** Files that say in their top comment how they are run. */
function benches(): string[] {
  return readdirSync(HERE).filter((file) => file.endsWith('.ts'))
    .map((file) => basename(file, '.ts'))
    .filter((name) => name !== 'run' && topCommentOf(name).includes(`npm run bench -- ${name}`))
    .sort();
}

function topCommentOf(name: string): string {
  const lines = readFileSync(join(HERE, `${name}.ts`), 'utf8').split('\n');
  return lines.slice(0, lines.findIndex((line) => !line.startsWith('//'))).join('\n');
}

async function runOne(bench: string, folder: string): Promise<Measured> {
  console.log(`\n== ${bench}`);
  const file = join(folder, `${bench}.json`);
  const startMs = performance.now();
  const before = usedCores();
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', join(HERE, `${bench}.ts`), '--json', file, ...passed],
    { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, TMPDIR: folder } },
  );
  const code = await new Promise<number>((resolve) =>
    child.on('exit', (exit) => resolve(exit ?? 1)));
  const seconds = (performance.now() - startMs) / 1000;
  const after = usedCores();
  const others = before === null || after === null ? null
    : (after.all - after.own - before.all + before.own) / seconds;
  console.log(`-- ${bench}: ${seconds.toFixed(0)} s${code === 0 ? '' : `, failed with ${code}`}`
    + (others === null ? '' : `, others took ${others.toFixed(2)} cores`));
  const figures = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) as Reported[] : [];
  return { bench, seconds, othersCores: others, failed: code !== 0, figures };
}

/** Seconds of processor time: of the whole machine, and of this process and those it waited for. */
function usedCores(): { readonly all: number; readonly own: number } | null {
  if (!existsSync('/proc/stat')) return null;
  const [user, nice, system, , , interrupt, softInterrupt, stolen] =
    readFileSync('/proc/stat', 'utf8').split('\n')[0]!.trim().split(/\s+/).slice(1).map(Number);
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const own = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 15).map(Number);
  const all = [user, nice, system, interrupt, softInterrupt, stolen];
  return { all: sumOf(all) / TICKS_PER_SECOND, own: sumOf(own) / TICKS_PER_SECOND };
}

function sumOf(numbers: readonly (number | undefined)[]): number {
  return numbers.reduce<number>((sum, number) => sum + (number ?? 0), 0);
}

function machine(): string {
  const kernel = /^\d+\.\d+/.exec(release())?.[0] ?? release();
  return `${availableParallelism()} cores of ${cpus()[0]?.model.trim() ?? 'an unknown kind'}, `
    + `${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${kernel}, Node ${process.versions.node}`;
}

function printSummary({ benches: all, machine: text }: Results): void {
  const figures = all.flatMap((one) => one.figures);
  const total = all.reduce((sum, one) => sum + one.seconds, 0);
  console.log(`\n== goals, on ${text}; ${all.length} benches in ${total.toFixed(0)} s`);
  for (const figure of byGoal(figures.filter(({ goal }) => goal !== undefined))) {
    console.log(lineOf(figure));
  }
  const failed = all.filter((one) => one.failed).map(({ bench }) => bench);
  if (failed.length > 0) console.log(`failed: ${failed.join(', ')}`);
}

/** B2 before B10; those without an id at the end. */
function byGoal<T extends Reported>(figures: readonly T[]): T[] {
  const rank = ({ id }: T) => (id === undefined ? Infinity : Number(id.slice(1)));
  return figures.toSorted((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
}

function writeDocument(all: Results): void {
  const text = readFileSync(DOCUMENT, 'utf8');
  const [start, end] = MARKS.map((mark) => text.indexOf(mark)) as [number, number];
  if (start < 0 || end < start) fail(`${DOCUMENT} has no ${MARKS.join(' … ')}`);
  writeFileSync(DOCUMENT,
    `${text.slice(0, start + MARKS[0].length)}\n${tableOf(all)}${text.slice(end)}`);
}

function tableOf({ machine: text, benches: all }: Results): string {
  const rows = byGoal(all.flatMap(({ bench, othersCores, figures }) =>
    figures.map((figure) => ({ ...figure, bench, othersCores }))));
  const lines = rows.map(({ bench, othersCores, ...figure }) => [
    figure.id ?? '', figure.name, `${formatNumber(figure.value)} ${figure.unit}`,
    figure.yardstick === undefined ? ''
      : `${figure.yardstick.name}: ${formatNumber(figure.yardstick.value)}, `
        + `ratio ${figure.ratio!.toFixed(2)}`,
    goalOf(figure), distanceOf(figure), `\`${bench}\``, othersCores?.toFixed(2) ?? '',
  ].join(' | '));
  return [
    `Measured on ${text}.`, '',
    '| goal | what | figure | beside it | goal is | | bench | others took (cores) |',
    '|---|---|---|---|---|---|---|---|',
    ...lines.map((line) => `| ${line} |`), '',
  ].join('\n');
}

function fail(why: string): never {
  console.error(why);
  process.exit(2);
}
