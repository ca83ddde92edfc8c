// stand-in
import type { Measurer } from '../rules/model.ts';
import type { FilledStore } from './store.ts';
export function storeMeasurer(_store: FilledStore): Measurer {
  throw new Error('not yet');
}
