// Names in the ways in which people write them: `my_metric`, `MyMetric`. Digits are words of their
// own, as in the Collector.

type Letter = string | undefined;
const isCapital = (letter: Letter): boolean => /^[A-Z]$/.test(letter ?? '');
const isSmall = (letter: Letter): boolean => /^[a-z]$/.test(letter ?? '');
const isDigit = (letter: Letter): boolean => /^[0-9]$/.test(letter ?? '');

export function snakeCase(text: string): string {
  const letters = [...text.trim()];
  return letters.map((letter, index) => {
    if (/[ _.-]/.test(letter)) return '_';
    const before = letters[index - 1];
    const newWord = (isCapital(letter) && (isSmall(before)
        || (isCapital(before) && isSmall(letters[index + 1]))))
      || (isDigit(letter) && (isSmall(before) || isCapital(before)))
      || (isDigit(before) && (isSmall(letter) || isCapital(letter)));
    return (newWord ? '_' : '') + letter.toLowerCase();
  }).join('');
}

export function camelCase(text: string): string {
  let begins = true;
  let result = '';
  for (const letter of text.trim()) {
    if (/[ _.-]/.test(letter)) {
      begins = true;
      continue;
    }
    result += begins ? letter.toUpperCase() : letter;
    begins = isDigit(letter);
  }
  return result;
}
