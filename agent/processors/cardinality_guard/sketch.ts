// How many different texts there were, told by 256 bytes however many they are (HyperLogLog,
// Flajolet et al. 2007): each text is hashed to 32 bits, 8 of which choose a register, which keeps
// the longest run of zeros that the other 24 begin with. The error is about 7 %.

const REGISTER_BITS = 8;
const REGISTERS = 2 ** REGISTER_BITS;
const RUN_BITS = 32 - REGISTER_BITS;
/** The correction for 256 registers. */
const ALPHA = 0.7213 / (1 + 1.079 / REGISTERS);

export interface Sketch {
  add(text: string): void;
  count(): number;
}

export function createSketch(): Sketch {
  const registers = new Uint8Array(REGISTERS);
  return {
    add: (text) => {
      const hash = hashOf(text);
      const register = hash >>> RUN_BITS;
      const run = Math.min(RUN_BITS, Math.clz32(hash << REGISTER_BITS)) + 1;
      if (run > registers[register]!) registers[register] = run;
    },
    count: () => {
      let sum = 0;
      let empty = 0;
      for (const run of registers) {
        sum += 2 ** -run;
        if (run === 0) empty += 1;
      }
      const estimate = ALPHA * REGISTERS * REGISTERS / sum;
      // Few texts leave registers empty, whose number says more.
      if (estimate <= 2.5 * REGISTERS && empty > 0) {
        return Math.round(REGISTERS * Math.log(REGISTERS / empty));
      }
      return Math.round(estimate);
    },
  };
}

/** FNV-1a, mixed until each bit depends on all others (as MurmurHash3 ends). */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
