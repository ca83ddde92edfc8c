// A batch with other resource attributes, made by splicing its bytes.

import { Batch } from '../../../proto/contract/batch.ts';
import { editResources } from '../../../proto/otlp/resource.ts';
import { DecodeError } from '../../../proto/protobuf/error.ts';
import type { AttributeEdit } from './actions.ts';

/**
 * The batch with every resource's attributes edited; the same batch when none changed. A changed
 * batch has no id: it is no longer what its sender named. `reason` says why broken bytes cannot be
 * edited.
 */
export function editResourceAttributes(
  batch: Batch,
  edit: AttributeEdit,
): { readonly batch: Batch } | { readonly reason: string } {
  try {
    const bytes = editResources(batch.signal, batch.bytes, (resource) => {
      const attributes = edit(resource.attributes);
      return attributes === resource.attributes ? resource : { ...resource, attributes };
    });
    if (bytes === batch.bytes) return { batch };
    return { batch: Batch.fromBytes(batch.signal, bytes, undefined, batch.origins) };
  } catch (error) {
    if (error instanceof DecodeError) return { reason: error.message };
    throw error;
  }
}
