/** Rows to one number each: 2 from, 3 to, 4 length, 5 what (0 sum, 1 mean, 2 prod, 3 max, 4 min, 5 argmax, 6 argmin), 6 kind (0 f, 1 i, 2 u). */
export function reduce(p: usize, start: i32, end: i32, thread: i32): void {
  const length = arg(p, 4), what = arg(p, 5), kind = arg(p, 6);
  for (let row = start; row < end; row++) {
    const x = at(pointer(p, 2), row * length), to = at(pointer(p, 3), row);
    if (what >= 5) store<i32>(to, kind == 0 ? bestFloat(x, length, what == 5) : bestInteger(x, length, what == 5, kind == 2));
    else if (kind == 0) store<f32>(to, reduceFloat(x, length, what));
    else store<i32>(to, reduceInteger(x, length, what, kind == 2));
  }
}

@inline function combine(what: i32, a: v128, b: v128): v128 {
  if (what < 2) return f32x4.add(a, b);
  if (what == 2) return f32x4.mul(a, b);
  return what == 3 ? f32x4.max(a, b) : f32x4.min(a, b);
}

function reduceFloat(x: usize, length: i32, what: i32): f32 {
  const none: f32 = what < 2 ? 0 : what == 2 ? 1 : what == 3 ? -Infinity : Infinity;
  let s0 = splat(none), s1 = splat(none);
  let i: i32 = 0;
  for (; i + 8 <= length; i += 8) {
    s0 = combine(what, s0, v128.load(at(x, i)));
    s1 = combine(what, s1, v128.load(at(x, i), 16));
  }
  for (; i + 4 <= length; i += 4) s0 = combine(what, s0, v128.load(at(x, i)));
  if (i < length) s1 = combine(what, s1, loadSome(at(x, i), length - i, none));
  const s = combine(what, s0, s1);
  if (what == 0) return sumOf(s);
  if (what == 1) return sumOf(s) / <f32>length;
  if (what == 3) return maxOf(s);
  if (what == 4) return minOf(s);
  return f32x4.extract_lane(s, 0) * f32x4.extract_lane(s, 1) * (f32x4.extract_lane(s, 2) * f32x4.extract_lane(s, 3));
}

function reduceInteger(x: usize, length: i32, what: i32, isUnsigned: bool): i32 {
  if (what >= 3) return load<i32>(at(x, bestInteger(x, length, what == 3, isUnsigned)));
  let result: i32 = what == 2 ? 1 : 0;
  for (let i: i32 = 0; i < length; i++) {
    const value = load<i32>(at(x, i));
    result = what == 2 ? result * value : result + value;
  }
  return result;
}

function bestFloat(x: usize, length: i32, isMost: bool): i32 {
  let best: i32 = 0, held = load<f32>(x);
  for (let i: i32 = 1; i < length && held == held; i++) {
    const value = load<f32>(at(x, i));
    if (value != value || (isMost ? value > held : value < held)) { best = i; held = value; }
  }
  return best;
}

function bestInteger(x: usize, length: i32, isMost: bool, isUnsigned: bool): i32 {
  const flip: i32 = isUnsigned ? 0x80000000 : 0;
  let best: i32 = 0, held = load<i32>(x) ^ flip;
  for (let i: i32 = 1; i < length; i++) {
    const value = load<i32>(at(x, i)) ^ flip;
    if (isMost ? value > held : value < held) { best = i; held = value; }
  }
  return best;
}

/** Exponentials of `x - high` to `to`; gives their sum. */
function exponentials(x: usize, to: usize, length: i32, high: f32): f32 {
  const top = splat(high);
  let sum = splat(0);
  let i: i32 = 0;
  for (; i + 4 <= length; i += 4) {
    const e = exp4(f32x4.sub(v128.load(at(x, i)), top));
    v128.store(at(to, i), e);
    sum = f32x4.add(sum, e);
  }
  if (i < length) {
    const e = exp4(f32x4.sub(loadSome(at(x, i), length - i, -Infinity), top));
    storeSome(at(to, i), e, length - i);
    sum = f32x4.add(sum, e);
  }
  return sumOf(sum);
}

/** `x·scale + shift` of a row. */
function affineRow(x: usize, to: usize, length: i32, scale: f32, shift: f32): void {
  const s = splat(scale), t = splat(shift);
  let i: i32 = 0;
  for (; i + 4 <= length; i += 4) v128.store(at(to, i), madd(v128.load(at(x, i)), s, t));
  if (i < length) storeSome(at(to, i), madd(loadSome(at(x, i), length - i, 0), s, t), length - i);
}

/** 2 from, 3 to, 4 length, 5 whether the logarithm; a task is a row. */
export function softmax(p: usize, start: i32, end: i32, thread: i32): void {
  const length = arg(p, 4);
  for (let row = start; row < end; row++) {
    const x = at(pointer(p, 2), row * length), to = at(pointer(p, 3), row * length);
    const high = reduceFloat(x, length, 3);
    const sum = exponentials(x, to, length, high);
    if (arg(p, 5)) affineRow(x, to, length, 1, -high - f32x4.extract_lane(log4(splat(sum)), 0));
    else affineRow(to, to, length, 1 / sum, 0);
  }
}

/** Sum of squared distances from `mean`. */
function squares(x: usize, length: i32, mean: f32): f32 {
  const m = splat(mean);
  let s0 = splat(0), s1 = splat(0);
  let i: i32 = 0;
  for (; i + 8 <= length; i += 8) {
    const a = f32x4.sub(v128.load(at(x, i)), m), b = f32x4.sub(v128.load(at(x, i), 16), m);
    s0 = madd(a, a, s0);
    s1 = madd(b, b, s1);
  }
  for (; i + 4 <= length; i += 4) {
    const a = f32x4.sub(v128.load(at(x, i)), m);
    s0 = madd(a, a, s0);
  }
  if (i < length) {
    const a = f32x4.sub(loadSome(at(x, i), length - i, mean), m);
    s1 = madd(a, a, s1);
  }
  return sumOf(f32x4.add(s0, s1));
}

/** 2 x, 3 residual or 0, 4 scale or 0, 5 bias or 0, 6 result, 7 sum or 0, 8 length, 9 epsilon, 10 whether the mean is kept. */
export function norm(p: usize, start: i32, end: i32, thread: i32): void {
  const length = arg(p, 8);
  const scale = pointer(p, 4), bias = pointer(p, 5);
  for (let row = start; row < end; row++) {
    const to = at(pointer(p, 6), row * length);
    let x = at(pointer(p, 2), row * length);
    if (pointer(p, 3)) {
      const sum = at(pointer(p, 7), row * length), residual = at(pointer(p, 3), row * length);
      let i: i32 = 0;
      for (; i + 4 <= length; i += 4) v128.store(at(sum, i), f32x4.add(v128.load(at(x, i)), v128.load(at(residual, i))));
      for (; i < length; i++) store<f32>(at(sum, i), load<f32>(at(x, i)) + load<f32>(at(residual, i)));
      x = sum;
    }
    const mean: f32 = arg(p, 10) ? 0 : reduceFloat(x, length, 1);
    const factor: f32 = 1 / sqrt<f32>(squares(x, length, mean) / <f32>length + real(p, 9));
    const m = splat(mean), f = splat(factor);
    let i: i32 = 0;
    for (; i + 4 <= length; i += 4) {
      let y = f32x4.mul(f32x4.sub(v128.load(at(x, i)), m), f);
      if (scale) y = f32x4.mul(y, v128.load(at(scale, i)));
      if (bias) y = f32x4.add(y, v128.load(at(bias, i)));
      v128.store(at(to, i), y);
    }
    for (; i < length; i++) {
      let y: f32 = (load<f32>(at(x, i)) - mean) * factor;
      if (scale) y *= load<f32>(at(scale, i));
      if (bias) y += load<f32>(at(bias, i));
      store<f32>(at(to, i), y);
    }
  }
}

/** Mean and reciprocal deviation of rows: 2 from, 3 to (pairs), 4 length, 5 epsilon. */
export function moments(p: usize, start: i32, end: i32, thread: i32): void {
  const length = arg(p, 4);
  for (let row = start; row < end; row++) {
    const x = at(pointer(p, 2), row * length), to = at(pointer(p, 3), row * 2);
    const mean = reduceFloat(x, length, 1);
    store<f32>(to, mean);
    store<f32>(to, 1 / sqrt<f32>(squares(x, length, mean) / <f32>length + real(p, 5)), 4);
  }
}

/** Rows times a number plus a number: 2 from, 3 to, 4 length, 5 pairs (factor, shift), 6 how many pairs. */
export function affine(p: usize, start: i32, end: i32, thread: i32): void {
  const length = arg(p, 4);
  for (let row = start; row < end; row++) {
    const pair = at(pointer(p, 5), row % arg(p, 6) * 2);
    affineRow(at(pointer(p, 2), row * length), at(pointer(p, 3), row * length), length, load<f32>(pair), load<f32>(pair, 4));
  }
}

/** 2 x, 3 cosines, 4 sines, 5 result, 6 time, 7 depth, 8 angles, 9 rows of a batch, 10 table of a batch, 11 whether interleaved. */
export function rope(p: usize, start: i32, end: i32, thread: i32): void {
  const time = arg(p, 6), depth = arg(p, 7), half = arg(p, 8);
  for (let row = start; row < end; row++) {
    const x = at(pointer(p, 2), row * depth), to = at(pointer(p, 5), row * depth);
    const table = row / arg(p, 9) * arg(p, 10) + row % time * half;
    const cos = at(pointer(p, 3), table), sin = at(pointer(p, 4), table);
    copyBytes(at(to, 2 * half), at(x, 2 * half), (depth - 2 * half) << 2);
    let i: i32 = 0;
    const apart = arg(p, 11) ? 1 : half, along = arg(p, 11) ? 2 : 1;
    if (along == 1) {
      for (; i + 4 <= half; i += 4) {
        const a = v128.load(at(x, i)), b = v128.load(at(x, half + i)), c = v128.load(at(cos, i)), s = v128.load(at(sin, i));
        v128.store(at(to, i), f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
        v128.store(at(to, half + i), f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
      }
    }
    for (; i < half; i++) {
      const first = i * along, second = first + apart;
      const a = load<f32>(at(x, first)), b = load<f32>(at(x, second)), c = load<f32>(at(cos, i)), s = load<f32>(at(sin, i));
      store<f32>(at(to, first), a * c - b * s);
      store<f32>(at(to, second), b * c + a * s);
    }
  }
}
