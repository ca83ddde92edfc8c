// `binnacle agent tap`: prints what passes a place of a running agent, a line for each record.

import { OperatorError } from '../../runtime/errors.ts';
import { stopRequest } from '../../runtime/lifecycle.ts';
import { ask } from './ask.ts';

export interface TapFlags {
  readonly url: string;
  readonly filter: string;
  readonly rate: number;
  readonly json: boolean;
}

/** A line of the stream that is longer is a mistake of the other side. */
const LINE_CHARS_MAX = 1024 * 1024;

/** Until the agent stops, or somebody ends it. Throws OperatorError. */
export async function tap(place: string, flags: TapFlags): Promise<void> {
  const abort = new AbortController();
  void stopRequest().then(() => abort.abort());
  process.stdout.on('error', () => abort.abort());
  const query = new URLSearchParams({
    at: place, rate: String(flags.rate), filter: flags.filter,
  });
  try {
    const answer = await ask(flags.url, `/debug/tap?${query}`, abort.signal);
    if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) {
      throw new OperatorError(`${flags.url} is no agent`, 'give the address of its zpages');
    }
    for await (const event of eventsOf(answer.body!)) print(event, flags.json);
    process.stderr.write('the agent has stopped\n');
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  }
}

interface Event {
  readonly name: string;
  readonly data: string;
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as the agent uses it. */
export async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Event> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split('\n\n');
    rest = blocks.pop()!;
    if (rest.length > LINE_CHARS_MAX) throw new OperatorError('the answer is no stream', '');
    for (const block of blocks) {
      const field = (name: string) => block.split('\n')
        .find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field('data');
      if (data !== undefined) yield { name: field('event') ?? 'record', data };
    }
  }
}

function print({ name, data }: Event, asJson: boolean): void {
  if (name === 'left_out') process.stderr.write(`… ${data} records were not shown\n`);
  else process.stdout.write(`${asJson ? data : textOf(data)}\n`);
}

/** `12:00:00.123 receiver otlp  shop INFO "a body" key=value`. */
export function textOf(data: string): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(data) as Record<string, unknown>;
  } catch {
    // A record that was too long for the agent is cut.
    return clean(data);
  }
  const { at, time, resource, attributes, signal, ...rest } = record;
  const service = (resource as Record<string, unknown> | undefined)?.['service.name'];
  const words = signal === 'logs' ? [rest['severity'], show(rest['body'])]
    : signal === 'traces' ? [rest['name'], `${String(rest['durationMs'])} ms`, rest['status']]
      : [rest['name'], show(rest['value']), rest['unit']];
  const pairs = Object.entries(attributes ?? {}).map(([key, value]) => `${key}=${show(value)}`);
  return clean([String(time ?? '').slice(11, 23), `[${String(at)}]`, service, ...words, ...pairs]
    .filter((word) => word !== undefined && word !== '').map(String).join(' '));
}

const show = (value: unknown): string =>
  (typeof value === 'string' ? value : JSON.stringify(value) ?? '');

/** Without what would steer a terminal. */
const clean = (text: string): string => text.replace(/[\x00-\x1f\x7f-\x9f]/g, ' ');
