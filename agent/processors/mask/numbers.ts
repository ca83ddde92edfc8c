// Numbers that belong to people: of cards, accounts, social security, phones. What only looks like
// one is left alone: ids, timestamps, addresses and versions are full of digits. So a candidate
// stands alone, not in a word, has the groups in which people write it, and passes its check.
//
// Every search is linear: what can begin at many places is bounded in length.

import type { Hide, Meaning } from './rule.ts';
import {
  hasIbanDigits, ibanLength, isCardNumber, isRareCardNumber, isSsn,
} from './validators.ts';

const CARD = new RegExp('(?<![\\w.+-])(?:\\d{13,19}'
  + '|\\d{4}([ -])\\d{4}\\1\\d{4}\\1\\d{4}(?!\\1\\d)|\\d{4}([ -])\\d{6}\\2\\d{4,5})'
  + '(?![\\w]|-\\w|\\.\\d)', 'g');
const CARD_NAME = /\b(?:card|visa|mastercard|amex|pan|credit|debit|maestro)\b[^0-9]{0,20}$/i;
const CONTEXT_CHARS = 30;

/** `4111-****-****-1111`: the first and the last four digits stay. */
export const hideCards = (text: string, hide: Hide, meaning: Meaning): string =>
  text.replace(CARD, (found, _one, _other, offset: number) => {
    const digits = found.replace(/\D/g, '');
    const isNamed = meaning === 'card' || CARD_NAME.test(before(text, offset));
    const isCard = isCardNumber(digits) || (isNamed && isRareCardNumber(digits));
    return isCard ? hide(found, cardMask(digits), digits) : found;
  });

function cardMask(digits: string): string {
  const middle = digits.length === 16 ? '****-****' : '*'.repeat(digits.length - 8);
  return `${digits.slice(0, 4)}-${middle}-${digits.slice(-4)}`;
}

const before = (text: string, offset: number): string =>
  text.slice(Math.max(0, offset - CONTEXT_CHARS), offset);

const IBAN_START = /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?= ?[A-Z0-9])/g;
/** The longest IBAN, with a space behind each fourth character. */
const IBAN_CHARS = 34 + 8;

/** `GB** **** **** **** **54 32`: country, last four and spaces stay (ISO 13616). */
export function hideIbans(text: string, hide: Hide): string {
  let result = '';
  let copied = 0;
  for (const { 0: start, index } of text.matchAll(IBAN_START)) {
    if (index < copied) continue;
    const found = ibanAt(text.slice(index, index + IBAN_CHARS), ibanLength(start.slice(0, 2)));
    if (found === null) continue;
    result += text.slice(copied, index) + hide(found, ibanMask(found), found.replaceAll(' ', ''));
    copied = index + found.length;
  }
  return copied === 0 ? text : result + text.slice(copied);
}

function ibanAt(text: string, length: number | null): string | null {
  if (length === null) return null;
  let digits = '';
  let at = 0;
  for (; digits.length < length; at += 1) {
    const one = text[at];
    if (one === undefined) return null;
    if (one === ' ' && digits.length % 4 === 0 && text[at - 1] !== ' ') continue;
    if (!/[A-Z0-9]/.test(one)) return null;
    digits += one;
  }
  const isCut = /^[A-Za-z0-9]/.test(text.slice(at));
  return !isCut && hasIbanDigits(digits) ? text.slice(0, at) : null;
}

function ibanMask(found: string): string {
  let shown = 0;
  return [...found].reverse().map((one, index) => {
    if (one === ' ' || index >= found.length - 2) return one;
    shown += 1;
    return shown <= 4 ? one : '*';
  }).reverse().join('');
}

const SSN = /(?<![\w.+-])(\d{3})-(\d{2})-(\d{4})(?![\w-]|\.\d)/g;
const NAMED_SSN = new RegExp('\\b(ssn|social[ _-]security(?:[ _-](?:number|no))?)(["\':=#\\s]{1,6})'
  + '(\\d{3}) ?(\\d{2}) ?(\\d{4})(?!\\w)', 'gi');
const BARE_SSN = /^(\d{3})[ -]?(\d{2})[ -]?(\d{4})$/;

/** `***-**-1234`. Nine digits without dashes only where a name says what they are. */
export function hideSsns(text: string, hide: Hide, meaning: Meaning): string {
  const mask = (found: string, one: string, two: string, three: string) =>
    (isSsn(one + two + three) ? hide(found, `***-**-${three}`, one + two + three) : found);
  if (meaning === 'ssn' && BARE_SSN.test(text)) return text.replace(BARE_SSN, mask);
  return text.replace(SSN, mask).replace(NAMED_SSN,
    (_whole, name: string, gap: string, one: string, two: string, three: string) =>
      name + gap + mask(`${one}${two}${three}`, one, two, three));
}

const INTERNATIONAL = /(?<![\w.+:/=-]|\d )\+[1-9](?:[ ().-]{0,2}\d){7,14}(?![\w])/g;
const AREA = /(?<![\w.)-])\([2-9]\d{2}\) ?\d{3}[-. ]\d{4}(?![\w-])/g;
const DASHED = /(?<![\w.+-]|\d )(?:1-)?[2-9]\d{2}-\d{3}-\d{4}(?![\w-]|\.\d)/g;
const NAMED = new RegExp('\\b((?:tele)?phone|mobile|tel|cell|fax|sms|msisdn|whatsapp|call(?:er'
  + '|ee)?)'
  + '([ _-](?:number|no|nr|id))?(["\':=#.\\s]{1,6}(?:to |from |at )?["\']?)'
  + '(\\(?\\d(?:[ ().-]{0,2}\\d){6,13})(?![\\w]|[.:-]\\d)', 'gi');
const WHOLE = /^\s*\+?\(?\d(?:[ ()./-]{0,3}\d){6,14}\s*$/;

/** `(555) ***-1234`, `+44 ** **** 0958`: the first group and the last four digits stay. */
export function hidePhones(text: string, hide: Hide, meaning: Meaning): string {
  const mask = (found: string) => hide(found, phoneMask(found), found.replace(/[^\d+]/g, ''));
  if (meaning === 'phone' && WHOLE.test(text)) return mask(text);
  return text.replace(INTERNATIONAL, (found) => mask(found))
    .replace(AREA, (found) => mask(found))
    .replace(DASHED, (found) => mask(found))
    .replace(NAMED, (whole, name: string, kind: string | undefined, gap: string, found: string) =>
      (/^\d{4}-\d{2}-\d{2}|^\d{1,3}(?:\.\d{1,3}){3}/.test(found) ? whole
        : name + (kind ?? '') + gap + mask(found)));
}

function phoneMask(found: string): string {
  const digits = found.replace(/\D/g, '').length;
  const isForeign = found.includes('+');
  const area = /^\s*(?:\+?1[ .-]?)?\(?\d{3}\)?(?=\D)/.exec(found)?.[0] ?? '';
  const group = /^\s*\+\d{1,3}(?=\D)/.exec(found)?.[0] ?? '';
  const kept = area !== '' && (!isForeign || /^\s*\+1\D/.test(found)) ? area
    : group !== '' ? group : isForeign ? found.slice(0, found.indexOf('+') + 3) : '';
  const keptDigits = kept.replace(/\D/g, '').length;
  const lastShown = digits - Math.min(4, Math.max(0, digits - keptDigits - 3));
  let seen = 0;
  return found.replace(/\d/g, (digit) => {
    seen += 1;
    return seen <= keptDigits || seen > lastShown ? digit : '*';
  });
}
