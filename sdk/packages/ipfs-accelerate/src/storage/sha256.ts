const BLOCK_BYTES = 64;

/** The first 32 bits behind the point of square (`power` 1/2) or cube roots (1/3) of the first primes. */
function rootFractions(count: number, power: number): Int32Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return Int32Array.from(primes, (prime) => (prime ** power % 1) * 2 ** 32);
}

const START = rootFractions(8, 1 / 2);
const ROUND = rootFractions(64, 1 / 3);

/**
 * SHA-256 of bytes that come in pieces, which WebCrypto cannot do.
 *
 * Source: FIPS 180-4, sections 4.1.2, 5.3.3 and 6.2.2.
 */
export class Sha256 {
  readonly #state = START.slice();
  readonly #words = new Int32Array(64);
  readonly #rest = new Uint8Array(BLOCK_BYTES);
  #filled = 0;
  #byteLength = 0;

  update(bytes: Uint8Array): this {
    this.#byteLength += bytes.length;
    let at = 0;
    if (this.#filled > 0) {
      at = Math.min(BLOCK_BYTES - this.#filled, bytes.length);
      this.#rest.set(bytes.subarray(0, at), this.#filled);
      this.#filled += at;
      if (this.#filled < BLOCK_BYTES) return this;
      this.#compress(this.#rest, 0, BLOCK_BYTES);
    }
    const whole = bytes.length - ((bytes.length - at) % BLOCK_BYTES);
    this.#compress(bytes, at, whole);
    this.#rest.set(bytes.subarray(whole));
    this.#filled = bytes.length - whole;
    return this;
  }

  /** The digest as hexadecimal; the object is used up. */
  hex(): string {
    const bits = this.#byteLength * 8;
    const padding = new Uint8Array(
      ((this.#filled + 8) >> 6 === 0 ? BLOCK_BYTES : 2 * BLOCK_BYTES) - this.#filled,
    );
    padding[0] = 0x80;
    const end = new DataView(padding.buffer, padding.length - 8);
    end.setUint32(0, Math.floor(bits / 2 ** 32));
    end.setUint32(4, bits >>> 0);
    this.update(padding);
    return Array.from(this.#state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #compress(bytes: Uint8Array, start: number, end: number): void {
    const state = this.#state;
    const w = this.#words;
    for (let at = start; at < end; at += BLOCK_BYTES) {
      for (let i = 0, p = at; i < 16; i++, p += 4) {
        w[i] = (bytes[p]! << 24) | (bytes[p + 1]! << 16) | (bytes[p + 2]! << 8) | bytes[p + 3]!;
      }
      for (let i = 16; i < 64; i++) {
        const x = w[i - 15]!;
        const y = w[i - 2]!;
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
      }
      let [a, b, c, d] = [state[0]!, state[1]!, state[2]!, state[3]!];
      let [e, f, g, h] = [state[4]!, state[5]!, state[6]!, state[7]!];
      for (let i = 0; i < 64; i++) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND[i]! + w[i]!) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + t1) | 0;
        d = c;
        c = b;
        b = a;
        a = (t1 + t2) | 0;
      }
      state[0]! += a;
      state[1]! += b;
      state[2]! += c;
      state[3]! += d;
      state[4]! += e;
      state[5]! += f;
      state[6]! += g;
      state[7]! += h;
    }
  }
}
