// Which addresses notifiers may reach (D-065). A name is looked up when the connection is made and
// its addresses are judged then, so a name that changes what it means gains nothing.
//
// - Never: link-local addresses, where clouds answer with credentials, other addresses of such
//   services, multicast and broadcast.
// - Only with `allow_private`: this machine, private networks, and their equivalents in IPv6.

import { lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';

export interface Guard {
  /** Null when it may be reached; otherwise why not. `address` is an IP address. */
  judge(address: string): string | null;
}

/** Thrown, or given to the callback of a look-up, for an address that may not be reached. */
export class RefusedAddressError extends Error {
  readonly code = 'ADDRESS_REFUSED';
}

export function createGuard(allowPrivate: boolean): Guard {
  return {
    judge: (address) => {
      const family = isIP(address);
      if (family === 0) return 'is not an address';
      const forms = family === 4 ? [address] : [address, ...embeddedIn(address)];
      if (forms.some((form) => isIn(NEVER, form))) {
        return 'is an address that is never reached: link-local, metadata of a cloud, or multicast';
      }
      if (!allowPrivate && forms.some((form) => isIn(PRIVATE, form))) {
        return 'is on this machine or a private network, which allow_private: false forbids';
      }
      return null;
    },
  };
}

type Found = { readonly address: string; readonly family: number };
type Answer = (error: Error | null, found?: string | Found[], family?: number) => void;

/** A look-up as `net.connect` takes it, without the addresses that may not be reached. */
export function guardedLookup(guard: Guard) {
  return (host: string, options: { all?: boolean; family?: number | string }, done: Answer) => {
    lookup(host, { all: true }, (error, found) => {
      if (error !== null) return done(error);
      const open = found.filter(({ address }) => guard.judge(address) === null);
      if (open.length === 0) {
        const why = found.map(({ address }) => guard.judge(address))[0] ?? 'has no address';
        return done(new RefusedAddressError(`${host} ${why}`));
      }
      if (options.all === true) return done(null, open);
      done(null, open[0]!.address, open[0]!.family);
    });
  };
}

/** An address that stands in a URL is not looked up. Throws RefusedAddressError. */
export function checkHost(host: string, guard: Guard): void {
  const bare = host.replace(/^\[|\]$/g, '');
  const why = isIP(bare) === 0 ? null : guard.judge(bare);
  if (why !== null) throw new RefusedAddressError(`${bare} ${why}`);
}

const isIn = (list: BlockList, address: string): boolean =>
  list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

function blockList(subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [address, bits] = subnet.split('/');
    list.addSubnet(address!, Number(bits), address!.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}

/** Azure's and Alibaba's services for machines, and Oracle's, lie outside of link-local. */
const NEVER = blockList([
  '169.254.0.0/16', 'fe80::/10', '168.63.129.16/32', '100.100.100.200/32', '192.0.0.192/32',
  'fd00:ec2::/32', 'fd20:ce::/32', '224.0.0.0/4', '240.0.0.0/4', 'ff00::/8',
]);

/** RFC 6890: this machine, private, shared, benchmarks; unique local in IPv6. */
const PRIVATE = blockList([
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '172.16.0.0/12', '192.0.0.0/24',
  '192.168.0.0/16', '198.18.0.0/15', '::/128', '::1/128', 'fc00::/7', 'fec0::/10',
]);

/** IPv4 addresses inside: mapped, compatible, NAT64 (RFC 6052), 6to4, Teredo's are not reached. */
function embeddedIn(address: string): string[] {
  const words = wordsOf(address);
  if (words === null) return [];
  const at = (index: number) => {
    const [high, low] = [words[index]!, words[index + 1]!];
    return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  };
  const zero = (from: number, to: number) => words.slice(from, to).every((word) => word === 0);
  if (zero(0, 5) && (words[5] === 0xffff || words[5] === 0)) return [at(6)];
  if (words[0] === 0x64 && words[1] === 0xff9b) return [at(6)];
  return words[0] === 0x2002 ? [at(1)] : [];
}

/** The eight words of an IPv6 address, whichever way it is written. */
function wordsOf(address: string): number[] | null {
  const plain = address.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, ...bytes: string[]) => {
      const [a, b, c, d] = bytes.slice(0, 4).map(Number) as [number, number, number, number];
      return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
    });
  const [head = '', tail] = plain.split('::');
  const parse = (part: string) => (part === '' ? [] : part.split(':').map((w) => parseInt(w, 16)));
  const [first, last] = [parse(head), tail === undefined ? [] : parse(tail)];
  const words = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  return words.length === 8 ? words : null;
}
