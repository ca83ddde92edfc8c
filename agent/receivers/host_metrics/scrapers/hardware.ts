// Sensors of the hardware from /sys/class/hwmon (Documentation/hwmon/sysfs-interface.rst): a folder
// for each chip, with files of whole numbers, one or more for each sensor:
//
//     name            coretemp
//     device          a link to the device it belongs to
//     temp1_label     Package id 0                     absent for many
//     temp1_input     45000                            temp: m°C  fan: rpm  in: mV  power: µW
//     temp1_max       100000   temp1_crit, _min, _lcrit: likewise
//
// Names and attributes of temperatures are the Collector's; the others follow the semantic
// conventions for hardware. Limits that cannot be meant (beyond -40 to 200 °C) are left out.
// Virtual machines and containers usually have no sensors: that is said once.

import type { Attributes } from '../../../../proto/otlp/model.ts';
import { errorMessage } from '../../../../runtime/errors.ts';
import type { Accepts } from '../filter.ts';
import type { Host } from '../host.ts';
import {
  NO_ATTRIBUTES, text, type MetricDefinition, type Sample,
} from '../../readings/readings.ts';
import type { Scraper, Wanted } from '../scraper.ts';

const FOLDER = '/sys/class/hwmon';

interface Kind {
  /** In front of the number in names of files. */
  readonly prefix: string;
  readonly metric: string;
  readonly unit: string;
  readonly scale: number;
  readonly words: string;
  /** Ends of the files that hold a limit, and what each is called. */
  readonly limits: Readonly<Record<string, string>>;
}

const LIMITS = {
  crit: 'high.critical', max: 'high.degraded', lcrit: 'low.critical', min: 'low.degraded',
} as const;

export const KINDS = {
  temperature: {
    prefix: 'temp', metric: 'hw.temperature', unit: 'Cel', scale: 1e-3,
    words: 'Temperature', limits: LIMITS,
  },
  fan: {
    prefix: 'fan', metric: 'hw.fan.speed', unit: 'rpm', scale: 1,
    words: 'Speed of the fan', limits: { max: 'high.degraded', min: 'low.degraded' },
  },
  voltage: {
    prefix: 'in', metric: 'hw.voltage', unit: 'V', scale: 1e-3,
    words: 'Voltage', limits: LIMITS,
  },
  power: {
    prefix: 'power', metric: 'hw.power', unit: 'W', scale: 1e-6,
    words: 'Power that is drawn', limits: { crit: 'high.critical', max: 'high.degraded' },
  },
} as const satisfies Record<string, Kind>;

export type SensorKind = keyof typeof KINDS;

export const hardwareMetrics: readonly MetricDefinition[] = (Object.values(KINDS) as Kind[])
  .flatMap(({ metric, unit, words }): MetricDefinition[] => [
    { name: metric, unit, kind: 'gauge', value: 'double', enabled: true, description: `${words}.` },
    {
      name: `${metric}.limit`, unit, kind: 'gauge', value: 'double', enabled: false,
      description: `${words}: what the sensor is not to pass.`,
    },
  ]);

/** Sensors come and go with their devices: they are looked for again after so many scrapes. */
const SCRAPES_BETWEEN = 30;
/** Sensors beyond this number are not read; a sentence says so. */
const SENSORS_MAX = 1000;
const CELSIUS_MIN = -40;
const CELSIUS_MAX = 200;

/** Of the labels of the sensors of a kind. */
export type SensorFilters = Readonly<Record<SensorKind, Accepts>>;

interface Sensor {
  readonly kind: Kind;
  /** The file, without `_input`. */
  readonly path: string;
  /** The end of the file that has the value. */
  readonly value: string;
  readonly attributes: Attributes;
  readonly limits: readonly { readonly file: string; readonly attributes: Attributes }[];
}

export function createHardwareScraper(
  host: Host,
  wanted: Wanted,
  filters: SensorFilters,
): Scraper {
  let sensors: readonly Sensor[] = [];
  let scrapes = 0;
  return {
    name: 'hardware',
    scrape: async () => {
      const problems: string[] = [];
      if (scrapes++ % SCRAPES_BETWEEN === 0) sensors = await findSensors(host, filters);
      if (sensors.length > SENSORS_MAX) problems.push(`only ${SENSORS_MAX} sensors are read`);
      const startNs = host.bootNs();
      const timeNs = host.nowNs();
      const samples: Sample[] = [];
      for (const sensor of sensors.slice(0, SENSORS_MAX)) {
        await readSensor(host, sensor, wanted, samples, problems);
      }
      return {
        readings: [{ resource: NO_ATTRIBUTES, startNs, timeNs, samples }],
        problems,
        ...(sensors.length > 0 ? {} : { hidden: `there are no sensors in ${FOLDER}` }),
      };
    },
  };
}

async function findSensors(host: Host, filters: SensorFilters): Promise<Sensor[]> {
  const sensors: Sensor[] = [];
  const chips = (await host.list(FOLDER) ?? []).map(({ name }) => name);
  for (const chip of chips.sort(byNumber)) {
    const folder = `${FOLDER}/${chip}`;
    const files = new Set((await host.list(folder) ?? []).map(({ name }) => name));
    const device = await deviceName(host, folder, chip);
    for (const file of [...files].sort(byNumber)) {
      const match = /^([a-z]+)(\d+)_(input|average)$/.exec(file);
      const [kind, settings] = kindOf(match?.[1]);
      if (match === null || kind === null) continue;
      // Some meters of power know only their average.
      if (match[3] === 'average' && (files.has(`${kind.prefix}${match[2]}_input`)
        || kind !== KINDS.power)) continue;
      const stem = `${kind.prefix}${match[2]}`;
      const label = (await host.readIfThere(`${folder}/${stem}_label`).catch(() => null))?.trim();
      const name = label === undefined || label === '' ? stem : label;
      if (!filters[settings](name)) continue;
      const place = { path: `${folder}/${stem}`, stem, device, name, files };
      sensors.push(toSensor(kind, match[3]!, place));
    }
  }
  return sensors;
}

const byNumber = (one: string, other: string): number =>
  one.localeCompare(other, 'en', { numeric: true });

function kindOf(prefix: string | undefined): [Kind, SensorKind] | [null, 'temperature'] {
  for (const name of Object.keys(KINDS) as SensorKind[]) {
    if (KINDS[name].prefix === prefix) return [KINDS[name], name];
  }
  return [null, 'temperature'];
}

/** Two disks have chips of the same name: the device, such as its PCI address, tells them apart. */
async function deviceName(host: Host, folder: string, chip: string): Promise<string> {
  const name = (await host.readIfThere(`${folder}/name`).catch(() => null))?.trim() ?? chip;
  const link = await host.readLink(`${folder}/device`).catch(() => null);
  return `${name}_${link?.split('/').at(-1) ?? chip}`;
}

interface Place {
  readonly path: string;
  readonly stem: string;
  readonly device: string;
  readonly name: string;
  readonly files: ReadonlySet<string>;
}

function toSensor(kind: Kind, value: string, { path, stem, device, name, files }: Place): Sensor {
  const attributes = [
    text('id', `${device}_${stem}`), text('name', name), text('parent', device),
    text('sensor_location', `${device}_${stem}`.toUpperCase()),
  ];
  const limits = Object.entries(kind.limits)
    .filter(([end]) => files.has(`${stem}_${end}`))
    .map(([end, type]) => ({
      file: `${path}_${end}`, attributes: [...attributes, text('limit_type', type)],
    }));
  return { kind, path, value, attributes, limits };
}

async function readSensor(
  host: Host,
  { kind, path, value, attributes, limits }: Sensor,
  wanted: Wanted,
  samples: Sample[],
  problems: string[],
): Promise<void> {
  const read = async (file: string): Promise<number> => {
    const content = (await host.readIfThere(file))?.trim() ?? '';
    return /^-?\d+$/.test(content) ? Number(content) * kind.scale : NaN;
  };
  try {
    if (wanted(kind.metric)) {
      const file = `${path}_${value}`;
      samples.push({ metric: kind.metric, value: await read(file), attributes });
    }
    if (!wanted(`${kind.metric}.limit`)) return;
    for (const limit of limits) {
      const found = await read(limit.file);
      const meant = kind.unit !== 'Cel' || (found >= CELSIUS_MIN && found <= CELSIUS_MAX);
      if (!meant) continue;
      samples.push({
        metric: `${kind.metric}.limit`, value: found, attributes: limit.attributes,
      });
    }
  } catch (error) {
    // A sensor that is asleep or broken answers so; the others are read all the same.
    problems.push(errorMessage(error));
  }
}
