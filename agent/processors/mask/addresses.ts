// E-mail addresses, and addresses of the network for those who must hide them.

import { isIPv6 } from 'node:net';
import type { Hide } from './rule.ts';

/** RFC 5321, 4.5.3.1: what stands before the @ has at most 64 characters. */
const LOCAL_MAX = 64;
const LOCAL = /[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}$/;
const DOMAIN = new RegExp('^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.){1,8}'
  + '[A-Za-z]{2,24}(?![\\w-]|\\.\\w|@)');
const DOMAIN_MAX = 256;
/** Names of systemd units (`getty@tty1.service`), of images (`logo@2x.png`) and of code. */
const NO_DOMAIN = new RegExp('\\.(?:service|socket|target|timer|slice|scope|mount|automount|device'
  + '|path'
  + '|swap|png|jpe?g|gif|svg|webp|css|js|mjs|ts|json|html?|php|java|py|go|rb|so|dll|exe|log|txt|gz'
  + '|zip|local\\d*|lan|internal|run|tostring)$|^\\dx\\.', 'i');

/** `j***@example.com`: the first letter and the domain stay. */
export function hideEmails(text: string, hide: Hide): string {
  let result = '';
  let copied = 0;
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    const local = LOCAL.exec(text.slice(Math.max(copied, at - LOCAL_MAX), at))?.[0];
    if (local === undefined || text[at - local.length - 1] === '*') continue;
    const domain = DOMAIN.exec(text.slice(at + 1, at + 1 + DOMAIN_MAX))?.[0];
    if (domain === undefined || NO_DOMAIN.test(domain)) continue;
    // The user of a repository is nobody: `git@github.com:owner/name`.
    if (local === 'git') continue;
    const start = at - local.length;
    const end = at + 1 + domain.length;
    const found = text.slice(start, end);
    result += text.slice(copied, start) + hide(found, `${local[0]}***@${domain}`,
      found.toLowerCase());
    copied = end;
    at = end - 1;
  }
  return copied === 0 ? text : result + text.slice(copied);
}

const OCTET = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const IPV4 = new RegExp(`(?<![\\w.-])((?:${OCTET}\\.){3})${OCTET}(?![\\w-]|\\.\\w)`, 'g');
const IPV6 = /(?<![\w:.])[0-9a-fA-F:]{3,39}(?![\w:])/g;
/** Of this machine or of none. */
const NOBODY = /^(?:127\.|0\.0\.0\.0$|255\.255\.255\.255$)/;

/** `203.0.113.***` */
export const hideIpv4 = (text: string, hide: Hide): string =>
  text.replace(IPV4, (found, start: string) =>
    (NOBODY.test(found) ? found : hide(found, `${start}***`)));

/** `2001:db8:***` */
export const hideIpv6 = (text: string, hide: Hide): string =>
  text.replace(IPV6, (found) => (found.length > 4 && isIPv6(found)
    ? hide(found, `${found.split(':').slice(0, 2).join(':')}:***`) : found));
