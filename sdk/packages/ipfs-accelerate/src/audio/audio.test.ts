import { expect, test } from "vitest";

import {
  captureStream,
  checkRate,
  clapFeatures,
  clapSettings,
  decodeAudio,
  decodeWav,
  join,
  MelFramer,
  mono,
  normalizedFeatures,
  openMicrophone,
  Resampler,
  resample,
  samplesAt,
  whisperFeatures,
  whisperSettings,
} from "./index.ts";
import { PowerSpectrum } from "./fft.ts";
import { SampleQueue } from "./queue.ts";

/** A tone and a little of something less regular. */
function sound(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => 0.5 * Math.sin(0.3 * i) + 0.1 * Math.sin(i * i));
}

function codeOf(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return "none";
}

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "none",
    (error: unknown) => (error as { code?: unknown }).code ?? error,
  );

const pieces = function* (samples: Float32Array, sizes: readonly number[]): Generator<Float32Array> {
  for (let at = 0, i = 0; at < samples.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield samples.subarray(at, at + size);
    at += size;
  }
};

test.each([2, 6, 14, 22, 26, 98, 400, 1024])("a spectrum of %i samples is that of the definition", (size) => {
  const signal = Float64Array.from(sound(size));
  const power = new Float64Array(size / 2 + 1);
  new PowerSpectrum(size).compute(signal, power);
  power.forEach((value, k) => {
    let [re, im] = [0, 0];
    signal.forEach((sample, i) => {
      re += sample * Math.cos((2 * Math.PI * k * i) / size);
      im -= sample * Math.sin((2 * Math.PI * k * i) / size);
    });
    expect(Math.abs(value - re * re - im * im)).toBeLessThan(1e-9 * size * size);
  });
});

test.each([[[1]], [[7, 0, 500]], [[160]], [[10_000]]])(
  "mel frames are equal however the sound is cut: %j",
  (sizes) => {
    const samples = sound(3000);
    const whole = new MelFramer(whisperSettings());
    const expected = join(whole.push(samples), whole.end());
    expect(expected.length).toBe(80 * (Math.floor(3000 / 160) + 1));
    const framer = new MelFramer(whisperSettings());
    for (let time = 0; time < 2; time++) {
      let frames = new Float32Array(0);
      for (const piece of pieces(samples, sizes)) frames = join(frames, framer.push(piece)) as typeof frames;
      expect(join(frames, framer.end())).toEqual(expected);
    }
  },
);

test.each([
  [44_100, 16_000],
  [16_000, 48_000],
  [48_000, 44_100],
])("a sound at %i Hz is the same at %i however it is cut", (from, to) => {
  const samples = sound(2000);
  const expected = resample(samples, from, to);
  expect(expected.length).toBe(Math.ceil((2000 * to) / from));
  const resampler = new Resampler(from, to);
  for (let time = 0; time < 2; time++) {
    let result = new Float32Array(0);
    for (const piece of pieces(samples, [1, 30, 400]))
      result = join(result, resampler.push(piece)) as typeof result;
    expect(join(result, resampler.end())).toEqual(expected);
  }
});

test("a tone below both bands stays the tone at another rate", () => {
  const tone = (rate: number) =>
    Float32Array.from({ length: rate / 10 }, (_, i) => Math.sin((2 * Math.PI * 440 * i) / rate));
  const wanted = tone(16_000);
  const got = resample(tone(44_100), 44_100, 16_000);
  for (let i = 100; i < 1500; i++) expect(Math.abs(got[i]! - wanted[i]!)).toBeLessThan(5e-3);
  expect(resample(wanted, 16_000, 16_000)).toBe(wanted);
});

interface WavParts {
  readonly coding?: number;
  readonly bits?: number;
  readonly channels?: number;
  readonly block?: number;
  readonly claims?: number;
  readonly data?: Uint8Array;
}

function wav({
  coding = 1,
  bits = 16,
  channels = 1,
  block,
  claims,
  data = new Uint8Array(8),
}: WavParts): Uint8Array {
  const view = new DataView(new ArrayBuffer(44 + 10 + data.length));
  const text = (at: number, value: string): void => {
    new Uint8Array(view.buffer).set(new TextEncoder().encode(value), at);
  };
  text(0, "RIFF");
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, coding, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, 8000, true);
  view.setUint16(32, block ?? (channels * bits) / 8, true);
  view.setUint16(34, bits, true);
  text(36, "LIST");
  view.setUint32(40, 1, true);
  text(46, "data");
  view.setUint32(50, claims ?? data.length, true);
  new Uint8Array(view.buffer).set(data, 54);
  return new Uint8Array(view.buffer);
}

const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer as ArrayBuffer);

test.each([
  [1, 8, Uint8Array.of(0, 128, 192)],
  [1, 16, bytesOf(Int16Array.of(-32_768, 0, 16_384))],
  [1, 24, Uint8Array.of(0, 0, 128, 0, 0, 0, 0, 0, 64)],
  [1, 32, bytesOf(Int32Array.of(-2_147_483_648, 0, 1_073_741_824))],
  [3, 32, bytesOf(Float32Array.of(-1, 0, 0.5))],
  [3, 64, bytesOf(Float64Array.of(-1, 0, 0.5))],
])("WAV of coding %i with %i bits is decoded", async (coding, bits, data) => {
  const clip = await decodeAudio(wav({ coding, bits, data }));
  expect(clip).toEqual({ channels: [Float32Array.of(-1, 0, 0.5)], sampleRate: 8000 });
});

test("channels are taken apart, mixed and brought to a rate", () => {
  const clip = decodeWav(
    wav({ bits: 32, coding: 3, channels: 2, data: bytesOf(Float32Array.of(1, 0, 0.5, -0.5)) }),
  );
  expect(clip.channels).toEqual([Float32Array.of(1, 0.5), Float32Array.of(0, -0.5)]);
  expect(mono(clip)).toEqual(Float32Array.of(0.5, 0));
  expect(samplesAt(clip, 16_000)).toHaveLength(4);
});

test.each([
  ["cut off in its header", wav({}).subarray(0, 20)],
  ["cut off in its data", wav({}).subarray(0, 58)],
  ["claiming more than there is", wav({ claims: 0xffffffff })],
  ["without data", wav({}).subarray(0, 46)],
  ["of another coding", wav({ coding: 85 })],
  ["of 12 bits", wav({ bits: 12 })],
  ["without channels", wav({ channels: 0 })],
  ["with blocks that are not its samples", wav({ block: 3 })],
  ["with half a sample", wav({ data: new Uint8Array(7) })],
  ["that is none", new Uint8Array(100)],
])("a WAV file %s is refused", (_, file) => {
  expect(codeOf(() => decodeWav(file))).toBe("input");
});

test("what is no sound is refused before it reaches a model", () => {
  const bad = [
    new Float32Array(0),
    Float32Array.of(0, NaN),
    Float32Array.of(Infinity),
    [0, 1],
    new Int16Array(4),
    null,
  ] as unknown as Float32Array[];
  for (const samples of bad) {
    for (const extract of [whisperFeatures, normalizedFeatures, clapFeatures]) {
      expect(codeOf(() => extract(samples))).toBe("input");
    }
  }
  for (const rate of [0, -1, 1.5, NaN]) {
    expect(codeOf(() => new Resampler(rate, 16_000))).toBe("input");
    expect(codeOf(() => { checkRate(rate, 16_000); })).toBe("input"); // prettier-ignore
  }
  expect(codeOf(() => { checkRate(44_100, 16_000); })).toBe("input"); // prettier-ignore
  expect(codeOf(() => mono({ channels: [], sampleRate: 1 }))).toBe("input");
  expect(codeOf(() => mono({ channels: [sound(2), sound(3)], sampleRate: 1 }))).toBe("input");
  expect(codeOf(() => clapFeatures(sound(5), clapSettings(), 1))).toBe("input");
  expect(codeOf(() => new MelFramer(whisperSettings()).end())).toBe("input");
});

test("settings that cannot be computed are refused", () => {
  expect(codeOf(() => whisperSettings("{"))).toBe("model_format");
  expect(codeOf(() => whisperSettings('{"hop_length": "160"}'))).toBe("model_format");
  expect(codeOf(() => clapSettings('{"truncation": "fusion"}'))).toBe("target_unsupported");
  expect(codeOf(() => clapSettings('{"truncation": "rand_trunc", "padding": "mirror"}'))).toBe(
    "model_format",
  );
  for (const change of [{ hop: 300 }, { hop: 0 }, { fftSize: 401 }, { mels: 0 }, { maxFrequency: 9000 }]) {
    expect(codeOf(() => new MelFramer({ ...whisperSettings(), ...change }))).toBe("input");
  }
});

test("where the platform cannot decode or capture, it says so", async () => {
  expect(await rejection(decodeAudio(new Uint8Array(100)))).toBe("unavailable");
  expect(await rejection(captureStream({} as MediaStream))).toBe("unavailable");
  expect(await rejection(openMicrophone())).toBe("unavailable");
  const reason = new Error("enough");
  expect(await rejection(decodeAudio(wav({}), AbortSignal.abort(reason)))).toBe(reason);
  expect(await rejection(openMicrophone({ signal: AbortSignal.abort(reason) }))).toBe(reason);
});

test("a queue gives all there is before it ends, and tells its source when the reader stops", async () => {
  const queue = new SampleQueue(10);
  let closed = 0;
  const reader = queue.read(() => {
    closed++;
    return Promise.resolve();
  });
  const first = reader.next();
  queue.push(sound(3));
  queue.push(sound(2));
  queue.end();
  queue.push(sound(1));
  expect((await first).value).toHaveLength(3);
  expect((await reader.next()).value).toHaveLength(2);
  expect([(await reader.next()).done, closed]).toEqual([true, 1]);
});

test("a queue fails with the reason of an abort, or when nobody reads it", async () => {
  const aborted = new SampleQueue(10);
  const reason = new Error("enough");
  const next = rejection(aborted.read(() => Promise.resolve()).next());
  aborted.fail(reason);
  expect(await next).toBe(reason);
  const full = new SampleQueue(10);
  full.push(sound(11));
  expect(await rejection(full.read(() => Promise.resolve()).next())).toBe("memory_limit");
});
