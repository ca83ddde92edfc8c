// Hashes and ids: MD5 to SHA512, FNV, Murmur3, CommunityID, UUIDs, trace and span ids, Luhn.

import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { fail, OttlFault } from '../fault.ts';
import { parseId } from '../paths/field.ts';
import { Id, typeName } from '../value.ts';
import { bytesOfIp, isInNetworks, parseNetwork } from './addresses.ts';
import { converter, type FunctionSpec, type Parameter } from './function.ts';
import { murmur32, murmur128 } from './murmur3.ts';
import { anyValue, int, literalTexts, optional, text } from './parameters.ts';
import { ofText } from './texts.ts';

const digest = (name: string, algorithm: string): FunctionSpec =>
  ofText(name, (input) => createHash(algorithm).update(input).digest('hex'));

const FNV_PRIME = 0x100000001b3n;
const FNV_START = 0xcbf29ce484222325n;

/** FNV-1a of 64 bits, as a signed int. */
function fnv(input: string): bigint {
  let hash = FNV_START;
  for (const byte of Buffer.from(input)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  }
  return BigInt.asIntN(64, hash);
}

function idFunction(name: string, bytes: 8 | 16): FunctionSpec {
  return converter(name, { value: anyValue() }, ({ value }) => (view) => {
    const given = value(view);
    if (typeof given === 'string') return parseId(given, bytes);
    if (!(given instanceof Uint8Array)) return fail(`expected bytes, got ${typeName(given)}`);
    return given.length === bytes ? new Id(Buffer.from(given).toString('hex'), bytes)
      : fail(`${name} has ${bytes} bytes, not ${given.length}`);
  });
}

const uuid = converter('UUID', {}, (_bound, { environment }) => () => environment.random.uuid(),
  { pure: false });

const uuidV7 = converter('UUIDv7', {}, (_bound, { environment }) => () => {
  const bytes = Buffer.from(environment.random.bytes(16));
  bytes.writeUIntBE(environment.clock.nowMs(), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [0, 8, 12, 16, 20].map((start, place, starts) =>
    hex.slice(start, starts[place + 1])).join('-');
}, { pure: false });

const isValidLuhn = converter('IsValidLuhn', { value: anyValue() }, ({ value }) => (view) => {
  const given = value(view);
  const digits = typeof given === 'bigint' ? String(given) : given;
  if (typeof digits !== 'string' || !/^\d+$/.test(digits)) {
    return fail('IsValidLuhn takes a string of digits, or an int');
  }
  return luhnSum(digits) % 10 === 0;
});

function luhnSum(digits: string): number {
  return [...digits].reverse().reduce((sum, digit, place) => {
    const value = Number(digit) * (place % 2 === 0 ? 1 : 2);
    return sum + (value > 9 ? value - 9 : value);
  }, 0);
}

const PROTOCOLS: Readonly<Record<string, number>> = {
  ICMP: 1, TCP: 6, UDP: 17, RSVP: 46, ICMP6: 58, SCTP: 132,
};

const communityId = converter('CommunityID', {
  sourceIp: text(), sourcePort: int(), destinationIp: text(), destinationPort: int(),
  protocol: optional(text()), seed: optional(int()),
}, ({ sourceIp, sourcePort, destinationIp, destinationPort, protocol, seed }) => (view) => {
  const source = { ip: ipOf(sourceIp(view)), port: port(sourcePort(view)) };
  const destination = { ip: ipOf(destinationIp(view)), port: port(destinationPort(view)) };
  const number = PROTOCOLS[protocol?.(view) ?? 'TCP'];
  if (number === undefined) return fail(`the protocol is none of ${Object.keys(PROTOCOLS)}`);
  const order = Buffer.compare(source.ip, destination.ip) || source.port - destination.port;
  const [first, second] = order <= 0 ? [source, destination] : [destination, source];
  const start = Buffer.alloc(2);
  start.writeUInt16BE(port(seed?.(view) ?? 0n));
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(first.port, 0);
  ports.writeUInt16BE(second.port, 2);
  const hash = createHash('sha1').update(start).update(first.ip).update(second.ip)
    .update(Uint8Array.of(number, 0)).update(ports);
  return `1:${hash.digest('base64')}`;
});

const ipOf = (ip: string): Buffer => (isIP(ip) === 0 ? fail('this is no IP address')
  : bytesOfIp(ip));

const port = (given: bigint): number => (given < 0n || given > 65_535n
  ? fail('a port or seed is not from 0 to 65535') : Number(given));

const networks = (): Parameter<ReturnType<typeof parseNetwork>[]> => ({
  type: 'list of networks',
  optional: false,
  bind: (node, binder) => literalTexts().bind(node, binder).map((written) => {
    const network = parseNetwork(written);
    if (network !== null) return network;
    throw new OttlFault(node.at, 'a network of this list cannot be read', 'such as 10.0.0.0/8');
  }),
});

const isInCidr = converter('IsInCIDR', { target: text(), networks: networks() },
  ({ target, networks: known }) => (view) => {
    const ip = target(view);
    if (isIP(ip) === 0) return fail('this is no IP address');
    return isInNetworks(ip, known.map((network) => network!));
  });

export const HASH_FUNCTIONS: readonly FunctionSpec[] = [
  digest('MD5', 'md5'), digest('SHA1', 'sha1'), digest('SHA256', 'sha256'),
  digest('SHA512', 'sha512'), ofText('FNV', fnv),
  ofText('Murmur3Hash', murmur32), ofText('Murmur3Hash128', murmur128),
  communityId, isInCidr, isValidLuhn, idFunction('TraceID', 16), idFunction('SpanID', 8),
  uuid, uuidV7,
];
