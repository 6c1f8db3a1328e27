const BLOCK: i32 = 256;

/** Element `i` of an array of a type, as one lane of 32 bits: 0 f32, 1 f16, 2 i32 or u32, 3 i8, 4 u8 or bool. */
function lane(base: usize, i: i32, type: i32): i32 {
  if (type == 1) return i32x4.extract_lane(widen4(i32x4.splat(load<u16>(base + (<usize>i << 1)))), 0);
  if (type == 3) return load<i8>(base + i);
  if (type == 4) return load<u8>(base + i);
  return load<i32>(at(base, i));
}

/** `count` elements from `position` on, `stride` apart, as lanes. */
function loadRun(to: usize, base: usize, position: i32, stride: i32, count: i32, type: i32): void {
  let i: i32 = 0;
  if (stride == 1 && (type == 0 || type == 2)) {
    copyBytes(to, at(base, position), count << 2);
  } else if (stride == 1 && type == 1) {
    for (; i + 4 <= count; i += 4) v128.store(at(to, i), widen4(v128.load16x4_u(base + (<usize>(position + i) << 1))));
    for (; i < count; i++) store<i32>(at(to, i), lane(base, position + i, type));
  } else if (stride == 0) {
    const value = i32x4.splat(lane(base, position, type));
    for (; i + 4 <= count; i += 4) v128.store(at(to, i), value);
    for (; i < count; i++) store<i32>(at(to, i), i32x4.extract_lane(value, 0));
  } else {
    for (; i < count; i++) store<i32>(at(to, i), lane(base, position + i * stride, type));
  }
}

/** A block of a strided input: description = pointer, type, rank, extents, strides. */
function loadBlock(to: usize, d: usize, start: i32, count: i32): void {
  const base = pointer(d, 0), type = arg(d, 1), rank = arg(d, 2);
  const inner = arg(d, 2 + rank), stride = arg(d, 2 + 2 * rank);
  let done: i32 = 0;
  while (done < count) {
    let rest = start + done;
    let column = rest % inner;
    let position = column * stride;
    rest /= inner;
    for (let axis = rank - 2; axis >= 0 && rest > 0; axis--) {
      const extent = arg(d, 3 + axis);
      position += (rest % extent) * arg(d, 3 + rank + axis);
      rest /= extent;
    }
    const run = min(inner - column, count - done);
    loadRun(at(to, done), base, position, stride, run, type);
    done += run;
  }
}

function storeBlock(to: usize, from: usize, count: i32, type: i32): void {
  if (type == 1) {
    for (let i: i32 = 0; i < count; i += 4) {
      const h = narrow4(v128.load(at(from, i)));
      v128.store64_lane(to + (<usize>i << 1), i8x16.shuffle(h, h, 0, 1, 4, 5, 8, 9, 12, 13, 0, 1, 4, 5, 8, 9, 12, 13), 0);
    }
  } else {
    for (let i: i32 = 0; i < count; i++) store<u8>(to + i, load<u8>(at(from, i)));
  }
}

/** A program over blocks: 2 elements, 3 inputs, 4 their list, 5 constants, 6 their list, 7 steps, 8 their list, 9 result, 10 its type. */
export function map(p: usize, start: i32, end: i32, thread: i32): void {
  const scratch = scratchOf(p, thread);
  const size = arg(p, 2), inputs = arg(p, 3), constants = arg(p, 5), steps = arg(p, 7), type = arg(p, 10);
  const values = inputs + constants + steps;
  const slots = (scratch + (<usize>values << 2) + 15) & ~15;
  for (let i: i32 = 0; i < values; i++) store<u32>(at(scratch, i), <u32>(slots + <usize>(i * BLOCK * 4)));
  for (let i: i32 = 0; i < constants; i++) {
    loadRun(pointer(scratch, inputs + i), pointer(p, 6), i, 0, BLOCK, 2);
  }
  for (let block = start; block < end; block++) {
    const first = block * BLOCK;
    const count = min(BLOCK, size - first);
    for (let i: i32 = 0; i < inputs; i++) {
      const d = pointer(pointer(p, 4), i);
      const isDirect = arg(d, 2) == 1 && arg(d, 4) == 1 && (arg(d, 1) == 0 || arg(d, 1) == 2);
      if (isDirect) store<u32>(at(scratch, i), <u32>at(pointer(d, 0), first));
      else loadBlock(pointer(scratch, i), d, first, count);
    }
    const isWide = type == 0 || type == 2;
    if (isWide) store<u32>(at(scratch, values - 1), <u32>at(pointer(p, 9), first));
    for (let i: i32 = 0; i < steps; i++) {
      const s = pointer(p, 8) + <usize>(i << 4);
      const third = arg(s, 3);
      step(arg(s, 0), pointer(scratch, inputs + constants + i), pointer(scratch, arg(s, 1)),
        pointer(scratch, arg(s, 2)), pointer(scratch, third), (count + 3) & ~3);
    }
    if (!isWide) storeBlock(pointer(p, 9) + (<usize>first << (type == 1 ? 1 : 0)), pointer(scratch, values - 1), count, type);
  }
}

/** Floats to halves, or back: 2 from, 3 to, 4 elements, 5 whether to halves; a task is 1024 elements. */
export function convert(p: usize, start: i32, end: i32, thread: i32): void {
  const last = min(arg(p, 4), end << 10);
  const first = start << 10;
  if (arg(p, 5)) storeBlock(pointer(p, 3) + (<usize>first << 1), at(pointer(p, 2), first), last - first, 1);
  else loadRun(at(pointer(p, 3), first), pointer(p, 2), first, 1, last - first, 1);
}

/**
 * Rows between strided places: 2 from, 3 to, 4 bytes of an element, 5 rank, 6 list of extents, strides from, strides to;
 * a task is a row along the last axis.
 */
export function move(p: usize, start: i32, end: i32, thread: i32): void {
  const bytes = arg(p, 4), rank = arg(p, 5), list = pointer(p, 6);
  const inner = arg(list, rank - 1), fromStep = arg(list, 2 * rank - 1), toStep = arg(list, 3 * rank - 1);
  for (let row = start; row < end; row++) {
    let from: i32 = 0, to: i32 = 0, rest = row;
    for (let axis = rank - 2; axis >= 0; axis--) {
      const extent = arg(list, axis);
      const index = rest % extent;
      rest /= extent;
      from += index * arg(list, rank + axis);
      to += index * arg(list, 2 * rank + axis);
    }
    const source = pointer(p, 2) + <usize>(from * bytes), target = pointer(p, 3) + <usize>(to * bytes);
    if (fromStep == 1 && toStep == 1) copyBytes(target, source, inner * bytes);
    else if (bytes == 4) {
      for (let i: i32 = 0; i < inner; i++) store<u32>(at(target, i * toStep), load<u32>(at(source, i * fromStep)));
    } else if (bytes == 2) {
      for (let i: i32 = 0; i < inner; i++) store<u16>(target + <usize>(i * toStep * 2), load<u16>(source + <usize>(i * fromStep * 2)));
    } else {
      for (let i: i32 = 0; i < inner; i++) store<u8>(target + <usize>(i * toStep), load<u8>(source + <usize>(i * fromStep)));
    }
  }
}

/** Rows by index: 2 table, 3 indices, 4 result, 5 how many indices, 6 extent, 7 bytes of a row; an index outside is clamped. */
export function gather(p: usize, start: i32, end: i32, thread: i32): void {
  const count = arg(p, 5), extent = arg(p, 6), bytes = arg(p, 7);
  for (let row = start; row < end; row++) {
    const index = min(max(arg(pointer(p, 3), row % count), 0), extent - 1);
    copyBytes(pointer(p, 4) + <usize>(row * bytes), pointer(p, 2) + <usize>((row / count * extent + index) * bytes), bytes);
  }
}

/** Source: PCG-RXS-M-XS-32 as a hash, as in ops/random.ts. */
function pcg(input: u32): u32 {
  const state = input * 747796405 + 2891336453;
  const word = ((state >> ((state >> 28) + 4)) ^ state) * 277803737;
  return (word >> 22) ^ word;
}
function uniform4(seed: u32, position: u32, apart: u32): v128 {
  let v = i32x4.splat(pcg(position + seed) >> 8);
  v = i32x4.replace_lane(v, 1, pcg(position + apart + seed) >> 8);
  v = i32x4.replace_lane(v, 2, pcg(position + 2 * apart + seed) >> 8);
  v = i32x4.replace_lane(v, 3, pcg(position + 3 * apart + seed) >> 8);
  return f32x4.mul(f32x4.convert_i32x4_s(v), splat(5.9604644775390625e-8));
}

/** 2 result, 3 seed, 4 whether normal, 5 and 6 the parameters; a task is 4 numbers. Source: Box and Muller 1958. */
export function random(p: usize, start: i32, end: i32, thread: i32): void {
  const seed = pcg(<u32>arg(p, 3));
  const a = splat(real(p, 5)), b = splat(real(p, 6));
  for (let task = start; task < end; task++) {
    const position = <u32>task << 2;
    let value: v128;
    if (arg(p, 4)) {
      const u = uniform4(seed, position * 2, 2);
      const radius = f32x4.sqrt(f32x4.mul(splat(-2), log4(f32x4.sub(splat(1), u))));
      const angle = f32x4.mul(uniform4(seed, position * 2 + 1, 2), splat(6.283185307179586));
      value = madd(b, f32x4.mul(radius, sine4(angle, 1)), a);
    } else value = madd(uniform4(seed, position, 1), f32x4.sub(b, a), a);
    v128.store(at(pointer(p, 2), task << 2), value);
  }
}
