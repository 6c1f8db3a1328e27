/** Widths of packed integers; a row of them is one stream of bits, lowest bit first, padded to a 32-bit word. */
export type Bits = 2 | 3 | 4 | 8;

export function isBits(value: unknown): value is Bits {
  return value === 2 || value === 3 || value === 4 || value === 8;
}

/** 32-bit words of one row. */
export function wordsPerRow(count: number, bits: Bits): number {
  return Math.ceil((count * bits) / 32);
}

/** Packs rows of unsigned integers; value `i` of a row lies in its bits `[i·bits, (i+1)·bits)`. */
export function packBits(values: ArrayLike<number>, rowLength: number, bits: Bits): Uint32Array {
  const words = wordsPerRow(rowLength, bits);
  const rows = rowLength === 0 ? 0 : values.length / rowLength;
  const packed = new Uint32Array(rows * words);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < rowLength; i++) {
      const value = values[row * rowLength + i]!;
      const bit = i * bits;
      const word = row * words + (bit >>> 5);
      const shift = bit & 31;
      packed[word]! |= value << shift;
      if (shift + bits > 32) packed[word + 1]! |= value >>> (32 - shift);
    }
  }
  return packed;
}

/** One value out of a packed row that begins at word `start`. */
export function unpackAt(packed: ArrayLike<number>, start: number, i: number, bits: Bits): number {
  const bit = i * bits;
  const word = start + (bit >>> 5);
  const shift = bit & 31;
  const low = packed[word]! >>> shift;
  const high = shift + bits > 32 ? packed[word + 1]! << (32 - shift) : 0;
  return (low | high) & ((1 << bits) - 1);
}

export function unpackBits(packed: ArrayLike<number>, rowLength: number, bits: Bits): Uint8Array {
  const words = wordsPerRow(rowLength, bits);
  const rows = words === 0 ? 0 : packed.length / words;
  const values = new Uint8Array(rows * rowLength);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < rowLength; i++) values[row * rowLength + i] = unpackAt(packed, row * words, i, bits);
  }
  return values;
}
