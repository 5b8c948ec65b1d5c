const digitBits = 16;
const digits = 1 << digitBits;
const half = 2 ** 32;

/**
 * The order in which whole numbers from 0 to 2^53 ascend: indexes, equal ones as they came.
 * @param keyAt gives the number at an index
 */
export function radixOrder(count: number, keyAt: (index: number) => number): Uint32Array {
  const low = new Uint32Array(count);
  const high = new Uint32Array(count);
  let order = new Uint32Array(count);
  let hasHigh = false;
  for (let index = 0; index < count; index++) {
    const key = keyAt(index);
    low[index] = key % half;
    high[index] = key / half;
    hasHigh ||= key >= half;
    order[index] = index;
  }
  for (const part of hasHigh ? [low, high] : [low]) {
    for (const shift of [0, digitBits]) order = sortedBy(part, shift, order);
  }
  return order;
}

/** Sorts indexes by a digit of the keys they stand for; equal ones stay as they are. */
function sortedBy(keys: Uint32Array, shift: number, order: Uint32Array): Uint32Array<ArrayBuffer> {
  const places = new Uint32Array(digits);
  for (let i = 0; i < keys.length; i++) places[(keys[i] >>> shift) & (digits - 1)]++;
  let sum = 0;
  for (let digit = 0; digit < digits; digit++) {
    const these = places[digit];
    places[digit] = sum;
    sum += these;
  }
  const sorted = new Uint32Array(order.length);
  for (let i = 0; i < order.length; i++) sorted[places[(keys[order[i]] >>> shift) & (digits - 1)]++] = order[i];
  return sorted;
}
