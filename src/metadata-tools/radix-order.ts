const digit = 2 ** 16;

/**
 * The order in which whole numbers from 0 on ascend: indexes, equal ones as they came.
 * @param keyAt gives the number at an index
 */
export function radixOrder(count: number, keyAt: (index: number) => number): Uint32Array {
  let order = Uint32Array.from({ length: count }, (_, index) => index);
  let other = new Uint32Array(count);
  let largest = 0;
  for (let index = 0; index < count; index++) largest = Math.max(largest, keyAt(index));
  const places = new Uint32Array(digit);
  for (let weight = 1; weight <= largest; weight *= digit) {
    places.fill(0);
    for (let index = 0; index < count; index++) places[Math.floor(keyAt(index) / weight) % digit]++;
    for (let value = 0, sum = 0; value < digit; value++) {
      const these = places[value];
      places[value] = sum;
      sum += these;
    }
    for (const index of order) other[places[Math.floor(keyAt(index) / weight) % digit]++] = index;
    [order, other] = [other, order];
  }
  return order;
}
