// Proves that sensors are found and named, and that their files become the right numbers, on a
// tree as the kernel's documentation of hwmon draws it. Machines for tests have no sensors.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFilter } from '../../../../../agent/receivers/host_metrics/filter.ts';
import {
  createHardwareScraper, type SensorFilters,
} from '../../../../../agent/receivers/host_metrics/scrapers/hardware.ts';
import { valuesOf } from '../readings.ts';
import { hostTree } from './trees.ts';

const skip = process.platform === 'linux' ? false : 'the files are those of Linux';
const all = createFilter();
const ALL: SensorFilters = { temperature: all, fan: all, voltage: all, power: all };
const CORE = '/sys/devices/platform/coretemp.0/hwmon/hwmon0';
const BOARD = '/sys/devices/pci0/hwmon/hwmon1';

const FILES = {
  [`${CORE}/name`]: 'coretemp\n',
  [`${CORE}/device`]: '-> ../../../coretemp.0',
  [`${CORE}/temp1_input`]: '45500\n',
  [`${CORE}/temp1_label`]: 'Package id 0\n',
  [`${CORE}/temp1_max`]: '80000\n',
  [`${CORE}/temp1_crit`]: '100000\n',
  [`${CORE}/temp1_min`]: '-273150\n',
  [`${BOARD}/name`]: 'nct6775\n',
  [`${BOARD}/fan2_input`]: '1200\n',
  [`${BOARD}/fan2_min`]: '300\n',
  [`${BOARD}/in0_input`]: '1056\n',
  [`${BOARD}/power1_average`]: '15500000\n',
  [`${BOARD}/temp3_input`]: 'nonsense\n',
  [`${BOARD}/temp3_type`]: '4\n',
  '/sys/class/hwmon/hwmon0': '-> ../../devices/platform/coretemp.0/hwmon/hwmon0',
  '/sys/class/hwmon/hwmon1': '-> ../../devices/pci0/hwmon/hwmon1',
};

test('hardware: sensors by their chip and device, in their units', { skip }, async () => {
  const { host } = hostTree(FILES);
  const { readings, problems } = await createHardwareScraper(host, () => true, ALL).scrape();
  const values = Object.fromEntries(readings[0]!.samples
    .filter(({ value }) => Number.isFinite(value))
    .map(({ metric, attributes, value }) => {
      const of = (key: string) => attributes.find((one) => one.key === key)?.value.value;
      return [[metric, of('id'), of('name'), of('limit_type')].filter(Boolean).join(' '), value];
    }));
  assert.deepEqual(values, {
    'hw.temperature coretemp_coretemp.0_temp1 Package id 0': 45.5,
    'hw.temperature.limit coretemp_coretemp.0_temp1 Package id 0 high.critical': 100,
    'hw.temperature.limit coretemp_coretemp.0_temp1 Package id 0 high.degraded': 80,
    'hw.fan.speed nct6775_hwmon1_fan2 fan2': 1200,
    'hw.fan.speed.limit nct6775_hwmon1_fan2 fan2 low.degraded': 300,
    'hw.voltage nct6775_hwmon1_in0 in0': 1.056,
    'hw.power nct6775_hwmon1_power1 power1': 15.5,
  });
  assert.deepEqual(problems, []);
  const [temperature] = readings[0]!.samples;
  assert.deepEqual(temperature!.attributes.map(({ key, value }) => [key, value.value]), [
    ['id', 'coretemp_coretemp.0_temp1'], ['name', 'Package id 0'],
    ['parent', 'coretemp_coretemp.0'], ['sensor_location', 'CORETEMP_CORETEMP.0_TEMP1'],
  ]);
});

test('hardware: filters go by the label; limits are read only when wanted', { skip }, async () => {
  const { host } = hostTree(FILES);
  const none = createFilter({ names: ['Core'], matchType: 'regexp' });
  const { readings } = await createHardwareScraper(host,
    (metric) => !metric.endsWith('.limit'), { ...ALL, temperature: none, fan: none }).scrape();
  assert.deepEqual(Object.keys(valuesOf(readings[0]!.samples)).map((key) => key.split(' ')[0]),
    ['hw.voltage', 'hw.power']);
});

test('hardware: a sensor that fails is told, the others are read', { skip }, async () => {
  const { host } = hostTree(FILES);
  const failing = { ...host, readIfThere: async (path: string) => {
    if (path.endsWith('temp1_input')) throw new Error(`cannot read ${path}: input/output error`);
    return host.readIfThere(path);
  } };
  const { readings, problems } =
    await createHardwareScraper(failing, (metric) => metric.startsWith('hw.'), ALL).scrape();
  assert.match(problems.join(), /temp1_input: input/);
  assert.ok(readings[0]!.samples.some(({ metric }) => metric === 'hw.fan.speed'));
});

test('hardware: a machine without sensors says so, as of what is hidden', { skip }, async () => {
  const found = await createHardwareScraper(hostTree({}).host, () => true, ALL).scrape();
  assert.deepEqual(found.readings[0]!.samples, []);
  assert.match(found.hidden!, /no sensors/);
  assert.deepEqual(found.problems, []);
});
