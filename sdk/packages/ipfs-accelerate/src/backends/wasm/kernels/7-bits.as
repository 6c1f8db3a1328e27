@inline function integerAt(row: usize, i: i32, bits: i32): i32 {
  const bit = i * bits;
  const word = row + (<usize>(bit >> 5) << 2);
  const shift = bit & 31;
  let value = load<u32>(word) >> shift;
  if (shift + bits > 32) value |= load<u32>(word, 4) << (32 - shift);
  return <i32>(value & ((1 << bits) - 1));
}

/** The bits of four integers in place, in lanes 0 to 3; `quarters` says how often each lane is to be divided by 2^bits. */
@inline function maskOf(bits: i32): v128 {
  const one = (1 << bits) - 1;
  let v = i32x4.splat(one);
  v = i32x4.replace_lane(v, 1, one << bits);
  v = i32x4.replace_lane(v, 2, one << (2 * bits));
  return i32x4.replace_lane(v, 3, one << (3 * bits));
}
@inline function factorOf(bits: i32): v128 {
  const one: f32 = 1 / <f32>(1 << bits);
  let v = splat(1);
  v = f32x4.replace_lane(v, 1, one);
  v = f32x4.replace_lane(v, 2, one * one);
  return f32x4.replace_lane(v, 3, one * one * one);
}

/** Four integers of 2, 3 or 4 bits from bit `4·bits·i` on, each still at its place in the lane. */
@inline function low4(word: usize, mask: v128): v128 { return f32x4.convert_i32x4_s(v128.and(v128.load32_splat(word), mask)); }
@inline function high4(word: usize, mask: v128, bits: i32): v128 {
  return f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(v128.load32_splat(word), 4 * bits), mask));
}

/** Values of a packed row: the rule of QuantizedTensor. */
function dequantizeRow(to: usize, row: usize, scales: usize, zeros: usize, bits: i32, group: i32, length: i32): void {
  const mask = maskOf(bits), factor = factorOf(bits);
  for (let g: i32 = 0, first: i32 = 0; first < length; g++, first += group) {
    const last = min(first + group, length);
    const scale = load<f32>(at(scales, g));
    const zero: i32 = zeros ? integerAt(zeros, g, bits) : 1 << (bits - 1);
    const z = splat(<f32>zero), s = splat(scale);
    let i = first;
    if ((group & 7) == 0) {
      for (; i + 8 <= last; i += 8) {
        const word = row + <usize>((i >> 3) * bits);
        let a: v128, b: v128;
        if (bits == 8) {
          const w = v128.load8x8_u(word);
          a = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(w));
          b = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(w));
        } else {
          a = f32x4.mul(low4(word, mask), factor);
          b = f32x4.mul(high4(word, mask, bits), factor);
        }
        v128.store(at(to, i), f32x4.mul(f32x4.sub(a, z), s));
        v128.store(at(to, i), f32x4.mul(f32x4.sub(b, z), s), 16);
      }
    }
    for (; i < last; i++) store<f32>(at(to, i), <f32>(integerAt(row, i, bits) - zero) * scale);
  }
}

/** 2 packed, 3 scales, 4 zeros or 0, 5 to, 6 bits, 7 group, 8 length, 9 bytes of a packed row, 10 scales of a row, 11 bytes of zeros of a row. */
export function dequantize(p: usize, start: i32, end: i32, thread: i32): void {
  for (let row = start; row < end; row++) {
    const zeros = pointer(p, 4) ? pointer(p, 4) + <usize>(row * arg(p, 11)) : 0;
    dequantizeRow(at(pointer(p, 5), row * arg(p, 8)), pointer(p, 2) + <usize>(row * arg(p, 9)),
      at(pointer(p, 3), row * arg(p, 10)), zeros, arg(p, 6), arg(p, 7), arg(p, 8));
  }
}

/**
 * Panels of 8 rows times an interleaved A: 2–11 as `dequantize` (5 is unused), 12 A, 13 C, 14 rows of A, 15 columns.
 * A task is a panel.
 */
export function lowGemm(p: usize, start: i32, end: i32, thread: i32): void {
  const k = arg(p, 8), m = arg(p, 14), n = arg(p, 15);
  const tile = scratchOf(p, thread);
  const rows = tile + 256, panels = at(rows, 8 * k);
  for (let task = start; task < end; task++) {
    const width = min(8, n - task * 8);
    for (let x: i32 = 0; x < width; x++) {
      const row = task * 8 + x;
      const zeros = pointer(p, 4) ? pointer(p, 4) + <usize>(row * arg(p, 11)) : 0;
      dequantizeRow(at(rows, x * k), pointer(p, 2) + <usize>(row * arg(p, 9)), at(pointer(p, 3), row * arg(p, 10)),
        zeros, arg(p, 6), arg(p, 7), k);
    }
    panel(panels, rows, 1, k, width, k);
    multiply(pointer(p, 12), panels, at(pointer(p, 13), task * 8), n, m, width, k, k, tile);
  }
}

/**
 * A row times packed rows: 2–11 as `dequantize` (5 is the result), 12 x scaled by `scaleLanes`, 13 sums of x by group.
 * Groups are multiples of 8; a task is 4 rows.
 */
export function lowGemv(p: usize, start: i32, end: i32, thread: i32): void {
  const n = arg(p, 14);
  for (let task = start; task < end; task++) {
    for (let row = task * 4; row < min(n, task * 4 + 4); row += 2) lowRows(p, row, min(n - 1, row + 1));
  }
}

@inline function lowStep(word: usize, x: usize, mask: v128, bits: i32, sum: v128): v128 {
  return madd(high4(word, mask, bits), v128.load(x, 16), madd(low4(word, mask), v128.load(x), sum));
}
@inline function byteStep(word: usize, x: usize, sum: v128): v128 {
  const w = v128.load8x8_u(word);
  const low = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(w));
  const high = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(w));
  return madd(high, v128.load(x, 16), madd(low, v128.load(x), sum));
}

function lowRows(p: usize, first: i32, second: i32): void {
  const bits = arg(p, 6), group = arg(p, 7), length = arg(p, 8);
  const a = pointer(p, 2) + <usize>(first * arg(p, 9)), b = pointer(p, 2) + <usize>(second * arg(p, 9));
  const scalesA = at(pointer(p, 3), first * arg(p, 10)), scalesB = at(pointer(p, 3), second * arg(p, 10));
  const zeros = pointer(p, 4);
  const zerosA = zeros + <usize>(first * arg(p, 11)), zerosB = zeros + <usize>(second * arg(p, 11));
  const middle: i32 = 1 << (bits - 1);
  const mask = maskOf(bits);
  let totalA = splat(0), totalB = splat(0);
  let lessA: f32 = 0, lessB: f32 = 0;
  for (let g: i32 = 0, i: i32 = 0; i < length; g++) {
    const last = min(i + group, length);
    let sumA = splat(0), sumB = splat(0), moreA = splat(0), moreB = splat(0);
    if (bits == 8) {
      for (; i + 8 <= last; i += 8) {
        sumA = byteStep(a + i, at(pointer(p, 12), i), sumA);
        sumB = byteStep(b + i, at(pointer(p, 12), i), sumB);
      }
    } else {
      for (; i + 16 <= last; i += 16) {
        const word = <usize>((i >> 3) * bits), x = at(pointer(p, 12), i);
        sumA = lowStep(a + word, x, mask, bits, sumA);
        sumB = lowStep(b + word, x, mask, bits, sumB);
        moreA = lowStep(a + word + bits, x + 32, mask, bits, moreA);
        moreB = lowStep(b + word + bits, x + 32, mask, bits, moreB);
      }
      for (; i + 8 <= last; i += 8) {
        const word = <usize>((i >> 3) * bits), x = at(pointer(p, 12), i);
        sumA = lowStep(a + word, x, mask, bits, sumA);
        sumB = lowStep(b + word, x, mask, bits, sumB);
      }
    }
    let restA: f32 = 0, restB: f32 = 0;
    for (; i < last; i++) {
      const x = load<f32>(at(pointer(p, 12), i));
      restA += x * <f32>integerAt(a, i, bits);
      restB += x * <f32>integerAt(b, i, bits);
    }
    const scaleA = load<f32>(at(scalesA, g)), scaleB = load<f32>(at(scalesB, g)), sum = load<f32>(at(pointer(p, 13), g));
    totalA = madd(f32x4.add(sumA, moreA), splat(scaleA), totalA);
    totalB = madd(f32x4.add(sumB, moreB), splat(scaleB), totalB);
    lessA += scaleA * (<f32>(zeros ? integerAt(zerosA, g, bits) : middle) * sum - restA);
    lessB += scaleB * (<f32>(zeros ? integerAt(zerosB, g, bits) : middle) * sum - restB);
  }
  store<f32>(at(pointer(p, 5), second), sumOf(totalB) - lessB);
  store<f32>(at(pointer(p, 5), first), sumOf(totalA) - lessA);
}

/** x for `lowGemv`: 2 from, 3 to, 4 sums, 5 bits, 6 group, 7 length; a task is a group. */
export function scaleLanes(p: usize, start: i32, end: i32, thread: i32): void {
  const bits = arg(p, 5), group = arg(p, 6), length = arg(p, 7);
  const factor = bits == 8 ? splat(1) : factorOf(bits);
  for (let g = start; g < end; g++) {
    const last = min((g + 1) * group, length);
    let i = g * group, sum = splat(0), rest: f32 = 0;
    for (; i + 8 <= last; i += 8) {
      const a = v128.load(at(pointer(p, 2), i)), b = v128.load(at(pointer(p, 2), i), 16);
      sum = f32x4.add(sum, f32x4.add(a, b));
      v128.store(at(pointer(p, 3), i), f32x4.mul(a, factor));
      v128.store(at(pointer(p, 3), i), f32x4.mul(b, factor), 16);
    }
    for (; i < last; i++) {
      const x = load<f32>(at(pointer(p, 2), i));
      rest += x;
      store<f32>(at(pointer(p, 3), i), x);
    }
    store<f32>(at(pointer(p, 4), g), sumOf(sum) + rest);
  }
}

function packAt(row: usize, i: i32, bits: i32, value: u32): void {
  const bit = i * bits;
  const word = row + (<usize>(bit >> 5) << 2);
  const shift = bit & 31;
  store<u32>(word, load<u32>(word) | (value << shift));
  if (shift + bits > 32) store<u32>(word, load<u32>(word, 4) | (value >> (32 - shift)), 4);
}

@inline function halved(x: f64): f32 {
  const h = narrow4(splat(<f32>x));
  return f32x4.extract_lane(widen4(h), 0);
}

/**
 * 2 from, 3 packed, 4 scales (f32), 5 zeros or 0, 6 bits, 7 group, 8 length, 9 bytes of a packed row, 10 scales of a row,
 * 11 bytes of zeros of a row, 12 whether scales are halves; packed and zeros begin as 0. The rule of ops/quantization.ts.
 */
export function quantize(p: usize, start: i32, end: i32, thread: i32): void {
  const bits = arg(p, 6), group = arg(p, 7), length = arg(p, 8);
  const isSymmetric = pointer(p, 5) == 0;
  const middle: f64 = <f64>(1 << (bits - 1)), most: f64 = <f64>((1 << bits) - 1);
  const steps = isSymmetric ? middle - 1 : most;
  for (let row = start; row < end; row++) {
    const x = at(pointer(p, 2), row * length), packed = pointer(p, 3) + <usize>(row * arg(p, 9));
    for (let g: i32 = 0, first: i32 = 0; first < length; g++, first += group) {
      const count = min(group, length - first);
      const from: f64 = min<f64>(reduceFloat(at(x, first), count, 4), 0);
      const to: f64 = max<f64>(reduceFloat(at(x, first), count, 3), 0);
      const exact: f64 = (isSymmetric ? max(-from, to) : to - from) / steps;
      const scale: f32 = arg(p, 12) ? halved(exact) : <f32>exact;
      let zero: f64 = isSymmetric ? middle : 0;
      if (scale != 0 && !isSymmetric) zero = min(max(nearest(-from / <f64>scale), 0), steps);
      store<f32>(at(pointer(p, 4), row * arg(p, 10) + g), scale);
      if (!isSymmetric) packAt(pointer(p, 5) + <usize>(row * arg(p, 11)), g, bits, <u32>zero);
      for (let i: i32 = 0; i < count; i++) {
        const value: f64 = <f64>load<f32>(at(x, first + i));
        const integer = scale == 0 ? zero : min(max(nearest(value / <f64>scale) + zero, 0), most);
        packAt(packed, first + i, bits, <u32>integer);
      }
    }
  }
}
