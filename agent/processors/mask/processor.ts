// Hides secrets and personal data in all that passes, before it reaches a disk or a network: see
// docs/masking.md for the rules. It works on the bytes of a batch (walk.ts); a batch in which
// nothing is found is handed on as it came. What was hidden is counted, and said nowhere.

import { Batch } from '../../../proto/contract/batch.ts';
import type { ComponentContext, Processor, ProcessorFactory, Consumer }
  from '../../../proto/contract/component.ts';
import { rejected, retryable } from '../../../proto/contract/outcome.ts';
import { SIGNALS } from '../../../proto/otlp/model.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { createSchema, limits, type MaskConfig } from './config.ts';
import { Masker } from './masker.ts';
import { maskRequest } from './walk.ts';

export const maskProcessor: ProcessorFactory<MaskConfig> = {
  kind: 'processor',
  type: 'mask',
  signals: SIGNALS,
  get schema() {
    return createSchema();
  },
  create: createMask,
};

function createMask(config: MaskConfig, context: ComponentContext, next: Consumer): Processor {
  let masker: Masker | undefined;
  return {
    start: async () => {
      const pseudonymKey = await readKey(config, context);
      masker = new Masker({
        config, counters: context.counters, processor: context.id, pseudonymKey,
      });
    },
    stop: async () => {},
    consume: async (batch, abort) => {
      if (masker === undefined) return retryable('the processor has not started');
      let masked: Batch;
      try {
        const bytes = maskRequest(batch.signal, batch.bytes, masker);
        masked = bytes === batch.bytes ? batch
          : Batch.fromBytes(batch.signal, bytes, undefined, batch.origins);
      } catch (error) {
        if (error instanceof DecodeError) return rejected(error.message);
        throw error;
      }
      return next.consume(masked, abort);
    },
  };
}

async function readKey(
  { pseudonyms }: MaskConfig,
  { id, world }: ComponentContext,
): Promise<Uint8Array | null> {
  if (pseudonyms === undefined) return null;
  if (pseudonyms.key !== undefined) return Buffer.from(pseudonyms.key);
  const file = pseudonyms.key_file!;
  const key = (await world.files.readText(file))?.trim();
  if (key !== undefined && key.length >= limits.pseudonymKeyBytesMin) return Buffer.from(key);
  const cause = key === undefined ? 'it is not there' : 'it is too short';
  throw new OperatorError(`cannot read key file ${file}: ${cause}`,
    `put at least ${limits.pseudonymKeyBytesMin} characters into `
    + `processors.${id}.pseudonyms.key_file`);
}
