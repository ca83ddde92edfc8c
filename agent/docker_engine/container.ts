// What the engine says of a container, as far as it is used: of GET /containers/json and of
// GET /containers/{id}/json. All is read as of unknown origin: what is missing is empty.

export interface ContainerSummary {
  readonly id: string;
  /** Without the slash in front. */
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  /** created, running, paused, restarting, removing, exited, dead. */
  readonly state: string;
}

export interface ContainerDetails extends ContainerSummary {
  readonly hostname: string;
  /** `sha256:…`. */
  readonly imageId: string;
  readonly env: ReadonlyMap<string, string>;
  /** The program and its arguments, with blanks between. */
  readonly commandLine: string;
  readonly tty: boolean;
  readonly restarts: number;
  /** Milliseconds since the Unix epoch; NaN when it was never started. */
  readonly startedMs: number;
  /** CPUs that it may use; NaN when there is no limit. */
  readonly cpuLimit: number;
  /** NaN when none are set. */
  readonly cpuShares: number;
}

export function parseSummaries(answer: unknown): ContainerSummary[] {
  if (!Array.isArray(answer)) throw new Error('the Docker engine answers with no list');
  return answer.flatMap((one: unknown) => {
    const fields = map(one);
    const id = text(fields['Id']);
    if (id === '') return [];
    const names = Array.isArray(fields['Names']) ? fields['Names'] : [];
    return [{
      id,
      name: text(names[0]).replace(/^\//, ''),
      image: text(fields['Image']),
      labels: texts(fields['Labels']),
      state: text(fields['State']),
    }];
  });
}

export function parseDetails(answer: unknown): ContainerDetails {
  const fields = map(answer);
  const config = map(fields['Config']);
  const state = map(fields['State']);
  const host = map(fields['HostConfig']);
  const id = text(fields['Id']);
  if (id === '') throw new Error('the Docker engine answers with no container');
  const args = Array.isArray(fields['Args']) ? fields['Args'].map(text) : [];
  return {
    id,
    name: text(fields['Name']).replace(/^\//, ''),
    image: text(config['Image']),
    labels: texts(config['Labels']),
    state: text(state['Status']),
    hostname: text(config['Hostname']),
    imageId: text(fields['Image']),
    env: parseEnv(config['Env']),
    commandLine: [text(fields['Path']), ...args].join(' ').trim(),
    tty: config['Tty'] === true,
    restarts: number(fields['RestartCount']),
    startedMs: startOf(text(state['StartedAt'])),
    cpuLimit: cpuLimit(host),
    cpuShares: number(host['CpuShares']) > 0 ? number(host['CpuShares']) : NaN,
  };
}

/** `registry:5000/team/app:1.2@sha256:…` → `registry:5000/team/app` and `1.2`. */
export function parseImage(image: string): { readonly name: string; readonly tag: string } {
  const [plain = ''] = image.split('@', 1);
  const match = /^(.+):([\w][\w.-]{0,127})$/.exec(plain);
  if (match === null || /^sha256$/.test(match[1]!)) return { name: plain, tag: '' };
  return { name: match[1]!, tag: match[2]! };
}

/** One that never ran has a date of the year 1. */
function startOf(started: string): number {
  const ms = Date.parse(started);
  return ms > 0 ? ms : NaN;
}

function cpuLimit(host: Record<string, unknown>): number {
  const nano = number(host['NanoCpus']);
  if (nano > 0) return nano / 1e9;
  const set = text(host['CpusetCpus']);
  if (set !== '') return countCpus(set);
  const quota = number(host['CpuQuota']);
  if (!(quota > 0)) return NaN;
  const period = number(host['CpuPeriod']);
  return quota / (period > 0 ? period : 100_000);
}

/** `0-2,5` is four. */
function countCpus(set: string): number {
  return set.split(',').reduce((sum, range) => {
    const [first, last = first] = range.split('-').map(Number);
    return sum + (last! - first! + 1);
  }, 0);
}

function parseEnv(list: unknown): Map<string, string> {
  const env = new Map<string, string>();
  for (const one of Array.isArray(list) ? list.map(text) : []) {
    const equals = one.indexOf('=');
    if (equals > 0) env.set(one.slice(0, equals), one.slice(equals + 1));
  }
  return env;
}

export function map(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown> : {};
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

export const number = (value: unknown): number => (typeof value === 'number' ? value : NaN);

function texts(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(map(value))
    .filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
}
