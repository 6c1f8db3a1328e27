// C = A B in tiles of up to 6 rows by 8 columns. B lies in panels of 8 columns, [columns/8][k][8]; A in blocks of
// 6 rows within parts of k, [part of k][rows/6][k of the part][6]. `micro` is written by the build.

const ROWS: i32 = 6;
const PART: i32 = 384;

@inline function partOf(k: i32): i32 {
  const parts = (k + PART - 1) / PART;
  return (k + parts - 1) / parts;
}

/** Rows of A (`rows` ≤ 6) from column `k0` on, `kc` of them, interleaved. */
function interleave(to: usize, a: usize, sm: i32, sk: i32, rows: i32, kc: i32): void {
  for (let r: i32 = 0; r < rows; r++) {
    let from = at(a, r * sm);
    let target = at(to, r);
    const step = <usize>rows << 2, jump = <usize>sk << 2;
    for (let k: i32 = 0; k < kc; k++, target += step, from += jump) store<f32>(target, load<f32>(from));
  }
}

/** An interleaved A times panels, all of it; `kPanel` is the k that the panels were made with. */
function multiply(a: usize, panels: usize, c: usize, ldc: i32, m: i32, n: i32, k: i32, kPanel: i32, tile: usize): void {
  const part = partOf(k);
  for (let k0: i32 = 0; k0 < k; k0 += part) {
    block(at(a, k0 * m), at(panels, k0 * 8), c, ldc, m, n, min(part, k - k0), kPanel, tile, k0 > 0);
  }
}

function interleaveAll(to: usize, a: usize, sm: i32, sk: i32, m: i32, k: i32): void {
  const part = partOf(k);
  for (let k0: i32 = 0; k0 < k; k0 += part) {
    const kc = min(part, k - k0);
    for (let i: i32 = 0; i < m; i += ROWS) {
      interleave(at(to, k0 * m + i * kc), at(a, i * sm + k0 * sk), sm, sk, min(ROWS, m - i), kc);
    }
  }
}

/** A of every matrix: 2 list of sources, 3 to, 4 stride of rows, 5 of columns, 6 rows, 7 k; a task is a block of 6 rows. */
export function packA(p: usize, start: i32, end: i32, thread: i32): void {
  const sm = arg(p, 4), sk = arg(p, 5), m = arg(p, 6), k = arg(p, 7);
  const blocks = (m + ROWS - 1) / ROWS, part = partOf(k);
  for (let task = start; task < end; task++) {
    const matrix = task / blocks, i = task % blocks * ROWS;
    const from = pointer(pointer(p, 2), matrix), to = at(pointer(p, 3), matrix * m * k);
    for (let k0: i32 = 0; k0 < k; k0 += part) {
      const kc = min(part, k - k0);
      interleave(at(to, k0 * m + i * kc), at(from, i * sm + k0 * sk), sm, sk, min(ROWS, m - i), kc);
    }
  }
}

/** Four rows of four floats, exchanged: to `to` and 32 bytes on. */
@inline function transpose4(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), AB = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5), CD = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f64>(ab, cd, 0, 2));
  v128.store(to, v128.shuffle<f64>(ab, cd, 1, 3), 32);
  v128.store(to, v128.shuffle<f64>(AB, CD, 0, 2), 64);
  v128.store(to, v128.shuffle<f64>(AB, CD, 1, 3), 96);
}

/** One panel of `width` columns; the others are zero. */
function panel(to: usize, from: usize, sk: i32, sn: i32, width: i32, k: i32): void {
  let done: i32 = 0;
  if (width < 8) memory.fill(to, 0, k << 5);
  if (width == 8 && sn == 1) {
    for (; done < k; done++) {
      const row = at(from, done * sk);
      v128.store(at(to, done * 8), v128.load(row));
      v128.store(at(to, done * 8), v128.load(row, 16), 16);
    }
  } else if (width == 8 && sk == 1) {
    const step = <usize>sn << 2;
    for (; done + 4 <= k; done += 4) {
      const p = at(from, done), q = p + 4 * step, target = at(to, done * 8);
      transpose4(target, v128.load(p), v128.load(p + step), v128.load(p + 2 * step), v128.load(p + 3 * step));
      transpose4(target + 16, v128.load(q), v128.load(q + step), v128.load(q + 2 * step), v128.load(q + 3 * step));
    }
  }
  for (; done < k; done++) {
    for (let x: i32 = 0; x < width; x++) store<f32>(at(to, done * 8 + x), load<f32>(at(from, done * sk + x * sn)));
  }
}

/** B of every matrix: 2 list of sources, 3 to, 4 stride of k, 5 of columns, 6 columns, 7 k; a task is a panel. */
export function packB(p: usize, start: i32, end: i32, thread: i32): void {
  const sk = arg(p, 4), sn = arg(p, 5), n = arg(p, 6), k = arg(p, 7);
  const panels = (n + 7) / 8;
  for (let task = start; task < end; task++) {
    const j = task % panels * 8;
    panel(at(pointer(p, 3), task * k * 8), at(pointer(pointer(p, 2), task / panels), j * sn), sk, sn, min(8, n - j), k);
  }
}

/** Panels back to `[columns, k]`: 2 panels, 3 to, 4 stride of k, 5 of columns, 6 columns, 7 k; a task is a panel. */
export function unpackB(p: usize, start: i32, end: i32, thread: i32): void {
  const sk = arg(p, 4), sn = arg(p, 5), n = arg(p, 6), k = arg(p, 7);
  for (let task = start; task < end; task++) {
    const from = at(pointer(p, 2), task * k * 8);
    for (let x: i32 = 0; x < min(8, n - task * 8); x++) {
      for (let i: i32 = 0; i < k; i++) {
        store<f32>(at(pointer(p, 3), (task * 8 + x) * sn + i * sk), load<f32>(at(from, i * 8 + x)));
      }
    }
  }
}

/**
 * 2 list of (A, panels, C), 3 stride of C's rows, 4 rows, 5 columns, 6 k, 7 parts of rows, 8 rows of a part,
 * 9 parts of columns, 10 columns of a part; a task is one part of one matrix.
 */
export function gemm(p: usize, start: i32, end: i32, thread: i32): void {
  const ldc = arg(p, 3), m = arg(p, 4), n = arg(p, 5), k = arg(p, 6);
  const down = arg(p, 7), tall = arg(p, 8), across = arg(p, 9), wide = arg(p, 10);
  const part = partOf(k);
  for (let task = start; task < end; task++) {
    const matrix = pointer(p, 2) + <usize>(task / (down * across) * 12);
    const i0 = task / across % down * tall, j0 = task % across * wide;
    const rows = min(tall, m - i0), columns = min(wide, n - j0);
    const a = pointer(matrix, 0), panels = at(pointer(matrix, 1), j0 * k), c = at(pointer(matrix, 2), i0 * ldc + j0);
    for (let k0: i32 = 0; k0 < k; k0 += part) {
      const kc = min(part, k - k0);
      const aPart = at(a, k0 * m + i0 * kc);
      block(aPart, at(panels, k0 * 8), c, ldc, rows, columns, kc, k, scratchOf(p, thread), k0 > 0);
    }
  }
}

/** One part of k: all panels of a part of columns times all blocks of a part of rows. */
function block(
  a: usize, panels: usize, c: usize, ldc: i32, m: i32, n: i32, kc: i32, kPanel: i32, tile: usize, adds: bool,
): void {
  for (let j: i32 = 0; j < n; j += 8) {
    const b = at(panels, j * kPanel);
    const width = min(8, n - j);
    for (let i: i32 = 0; i < m; i += ROWS) {
      const rows = min(ROWS, m - i);
      const target = at(c, i * ldc + j);
      if (width == 8) micro(rows, at(a, i * kc), b, target, ldc << 2, kc, adds);
      else {
        micro(rows, at(a, i * kc), b, tile, 32, kc, false);
        for (let r: i32 = 0; r < rows; r++) {
          for (let x: i32 = 0; x < width; x++) {
            const to = at(target, r * ldc + x), value = load<f32>(at(tile, r * 8 + x));
            store<f32>(to, adds ? load<f32>(to) + value : value);
          }
        }
      }
    }
  }
}

/** A row times panels: 2 row, 3 panels, 4 result, 5 columns, 6 k; a task is four panels. */
export function gemv(p: usize, start: i32, end: i32, thread: i32): void {
  const n = arg(p, 5), k = arg(p, 6);
  const panels = (n + 7) / 8;
  for (let task = start; task < end; task++) {
    const j = task * 4;
    const b = at(pointer(p, 3), j * k * 8), y = at(pointer(p, 4), j * 8);
    if (j + 4 <= panels) {
      if (n >= (j + 4) * 8) fourPanels(pointer(p, 2), b, y, k);
      else {
        const tile = scratchOf(p, thread);
        fourPanels(pointer(p, 2), b, tile, k);
        copyBytes(y, tile, (n - j * 8) << 2);
      }
    } else {
      const tile = scratchOf(p, thread);
      for (let i: i32 = 0; j + i < panels; i++) micro(1, pointer(p, 2), at(b, i * k * 8), at(tile, i * 8), 32, k, false);
      copyBytes(y, tile, (n - j * 8) << 2);
    }
  }
}

function fourPanels(x: usize, b: usize, y: usize, k: i32): void {
  const step = <usize>k << 5;
  let c0 = splat(0), c1 = splat(0), c2 = splat(0), c3 = splat(0), c4 = splat(0), c5 = splat(0), c6 = splat(0), c7 = splat(0);
  let b1 = b + step, b2 = b1 + step, b3 = b2 + step;
  for (let i: i32 = 0; i < k; i++, x += 4, b += 32, b1 += 32, b2 += 32, b3 += 32) {
    const v = v128.load32_splat(x);
    c0 = madd(v, v128.load(b), c0);
    c1 = madd(v, v128.load(b, 16), c1);
    c2 = madd(v, v128.load(b1), c2);
    c3 = madd(v, v128.load(b1, 16), c3);
    c4 = madd(v, v128.load(b2), c4);
    c5 = madd(v, v128.load(b2, 16), c5);
    c6 = madd(v, v128.load(b3), c6);
    c7 = madd(v, v128.load(b3, 16), c7);
  }
  v128.store(y, c0); v128.store(y, c1, 16); v128.store(y, c2, 32); v128.store(y, c3, 48);
  v128.store(y, c4, 64); v128.store(y, c5, 80); v128.store(y, c6, 96); v128.store(y, c7, 112);
}
