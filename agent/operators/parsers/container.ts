// container: lines of container engines, as they stand in the files of nodes.
//
//   docker       {"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.123456789Z"}
//   containerd   2026-01-02T03:04:05.123456789Z stdout F text
//   crio         2026-01-02T03:04:05.123456789+01:00 stderr P text
//
// The text becomes the body, the stream log.iostream, the tag of CRI logtag, the time the record's.
// Texts that the engine cut are put together again: P until F for CRI, and for Docker texts of its
// 16 KiB that do not end with a line feed, for each file and stream by itself. From the path of the
// file (log.file.path) the resource gets the names of namespace, pod and container.

import * as z from 'zod';
import { byteSize } from '../../../config/schema.ts';
import {
  emptyMap, getField, setField, type Entry, type Field, type Value, type ValueMap,
} from '../entry.ts';
import { Joining, sourceOf } from '../joining.ts';
import { blockKeys, createBlocks, limits as parserLimits, parserKeys } from '../parser.ts';
import { flowOperator, operatorKeys } from '../step.ts';
import { createTimeReader } from '../time.ts';

export const limits = {
  /** Files whose path is remembered with what it says; with more all are forgotten. */
  pathsMax: 4096,
  /** Docker cuts a text after so many bytes. */
  dockerBytes: 16 * 1024,
  /** Parts of one text: 1 GiB of Docker's; the size is bounded by max_log_size. */
  partsMax: 65_536,
  sourcesMax: 10_000,
} as const;

/** What was cut is waited for at most so long; the rest of it follows at once. */
const HOLD_MS = 5000;
const FILE_PATH: Field = { root: 'attributes', keys: ['log.file.path'] };
const BODY: Field = { root: 'body', keys: [] };

export const container = flowOperator({
  keys: () => {
    const { parse_from, parse_to } = parserKeys();
    return {
      ...operatorKeys(),
      parse_from, parse_to,
      ...blockKeys(),
      format: z.enum(['', 'auto', 'docker', 'crio', 'containerd'])
        .describe('What wrote the lines; auto or empty: each line tells.').default('auto'),
      add_metadata_from_filepath: z.boolean()
        .describe('Read k8s.* from log.file.path; needs include_file_path: true.').default(true),
      max_log_size: byteSize()
        .describe('Bytes of a text put together after which it is sent; 0: no bound.')
        .prefault('1MiB'),
    };
  },
  create: (config, making, { send, fail, holds }) => {
    const { parse_from, parse_to, add_metadata_from_filepath: withPath } = config;
    const parse = createLineParser(config.format);
    const readTime = createTimeReader({
      layout_type: 'gotime', layout: '2006-01-02T15:04:05.999999999Z07:00', location: 'UTC',
      time_zone_locations: {},
    }, making.clock);
    const metadata = createMetadata();
    const after = createBlocks(config, making);
    const joined = (entry: Entry): void => {
      const found = withPath ? metadata(entry) : null;
      const blocks = after === null ? null : after(entry);
      const fault = found ?? blocks;
      if (fault === null) send(entry);
      else fail(entry, fault);
    };
    const joining = new Joining({
      field: BODY, between: '', keep: 'newest', entriesMax: limits.partsMax, unmatchedMax: 0,
      bytesMax: config.max_log_size, sourcesMax: limits.sourcesMax, holdMs: HOLD_MS,
    }, joined);
    holds(joining);
    return (entry) => {
      const text = getField(entry, parse_from);
      if (typeof text !== 'string') return fail(entry, 'the field to parse is no text');
      const line = parse(text);
      if (typeof line === 'string') return fail(entry, line);
      const timeNs = readTime(line.time);
      if (timeNs === null) return fail(entry, 'the time of the line is none');
      entry.timeNs = timeNs;
      setField(entry, parse_to, line.rest);
      const source = `${line.stream} ${sourceOf(entry, FILE_PATH)}`;
      // Most lines are whole.
      if (!line.partial && !joining.has(source)) {
        entry.body = line.text;
        return joined(entry);
      }
      joining.add(source, entry, line.text, !line.partial);
      if (!line.partial) joining.send(source);
    };
  },
});

interface Line {
  readonly time: string;
  readonly stream: string;
  readonly text: string;
  readonly partial: boolean;
  /** What else becomes attributes. */
  readonly rest: ValueMap;
}

/** What a line says, or what is wrong with it. */
function createLineParser(format: string): (text: string) => Line | string {
  const isOpen = format === '' || format === 'auto';
  return (text) => {
    if (format === 'docker' || (isOpen && text.startsWith('{'))) return parseDocker(text);
    const line = parseCri(text);
    if (line === null) return 'the line is of no container engine';
    const isUtc = line.time.endsWith('Z');
    if ((format === 'crio' && isUtc) || (format === 'containerd' && !isUtc)) {
      return 'the line is of another format';
    }
    return line;
  };
}

const CRI = /^([^ ]{1,64}) (stdout|stderr) ([^ ]{0,64}) ?/;

function parseCri(text: string): Line | null {
  const match = CRI.exec(text);
  if (match === null) return null;
  const [head, time, stream, tag] = match as unknown as [string, string, string, string];
  const rest = emptyMap();
  rest['log.iostream'] = stream;
  rest['logtag'] = tag;
  // A tag may have further parts behind the first: P or F.
  const partial = tag === 'P' || tag.startsWith('P:');
  return { time, stream, text: text.slice(head.length), partial, rest };
}

function parseDocker(text: string): Line | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'the text is not JSON';
  }
  if (typeof value !== 'object' || value === null) return 'the JSON is no object';
  const { log, stream, time, ...others } = value as Record<string, unknown>;
  if (typeof log !== 'string' || typeof time !== 'string') return 'log or time is missing';
  const rest = emptyMap();
  if (typeof stream === 'string') rest['log.iostream'] = stream;
  for (const [key, one] of Object.entries(others)) if (isFlat(one)) rest[key] = one as Value;
  const ended = log.endsWith('\n');
  const partial = !ended && Buffer.byteLength(log) >= limits.dockerBytes;
  return { time, stream: String(stream), text: ended ? log.slice(0, -1) : log, partial, rest };
}

/** Docker's `attrs` are texts by name; deeper values are none of Docker's. */
function isFlat(value: unknown, depth = 2): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((one) => isFlat(one, depth - 1));
}

const POD_PATH = new RegExp('^.*[/\\\\]([^_/\\\\]+)_([^_/\\\\]+)_([a-f0-9-]+)[/\\\\]'
  + '([^._/\\\\]+)[/\\\\](\\d+)\\.log(?:\\.[^/\\\\]*)?$');
const POD_KEYS = [
  'k8s.namespace.name', 'k8s.pod.name', 'k8s.pod.uid', 'k8s.container.name',
  'k8s.container.restart_count',
];

/** Sets what the path says; answers what is wrong with it, or null. */
function createMetadata(): (entry: Entry) => string | null {
  const known = new Map<string, readonly string[] | null>();
  return (entry) => {
    const path = getField(entry, FILE_PATH);
    if (typeof path !== 'string') {
      return 'log.file.path is not there; set include_file_path, or add_metadata_from_filepath off';
    }
    let values = known.get(path);
    if (values === undefined) {
      const isScanned = path.length <= parserLimits.scannedCharsMax;
      values = (isScanned ? POD_PATH.exec(path)?.slice(1) : null) ?? null;
      if (known.size >= limits.pathsMax) known.clear();
      known.set(path, values);
    }
    if (values === null) return 'log.file.path is not that of a pod';
    POD_KEYS.forEach((key, index) => (entry.resource[key] = values[index]!));
    return null;
  };
}
