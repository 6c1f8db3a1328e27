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
 * Asks for the microphone and listens; it is let go when the stream ends, for whatever reason.
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
  const media = await granted(devices.getUserMedia({ audio: options.constraints ?? true }), options.signal);
  return capture(media, options, () => {
    stop(media);
  });
}

function stop(media: MediaStream): void {
  for (const track of media.getTracks()) track.stop();
}

/** The user may take long to answer: an abort does not wait for it, and what is granted after one is let go. */
async function granted(asked: Promise<MediaStream>, signal: AbortSignal | undefined): Promise<MediaStream> {
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = (): void => {
      reject(signal?.reason as Error);
    };
  });
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([asked, aborted]);
  } catch (cause) {
    void asked.then(stop, () => undefined);
    signal?.throwIfAborted();
    throw new AccelerateError("device_unavailable", `the microphone cannot be used: ${String(cause)}`, {
      cause,
    });
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * Listens to a stream of a page: a microphone, a tab, a call. Its tracks stay the caller's; where they end, so does the sound.
 *
 * @throws AccelerateError `unavailable` where there is no AudioWorklet, as in workers; `input` for a stream without sound.
 */
export function captureStream(media: MediaStream, options: CaptureOptions = {}): Promise<SampleStream> {
  return capture(media, options, () => undefined);
}

async function capture(
  media: MediaStream,
  { signal, maxWaitingSeconds = 60 }: CaptureOptions,
  release: () => void,
): Promise<SampleStream> {
  let listening: Listening | undefined;
  try {
    signal?.throwIfAborted();
    if (typeof AudioWorkletNode === "undefined") {
      throw new AccelerateError("unavailable", "sound can be captured only in a page with AudioWorklet");
    }
    if (media.getAudioTracks().length === 0) throw new AccelerateError("input", "the stream has no sound");
    listening = new Listening(media, maxWaitingSeconds, release);
    await listening.start(signal);
    return listening;
  } catch (error) {
    if (listening) await listening.close();
    else release();
    throw error;
  }
}

/** A context that hands on what it hears, until it is closed. */
class Listening implements SampleStream {
  readonly sampleRate: number;
  readonly chunks: AsyncIterable<Float32Array>;
  readonly #media: MediaStream;
  readonly #context = new AudioContext();
  readonly #queue: SampleQueue;
  /** Taken off again when it is closed. */
  readonly #listeners = new AbortController();
  readonly #release: () => void;
  #closing: Promise<void> | undefined;

  constructor(media: MediaStream, maxWaitingSeconds: number, release: () => void) {
    this.#media = media;
    this.#release = release;
    this.sampleRate = this.#context.sampleRate;
    this.#queue = new SampleQueue(maxWaitingSeconds * this.sampleRate);
    this.chunks = this.#queue.read(() => this.close());
  }

  async start(signal: AbortSignal | undefined): Promise<void> {
    await addProcessor(this.#context);
    signal?.throwIfAborted();
    const node = new AudioWorkletNode(this.#context, NAME);
    node.port.onmessage = ({ data }: MessageEvent<Float32Array>): void => {
      this.#queue.push(data);
    };
    this.#context.createMediaStreamSource(this.#media).connect(node).connect(this.#context.destination);
    const on = { signal: this.#listeners.signal };
    const abort = (): void => {
      this.#queue.fail(signal?.reason);
      void this.close();
    };
    const end = (): void => {
      if (this.#media.getAudioTracks().every(({ readyState }) => readyState === "ended")) void this.close();
    };
    signal?.addEventListener("abort", abort, on);
    for (const track of this.#media.getAudioTracks()) track.addEventListener("ended", end, on);
    void this.#context.resume();
  }

  close(): Promise<void> {
    this.#listeners.abort();
    this.#queue.end();
    this.#release();
    return (this.#closing ??= this.#context.close());
  }
}

async function addProcessor(context: AudioContext): Promise<void> {
  const url = URL.createObjectURL(new Blob([PROCESSOR], { type: "text/javascript" }));
  try {
    await context.audioWorklet.addModule(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
