// AssemblyScript. All files of this folder are one module, in the order of their names.
// Every exported kernel is called with (arguments, first task, end of tasks, number of the thread).

@inline function arg(p: usize, i: i32): i32 { return load<i32>(p + (<usize>i << 2)); }
@inline function pointer(p: usize, i: i32): usize { return <usize>load<u32>(p + (<usize>i << 2)); }
@inline function real(p: usize, i: i32): f32 { return load<f32>(p + (<usize>i << 2)); }
/** Memory of this thread alone: arguments 0 and 1 are its start and its size. */
@inline function scratchOf(p: usize, thread: i32): usize { return pointer(p, 0) + <usize>(arg(p, 1) * thread); }
@inline function at(base: usize, index: i32): usize { return base + (<usize>index << 2); }

@inline function splat(x: f32): v128 { return f32x4.splat(x); }
@inline function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}
@inline function sumOf(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}
@inline function maxOf(v: v128): f32 {
  return max(max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)));
}
@inline function minOf(v: v128): f32 {
  return min(min(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), min(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)));
}

/** The first `count` (1 to 3) floats; the other lanes hold `rest`. */
function loadSome(p: usize, count: i32, rest: f32): v128 {
  let v = f32x4.replace_lane(splat(rest), 0, load<f32>(p));
  if (count > 1) v = f32x4.replace_lane(v, 1, load<f32>(p, 4));
  if (count > 2) v = f32x4.replace_lane(v, 2, load<f32>(p, 8));
  return v;
}
function storeSome(p: usize, v: v128, count: i32): void {
  store<f32>(p, f32x4.extract_lane(v, 0));
  if (count > 1) store<f32>(p, f32x4.extract_lane(v, 1), 4);
  if (count > 2) store<f32>(p, f32x4.extract_lane(v, 2), 8);
}

function copyBytes(to: usize, from: usize, count: i32): void {
  if (count >= 1024) {
    memory.copy(to, from, count);
    return;
  }
  let i: i32 = 0;
  for (; i + 16 <= count; i += 16) v128.store(to + i, v128.load(from + i));
  for (; i + 4 <= count; i += 4) store<u32>(to + i, load<u32>(from + i));
  for (; i < count; i++) store<u8>(to + i, load<u8>(from + i));
}

function dot(a: usize, b: usize, count: i32): f32 {
  let s0 = splat(0), s1 = splat(0), s2 = splat(0), s3 = splat(0);
  let i: i32 = 0;
  for (; i + 16 <= count; i += 16, a += 64, b += 64) {
    s0 = madd(v128.load(a), v128.load(b), s0);
    s1 = madd(v128.load(a, 16), v128.load(b, 16), s1);
    s2 = madd(v128.load(a, 32), v128.load(b, 32), s2);
    s3 = madd(v128.load(a, 48), v128.load(b, 48), s3);
  }
  for (; i + 4 <= count; i += 4, a += 16, b += 16) s0 = madd(v128.load(a), v128.load(b), s0);
  let sum = sumOf(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
  for (; i < count; i++, a += 4, b += 4) sum += load<f32>(a) * load<f32>(b);
  return sum;
}

/** Source: Cephes expf; the power of two in two factors, so that it under- and overflows as IEEE 754 does. */
function exp4(value: v128): v128 {
  const x = f32x4.min(f32x4.max(value, splat(-104)), splat(89));
  const n = f32x4.nearest(f32x4.mul(x, splat(1.44269504088896341)));
  let r = madd(n, splat(-0.693359375), x);
  r = madd(n, splat(2.12194440e-4), r);
  let y = madd(splat(1.9875691500e-4), r, splat(1.3981999507e-3));
  y = madd(y, r, splat(8.3334519073e-3));
  y = madd(y, r, splat(4.1665795894e-2));
  y = madd(y, r, splat(1.6666665459e-1));
  y = madd(y, r, splat(5.0000001201e-1));
  y = f32x4.add(madd(y, f32x4.mul(r, r), r), splat(1));
  const power = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(power, 1);
  const first = i32x4.shl(i32x4.add(half, i32x4.splat(127)), 23);
  const second = i32x4.shl(i32x4.add(i32x4.sub(power, half), i32x4.splat(127)), 23);
  return f32x4.mul(f32x4.mul(y, first), second);
}

/** Source: Cephes logf. */
function log4(value: v128): v128 {
  const isSmall = f32x4.lt(value, splat(1.17549435e-38));
  const x = v128.bitselect(f32x4.mul(value, splat(8388608)), value, isSmall);
  let e = f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(x, 23), i32x4.splat(126)));
  e = f32x4.sub(e, v128.and(splat(23), isSmall));
  let m = v128.or(v128.and(x, i32x4.splat(0x7fffff)), i32x4.splat(0x3f000000));
  const isLow = f32x4.lt(m, splat(0.707106781186547524));
  e = f32x4.sub(e, v128.and(splat(1), isLow));
  m = f32x4.sub(f32x4.add(m, v128.and(m, isLow)), splat(1));
  const z = f32x4.mul(m, m);
  let y = madd(splat(7.0376836292e-2), m, splat(-1.1514610310e-1));
  y = madd(y, m, splat(1.1676998740e-1));
  y = madd(y, m, splat(-1.2420140846e-1));
  y = madd(y, m, splat(1.4249322787e-1));
  y = madd(y, m, splat(-1.6668057665e-1));
  y = madd(y, m, splat(2.0000714765e-1));
  y = madd(y, m, splat(-2.4999993993e-1));
  y = madd(y, m, splat(3.3333331174e-1));
  y = f32x4.mul(f32x4.mul(y, m), z);
  y = madd(e, splat(-2.12194440e-4), y);
  y = madd(z, splat(-0.5), y);
  let result = madd(e, splat(0.693359375), f32x4.add(m, y));
  result = v128.bitselect(value, result, f32x4.eq(value, splat(Infinity)));
  result = v128.bitselect(splat(-Infinity), result, f32x4.eq(value, splat(0)));
  return v128.bitselect(result, splat(NaN), f32x4.ge(value, splat(0)));
}

/** Source: Cephes tanhf. */
function tanh4(x: v128): v128 {
  const z = f32x4.mul(x, x);
  let near = madd(splat(-5.70498872745e-3), z, splat(2.06390887954e-2));
  near = madd(near, z, splat(-5.37397155531e-2));
  near = madd(near, z, splat(1.33314422036e-1));
  near = madd(near, z, splat(-3.33332819422e-1));
  near = madd(f32x4.mul(near, z), x, x);
  const size = f32x4.abs(x);
  const e = exp4(f32x4.add(size, size));
  const far = f32x4.sub(splat(1), f32x4.div(splat(2), f32x4.add(e, splat(1))));
  const signed = v128.or(far, v128.and(x, i32x4.splat(0x80000000)));
  return v128.bitselect(near, signed, f32x4.lt(size, splat(0.625)));
}

/** Source: Cephes erff below 1; above, Abramowitz and Stegun 7.1.26 (error below 1.5e-7). */
function erf4(x: v128): v128 {
  const z = f32x4.mul(x, x);
  let near = madd(splat(7.853861353153693e-5), z, splat(-8.010193625184903e-4));
  near = madd(near, z, splat(5.188327685732524e-3));
  near = madd(near, z, splat(-2.685381193529856e-2));
  near = madd(near, z, splat(1.128358514861418e-1));
  near = madd(near, z, splat(-3.761262582423300e-1));
  near = madd(near, z, splat(1.128379165726710));
  near = f32x4.mul(near, x);
  const size = f32x4.abs(x);
  const t = f32x4.div(splat(1), madd(splat(0.3275911), size, splat(1)));
  let far = madd(splat(1.061405429), t, splat(-1.453152027));
  far = madd(far, t, splat(1.421413741));
  far = madd(far, t, splat(-0.284496736));
  far = madd(far, t, splat(0.254829592));
  far = f32x4.sub(splat(1), f32x4.mul(f32x4.mul(far, t), exp4(f32x4.neg(z))));
  const signed = v128.or(far, v128.and(x, i32x4.splat(0x80000000)));
  return v128.bitselect(near, signed, f32x4.lt(size, splat(1)));
}

/** Sine, or cosine a quarter turn on. Source: Cephes sinf and cosf. */
function sine4(x: v128, quarters: i32): v128 {
  const q = f32x4.nearest(f32x4.mul(x, splat(0.636619772367581343)));
  let r = madd(q, splat(-1.5703125), x);
  r = madd(q, splat(-4.837512969970703125e-4), r);
  r = madd(q, splat(-7.54978995489188216e-8), r);
  const turn = i32x4.add(i32x4.trunc_sat_f32x4_s(q), i32x4.splat(quarters));
  const z = f32x4.mul(r, r);
  let s = madd(splat(-1.9515295891e-4), z, splat(8.3321608736e-3));
  s = madd(s, z, splat(-1.6666654611e-1));
  s = madd(f32x4.mul(s, z), r, r);
  let c = madd(splat(2.443315711809948e-5), z, splat(-1.388731625493765e-3));
  c = madd(c, z, splat(4.166664568298827e-2));
  c = f32x4.add(madd(f32x4.mul(c, z), z, f32x4.mul(z, splat(-0.5))), splat(1));
  const isOdd = i32x4.ne(v128.and(turn, i32x4.splat(1)), i32x4.splat(0));
  return v128.xor(v128.bitselect(c, s, isOdd), i32x4.shl(v128.and(turn, i32x4.splat(2)), 30));
}

/** Four halves, in the low 16 bits of each lane, widened. Source: IEEE 754-2019, binary16. */
@inline function widen4(h: v128): v128 {
  const magnitude = i32x4.shl(v128.and(h, i32x4.splat(0x7fff)), 13);
  const value = f32x4.mul(magnitude, splat(5.192296858534828e33));
  const isSpecial = i32x4.ge_s(magnitude, i32x4.splat(0x7c00 << 13));
  const special = v128.or(magnitude, i32x4.splat(0x7f800000));
  return v128.or(v128.bitselect(special, value, isSpecial), i32x4.shl(v128.and(h, i32x4.splat(0x8000)), 16));
}

/** Rounded to the nearest half, ties to even, in the low 16 bits of each lane. */
@inline function narrow4(x: v128): v128 {
  const magnitude = v128.and(x, i32x4.splat(0x7fffffff));
  const m = i32x4.sub(magnitude, i32x4.splat(0x38000000));
  const odd = v128.and(i32x4.shr_u(m, 13), i32x4.splat(1));
  let h = i32x4.shr_u(i32x4.add(i32x4.add(m, i32x4.splat(0xfff)), odd), 13);
  const small = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(magnitude, splat(16777216))));
  h = v128.bitselect(small, h, i32x4.lt_s(magnitude, i32x4.splat(0x38800000)));
  h = v128.bitselect(i32x4.splat(0x7c00), h, i32x4.ge_s(magnitude, i32x4.splat(0x477ff000)));
  h = v128.bitselect(i32x4.splat(0x7e00), h, i32x4.gt_s(magnitude, i32x4.splat(0x7f800000)));
  return v128.or(h, v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000)));
}
