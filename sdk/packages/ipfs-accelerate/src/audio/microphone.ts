import { AccelerateError } from "../errors/index.ts";
import { SampleQueue } from "./queue.ts";

/** Sound as it comes, one channel. */
export interface SampleStream {
  readonly sampleRate: number;
  /** Read once; ends after `close()`, fails with the reason of the signal. */
  readonly chunks: AsyncIterable<Float32Array>;
  close(): Promise<void>;
}

export interface CaptureOptions {
  readonly signal?: AbortSignal;
  /** Seconds that may wait for a reader who is slow; more is a `memory_limit` error. */
  readonly maxWaitingSeconds?: number;
}

const NAME = "ipfs-accelerate-capture";

/** Collects 2,048 samples of the mean of all channels, then hands them over. */
const PROCESSOR = `registerProcessor("${NAME}", class extends AudioWorkletProcessor {
  chunk = new Float32Array(2048);
  filled = 0;
  process([channels]) {
    if (channels.length === 0) return true;
    for (let i = 0; i < channels[0].length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.chunk[this.filled++] = sum / channels.length;
      if (this.filled === this.chunk.length) {
        this.port.postMessage(this.chunk, [this.chunk.buffer]);
        this.chunk = new Float32Array(2048);
        this.filled = 0;
      }
    }
    return true;
  }
});`;

/**
 * Asks for the microphone and listens.
 *
 * @throws AccelerateError `device_unavailable` when there is none, or the user refuses; `unavailable` outside a secure page.
 */
export async function openMicrophone(
  options: CaptureOptions & { readonly constraints?: MediaTrackConstraints } = {},
): Promise<SampleStream> {
  options.signal?.throwIfAborted();
  // Absent outside secure pages, whatever the types say.
  const devices = (globalThis.navigator as Partial<Navigator> | undefined)?.mediaDevices;
  if (!devices) throw new AccelerateError("unavailable", "there is no microphone outside a secure page");
  let media: MediaStream;
  try {
    media = await devices.getUserMedia({ audio: options.constraints ?? true });
  } catch (cause) {
    throw new AccelerateError("device_unavailable", `the microphone cannot be used: ${String(cause)}`, {
      cause,
    });
  }
  const stop = (): void => {
    for (const track of media.getTracks()) track.stop();
  };
  try {
    const stream = await captureStream(media, options);
    return {
      ...stream,
      close: () => {
        stop();
        return stream.close();
      },
      chunks: untilDone(stream.chunks, stop),
    };
  } catch (error) {
    stop();
    throw error;
  }
}

async function* untilDone(
  chunks: AsyncIterable<Float32Array>,
  after: () => void,
): AsyncGenerator<Float32Array, void, undefined> {
  try {
    yield* chunks;
  } finally {
    after();
  }
}

/**
 * Listens to a stream of a page: a microphone, a tab, a call. Its tracks stay the caller's.
 *
 * @throws AccelerateError `unavailable` where there is no AudioWorklet, as in workers.
 */
export async function captureStream(media: MediaStream, options: CaptureOptions = {}): Promise<SampleStream> {
  const { signal, maxWaitingSeconds = 60 } = options;
  signal?.throwIfAborted();
  if (typeof AudioWorkletNode === "undefined") {
    throw new AccelerateError("unavailable", "sound can be captured only in a page with AudioWorklet");
  }
  const context = new AudioContext();
  const queue = new SampleQueue(maxWaitingSeconds * context.sampleRate);
  const close = async (): Promise<void> => {
    signal?.removeEventListener("abort", abort);
    queue.end();
    if (context.state !== "closed") await context.close();
  };
  const abort = (): void => {
    queue.fail(signal?.reason);
    void close();
  };
  try {
    await addProcessor(context);
    signal?.throwIfAborted();
    const node = new AudioWorkletNode(context, NAME);
    node.port.onmessage = ({ data }: MessageEvent<Float32Array>) => {
      queue.push(data);
    };
    context.createMediaStreamSource(media).connect(node).connect(context.destination);
    signal?.addEventListener("abort", abort, { once: true });
    void context.resume();
  } catch (error) {
    await close();
    throw error;
  }
  return { sampleRate: context.sampleRate, chunks: queue.read(close), close };
}

async function addProcessor(context: AudioContext): Promise<void> {
  const url = URL.createObjectURL(new Blob([PROCESSOR], { type: "text/javascript" }));
  try {
    await context.audioWorklet.addModule(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
