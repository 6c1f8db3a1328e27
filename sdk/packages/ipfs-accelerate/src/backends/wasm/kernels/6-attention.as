/** `scale · scores + mask`, and minus infinity where a key may not be seen; gives the highest. */
function penalize(scores: usize, length: i32, scale: f32, mask: usize, step: i32, isBool: bool): f32 {
  const s = splat(scale);
  let high = splat(-Infinity);
  if (mask == 0) {
    let i: i32 = 0;
    for (; i + 4 <= length; i += 4) {
      const v = f32x4.mul(v128.load(at(scores, i)), s);
      v128.store(at(scores, i), v);
      high = f32x4.max(high, v);
    }
    for (; i < length; i++) {
      const v = load<f32>(at(scores, i)) * scale;
      store<f32>(at(scores, i), v);
      high = f32x4.max(high, splat(v));
    }
    return maxOf(high);
  }
  let most: f32 = -Infinity;
  for (let i: i32 = 0; i < length; i++) {
    let v = load<f32>(at(scores, i)) * scale;
    if (isBool) { if (load<u8>(mask + <usize>(i * step)) == 0) v = -Infinity; }
    else v += load<f32>(at(mask, i * step));
    store<f32>(at(scores, i), v);
    most = max(most, v);
  }
  return most;
}

/** Scores of a row to weights, in place; a row that may see nothing becomes zeros. */
function weigh(p: usize, scores: usize, b: i32, h: i32, t: i32, keys: i32): void {
  const kind = arg(p, 18);
  let mask: usize = 0;
  if (kind) {
    const position = b * arg(p, 20) + h * arg(p, 21) + t * arg(p, 22);
    mask = kind == 2 ? pointer(p, 19) + <usize>position : at(pointer(p, 19), position);
  }
  const high = penalize(scores, keys, real(p, 16), mask, arg(p, 23), kind == 2);
  if (high == -Infinity) memory.fill(scores, 0, keys << 2);
  else {
    const sum = exponentials(scores, scores, keys, high);
    affineRow(scores, scores, keys, 1 / sum, 0);
  }
}

/**
 * 2 q, 3 k, 4 v, 5 result, 6 heads, 7 groups, 8 time, 9 keys, 10 depth, 11 width of values, 12–14 strides of q (batch, head,
 * time), 15 rows of a task, 16 scale, 17 whether causal, 18 mask (0 none, 1 float, 2 bool), 19 mask, 20–23 its strides,
 * 24 whether k and v are panels, 25–27 strides of k, 28–30 of v (batch, group, key). A task is some rows of a head.
 */
export function attention(p: usize, start: i32, end: i32, thread: i32): void {
  const heads = arg(p, 6), time = arg(p, 8), keys = arg(p, 9), rows = arg(p, 15), width = arg(p, 11);
  const blocks = (time + rows - 1) / rows;
  for (let task = start; task < end; task++) {
    const head = task / blocks, b = head / heads, h = head % heads;
    const group = h / (heads / arg(p, 7));
    const t = task % blocks * rows, count = min(rows, time - t);
    const q = at(pointer(p, 2), b * arg(p, 12) + h * arg(p, 13) + t * arg(p, 14));
    const to = at(pointer(p, 5), (head * time + t) * width);
    if (arg(p, 24)) tiledRows(p, q, to, b, h, group, t, count, scratchOf(p, thread));
    else {
      for (let i: i32 = 0; i < count; i++) {
        const seen = arg(p, 17) ? max(0, min(keys, t + i + 1 + keys - time)) : keys;
        plainRow(p, at(q, i * arg(p, 14)), at(to, i * width), b, h, group, t + i, seen, scratchOf(p, thread));
      }
    }
  }
}

function tiledRows(p: usize, q: usize, to: usize, b: i32, h: i32, group: i32, t: i32, count: i32, scratch: usize): void {
  const keys = arg(p, 9), depth = arg(p, 10), width = arg(p, 11), time = arg(p, 8);
  const isCausal = arg(p, 17);
  const most = isCausal ? max(0, min(keys, t + count + keys - time)) : keys;
  const pitch = (keys + 7) & ~7;
  const matrix = b * arg(p, 7) + group;
  const k = at(pointer(p, 3), matrix * pitch * depth);
  const v = at(pointer(p, 4), matrix * ((width + 7) & ~7) * keys);
  const tile = scratch, scores = scratch + 256, packed = at(scores, arg(p, 15) * pitch);
  interleaveAll(packed, q, arg(p, 14), 1, count, depth);
  multiply(packed, k, scores, pitch, count, most, depth, depth, tile);
  for (let i: i32 = 0; i < count; i++) {
    const row = at(scores, i * pitch);
    const seen = isCausal ? max(0, min(keys, t + i + 1 + keys - time)) : keys;
    weigh(p, row, b, h, t + i, seen);
    if (seen < most) memory.fill(at(row, seen), 0, (most - seen) << 2);
  }
  if (most == 0) {
    memory.fill(to, 0, (count * width) << 2);
    return;
  }
  interleaveAll(packed, scores, pitch, 1, count, most);
  multiply(packed, v, to, width, count, width, most, keys, tile);
}

function plainRow(p: usize, q: usize, to: usize, b: i32, h: i32, group: i32, t: i32, seen: i32, scores: usize): void {
  const depth = arg(p, 10), width = arg(p, 11);
  const k = at(pointer(p, 3), b * arg(p, 25) + group * arg(p, 26)), kStep = arg(p, 27);
  const v = at(pointer(p, 4), b * arg(p, 28) + group * arg(p, 29)), vStep = arg(p, 30);
  for (let i: i32 = 0; i < seen; i++) store<f32>(at(scores, i), dot(q, at(k, i * kStep), depth));
  weigh(p, scores, b, h, t, seen);
  let e: i32 = 0;
  for (; e + 16 <= width; e += 16) {
    let s0 = splat(0), s1 = splat(0), s2 = splat(0), s3 = splat(0);
    for (let i: i32 = 0; i < seen; i++) {
      const w = v128.load32_splat(at(scores, i)), row = at(v, i * vStep + e);
      s0 = madd(w, v128.load(row), s0);
      s1 = madd(w, v128.load(row, 16), s1);
      s2 = madd(w, v128.load(row, 32), s2);
      s3 = madd(w, v128.load(row, 48), s3);
    }
    v128.store(at(to, e), s0); v128.store(at(to, e), s1, 16); v128.store(at(to, e), s2, 32); v128.store(at(to, e), s3, 48);
  }
  for (; e < width; e++) {
    let sum: f32 = 0;
    for (let i: i32 = 0; i < seen; i++) sum += load<f32>(at(scores, i)) * load<f32>(at(v, i * vStep + e));
    store<f32>(at(to, e), sum);
  }
}
