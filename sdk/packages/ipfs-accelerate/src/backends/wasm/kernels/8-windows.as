// Geometry of windows, from one argument on: height, width, tall, wide, stride y, x, dilation y, x, top, left, out height,
// out width. One dimension has a height of 1.

/**
 * Panels of 8 output positions: 2 plane of the first channel, 3 to, 4 channels, 5 geometry, 6 first panel.
 * The k of a panel is channels × tall × wide; a task is a panel.
 */
export function packWindows(p: usize, start: i32, end: i32, thread: i32): void {
  const g = pointer(p, 5), channels = arg(p, 4);
  const height = arg(g, 0), width = arg(g, 1), tall = arg(g, 2), wide = arg(g, 3), sy = arg(g, 4), sx = arg(g, 5);
  const outWidth = arg(g, 11), count = arg(g, 10) * outWidth;
  const k = channels * tall * wide;
  for (let task = start; task < end; task++) {
    const position = (arg(p, 6) + task) * 8;
    const columns = min(8, count - position);
    const row = position / outWidth, column = position % outWidth;
    const isRun = sx == 1 && columns == 8 && column + 8 <= outWidth;
    let to = at(pointer(p, 3), task * k * 8);
    for (let c: i32 = 0; c < channels; c++) {
      const plane = at(pointer(p, 2), c * height * width);
      for (let ty: i32 = 0; ty < tall; ty++) {
        for (let tx: i32 = 0; tx < wide; tx++, to += 32) {
          const y = row * sy - arg(g, 8) + ty * arg(g, 6), x = column - arg(g, 9) + tx * arg(g, 7);
          if (isRun && y >= 0 && y < height && x >= 0 && x + 8 <= width) {
            const from = at(plane, y * width + x);
            v128.store(to, v128.load(from));
            v128.store(to, v128.load(from, 16), 16);
          } else {
            for (let i: i32 = 0; i < 8; i++) {
              const place = position + i;
              const yy = place / outWidth * sy - arg(g, 8) + ty * arg(g, 6);
              const xx = place % outWidth * sx - arg(g, 9) + tx * arg(g, 7);
              const isInside = i < columns && yy >= 0 && yy < height && xx >= 0 && xx < width;
              store<f32>(at(to, i), isInside ? load<f32>(at(plane, yy * width + xx)) : 0);
            }
          }
        }
      }
    }
  }
}

/** First and last-but-one output whose input `o·stride + shift` lies within the extent. */
@inline function firstInside(shift: i32, stride: i32): i32 { return shift >= 0 ? 0 : (stride - 1 - shift) / stride; }
@inline function endInside(shift: i32, stride: i32, extent: i32, outputs: i32): i32 {
  return shift >= extent ? 0 : min(outputs, (extent - 1 - shift) / stride + 1);
}

/** 2 x, 3 weight, 4 bias or 0, 5 to, 6 geometry, 7 outputs, 8 outputs of a group, 9 channels of a group, 10 channels; a task is a plane. */
export function convPlane(p: usize, start: i32, end: i32, thread: i32): void {
  const g = pointer(p, 6), taken = arg(p, 9), outputs = arg(p, 7);
  const height = arg(g, 0), width = arg(g, 1), tall = arg(g, 2), wide = arg(g, 3), sy = arg(g, 4), sx = arg(g, 5);
  const outHeight = arg(g, 10), outWidth = arg(g, 11);
  for (let task = start; task < end; task++) {
    const o = task % outputs;
    const to = at(pointer(p, 5), task * outHeight * outWidth);
    const x = at(pointer(p, 2), (task / outputs * arg(p, 10) + o / arg(p, 8) * taken) * height * width);
    const bias: f32 = pointer(p, 4) ? load<f32>(at(pointer(p, 4), o)) : 0;
    for (let i: i32 = 0; i < outHeight * outWidth; i++) store<f32>(at(to, i), bias);
    for (let tap: i32 = 0; tap < taken * tall * wide; tap++) {
      const w = load<f32>(at(pointer(p, 3), o * taken * tall * wide + tap));
      const dx = tap % wide * arg(g, 7) - arg(g, 9), dy = tap / wide % tall * arg(g, 6) - arg(g, 8);
      const plane = at(x, tap / (tall * wide) * height * width);
      const left = firstInside(dx, sx), right = endInside(dx, sx, width, outWidth);
      for (let oy = firstInside(dy, sy); oy < endInside(dy, sy, height, outHeight); oy++) {
        const from = at(plane, (oy * sy + dy) * width + dx), row = at(to, oy * outWidth);
        let ox = left;
        if (sx == 1) {
          for (; ox + 4 <= right; ox += 4) v128.store(at(row, ox), madd(splat(w), v128.load(at(from, ox)), v128.load(at(row, ox))));
        }
        for (; ox < right; ox++) store<f32>(at(row, ox), load<f32>(at(row, ox)) + w * load<f32>(at(from, ox * sx)));
      }
    }
  }
}

/** 2 x, 3 to, 4 geometry, 5 whether the mean, 6 whether padding counts; a task is a plane. */
export function pool(p: usize, start: i32, end: i32, thread: i32): void {
  const g = pointer(p, 4), isMean = arg(p, 5);
  const height = arg(g, 0), width = arg(g, 1), tall = arg(g, 2), wide = arg(g, 3);
  const outHeight = arg(g, 10), outWidth = arg(g, 11);
  for (let task = start; task < end; task++) {
    const x = at(pointer(p, 2), task * height * width), to = at(pointer(p, 3), task * outHeight * outWidth);
    for (let oy: i32 = 0; oy < outHeight; oy++) {
      const top = oy * arg(g, 4) - arg(g, 8), y0 = max(0, top), y1 = min(height, top + tall);
      for (let ox: i32 = 0; ox < outWidth; ox++) {
        const left = ox * arg(g, 5) - arg(g, 9), x0 = max(0, left), x1 = min(width, left + wide);
        let sum: f32 = 0, most: f32 = -Infinity;
        for (let y = y0; y < y1; y++) {
          for (let xx = x0; xx < x1; xx++) {
            const value = load<f32>(at(x, y * width + xx));
            sum += value;
            most = max(most, value);
          }
        }
        const count = arg(p, 6) ? tall * wide : (y1 - y0) * (x1 - x0);
        store<f32>(at(to, oy * outWidth + ox), isMean ? sum / <f32>count : most);
      }
    }
  }
}
