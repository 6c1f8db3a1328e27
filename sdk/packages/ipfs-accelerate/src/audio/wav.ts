import { AccelerateError } from "../errors/index.ts";
import type { AudioClip } from "./clip.ts";

interface Format {
  readonly kind: "integer" | "float";
  readonly channels: number;
  readonly sampleRate: number;
  readonly bits: number;
}

const INTEGER = 1;
const FLOAT = 3;
const EXTENSIBLE = 0xfffe;

/** Whether the bytes begin as a WAV file does. */
export function isWav(file: Uint8Array): boolean {
  return textAt(file, 0) === "RIFF" && textAt(file, 8) === "WAVE";
}

/**
 * Decodes integers of 8, 16, 24 or 32 bits and floats of 32 or 64.
 *
 * Source: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", 1991, chapter 3.
 *
 * @throws AccelerateError `input` for a file that is cut off, says something else than it holds, or is of another coding.
 */
export function decodeWav(file: Uint8Array): AudioClip {
  if (!isWav(file)) throw malformed("it does not begin with RIFF and WAVE");
  let format: Format | undefined;
  for (const { name, bytes } of chunksOf(file)) {
    if (name === "fmt ") format = formatOf(bytes);
    if (name === "data") return samplesOf(bytes, format);
  }
  throw malformed("it has no data");
}

function textAt(file: Uint8Array, at: number): string {
  return String.fromCharCode(...file.subarray(at, at + 4));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function* chunksOf(file: Uint8Array): Generator<{ name: string; bytes: Uint8Array }, void, undefined> {
  const view = viewOf(file);
  for (let at = 12; at + 8 <= file.length;) {
    const [name, length] = [textAt(file, at), view.getUint32(at + 4, true)];
    const left = file.length - at - 8;
    if (length > left) throw malformed(`"${name}" claims ${length} bytes where ${left} are left`);
    yield { name, bytes: file.subarray(at + 8, at + 8 + length) };
    at += 8 + length + (length % 2);
  }
}

function formatOf(bytes: Uint8Array): Format {
  if (bytes.length < 16) throw malformed(`its format has ${bytes.length} bytes`);
  const view = viewOf(bytes);
  const stated = view.getUint16(0, true);
  const coding = stated === EXTENSIBLE && bytes.length >= 26 ? view.getUint16(24, true) : stated;
  const channels = view.getUint16(2, true);
  const sampleRate = view.getUint32(4, true);
  const bits = view.getUint16(14, true);
  const isKnown =
    (coding === INTEGER && [8, 16, 24, 32].includes(bits)) || (coding === FLOAT && [32, 64].includes(bits));
  if (!isKnown) throw malformed(`samples of ${bits} bits in coding ${coding} are not known`);
  if (channels === 0 || sampleRate === 0) throw malformed(`it has ${channels} channels at ${sampleRate} Hz`);
  if (view.getUint16(12, true) !== (channels * bits) / 8)
    throw malformed("its blocks are not as long as its samples");
  return { kind: coding === FLOAT ? "float" : "integer", channels, sampleRate, bits };
}

function samplesOf(bytes: Uint8Array, format: Format | undefined): AudioClip {
  if (!format) throw malformed("its data come before their format");
  const { channels, sampleRate, bits } = format;
  const size = bits / 8;
  if (bytes.length % (size * channels) !== 0) throw malformed(`${bytes.length} bytes are no whole samples`);
  const read = readerOf(viewOf(bytes), format);
  const frames = bytes.length / size / channels;
  const decoded = Array.from({ length: channels }, (_, channel) =>
    Float32Array.from({ length: frames }, (__, i) => read((i * channels + channel) * size)),
  );
  return { channels: decoded, sampleRate };
}

function readerOf(view: DataView, { kind, bits }: Format): (at: number) => number {
  if (kind === "float") {
    return bits === 64 ? (at) => view.getFloat64(at, true) : (at) => view.getFloat32(at, true);
  }
  if (bits === 8) return (at) => (view.getUint8(at) - 128) / 128;
  if (bits === 16) return (at) => view.getInt16(at, true) / 32_768;
  if (bits === 32) return (at) => view.getInt32(at, true) / 2_147_483_648;
  return (at) => (view.getInt8(at + 2) * 65_536 + view.getUint16(at, true)) / 8_388_608;
}

function malformed(why: string): AccelerateError {
  return new AccelerateError("input", `not a sound WAV file: ${why}`);
}
