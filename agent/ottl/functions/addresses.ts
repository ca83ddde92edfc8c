// IP addresses as bytes, and networks of them.

import { isIP, isIPv4 } from 'node:net';

export interface Network {
  readonly bytes: Buffer;
  readonly prefixBits: number;
}

/** 4 or 16 bytes of an address that `isIP` takes. An IPv4 address in IPv6 is one of IPv4. */
export function bytesOfIp(ip: string): Buffer {
  if (isIPv4(ip)) return Buffer.from(ip.split('.').map(Number));
  const [address] = ip.split('%') as [string];
  const dotted = /:(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const words = dotted === null ? address
    : address.slice(0, -dotted[1]!.length) + Buffer.from(dotted[1]!.split('.').map(Number))
      .toString('hex').replace(/^(.{4})/, '$1:');
  const [head = '', tail] = words.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  const hex = [...before, ...(tail === undefined ? [] : zeros), ...after]
    .map((word) => word.padStart(4, '0')).join('');
  const bytes = Buffer.from(hex, 'hex');
  return hex.startsWith(`${'0'.repeat(20)}ffff`) ? bytes.subarray(12) : bytes;
}

/** `10.0.0.0/8`; null when it cannot be read. */
export function parseNetwork(text: string): Network | null {
  const [ip = '', bits = ''] = text.split('/');
  if (isIP(ip) === 0 || !/^\d{1,3}$/.test(bits)) return null;
  const bytes = bytesOfIp(ip);
  return Number(bits) <= bytes.length * 8 ? { bytes, prefixBits: Number(bits) } : null;
}

export function isInNetworks(ip: string, networks: readonly Network[]): boolean {
  const address = bytesOfIp(ip);
  return networks.some(({ bytes, prefixBits }) => {
    if (bytes.length !== address.length) return false;
    const whole = prefixBits >> 3;
    if (address.compare(bytes, 0, whole, 0, whole) !== 0) return false;
    const rest = prefixBits & 7;
    return rest === 0 || (address[whole]! ^ bytes[whole]!) >> (8 - rest) === 0;
  });
}
