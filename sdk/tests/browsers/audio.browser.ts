import {
  captureStream,
  decodeAudio,
  decodeWav,
  openMicrophone,
  samplesAt,
  type SampleStream,
} from "../../packages/ipfs-accelerate/src/audio/index.ts";
import { openWasm } from "../../packages/ipfs-accelerate/src/backends/wasm/index.ts";
import { AccelerateError } from "../../packages/ipfs-accelerate/src/errors/index.ts";
import { Whisper, type TranscriptSegment } from "../../packages/ipfs-accelerate/src/models/whisper.ts";
import { OpSet } from "../../packages/ipfs-accelerate/src/ops/index.ts";
import { openReference, type ReadFile } from "../../packages/ipfs-accelerate/src/testing/references/index.ts";
import { assert, assertClose, assertEqual, errorOf, test, type BrowserTest } from "./page/api.ts";

type Context = Parameters<BrowserTest["run"]>[0];

const HERTZ = 440;
const noPage = "a worker has neither microphone nor AudioContext";

function pageTest(name: string, run: (context: Context) => Promise<void>): void {
  test(name, async (context) => {
    if (typeof document === "undefined") context.skip(noPage);
    await run(context);
  });
}

const START_LIMIT_MS = 5000;
let running: Promise<boolean> | undefined;

/** Firefox starts no AudioContext where the machine has no audio device; Chromium then has one of its own. */
async function mustHear({ skip }: Context): Promise<void> {
  running ??= (async (): Promise<boolean> => {
    const context = new AudioContext();
    const limit = new Promise<void>((resolve) => setTimeout(resolve, START_LIMIT_MS));
    await Promise.race([context.resume(), limit]);
    const isRunning = context.state === "running";
    await context.close();
    return isRunning;
  })();
  const isFirefox = navigator.userAgent.includes("Firefox");
  if (isFirefox && !(await running)) skip("no audio device: AudioContext does not start");
}

/** A tone that comes as a microphone's sound does, for as long as the test runs. */
async function tone(about: Context): Promise<MediaStream> {
  await mustHear(about);
  const context = new AudioContext();
  about.cleanup(() => context.close());
  const oscillator = new OscillatorNode(context, { frequency: HERTZ });
  const destination = context.createMediaStreamDestination();
  oscillator.connect(destination);
  oscillator.start();
  await context.resume();
  return destination.stream;
}

/** Every context and granted stream of the test. */
function watchPlatform({ cleanup }: Context): { contexts: AudioContext[]; granted: MediaStream[] } {
  const [contexts, granted]: [AudioContext[], MediaStream[]] = [[], []];
  const { AudioContext: Original } = globalThis;
  globalThis.AudioContext = class extends Original {
    constructor(options?: AudioContextOptions) {
      super(options);
      contexts.push(this);
    }
  };
  const { mediaDevices } = navigator;
  const ask = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async (constraints): Promise<MediaStream> => {
    granted.push(await ask(constraints));
    return granted.at(-1)!;
  };
  cleanup(() => {
    globalThis.AudioContext = Original;
    Reflect.deleteProperty(mediaDevices, "getUserMedia");
  });
  return { contexts, granted };
}

/** So many samples in which there is sound. */
async function take({ chunks }: SampleStream, count: number): Promise<Float32Array> {
  const taken: number[] = [];
  for await (const chunk of chunks) {
    const isSilent = taken.length === 0 && chunk.every((sample) => Math.abs(sample) < 1e-4);
    if (!isSilent) taken.push(...chunk);
    if (taken.length >= count) break;
  }
  return Float32Array.from(taken.slice(-count));
}

/** The loudest frequency to 1 Hz: of a Hann window against each candidate. */
function loudest(samples: Float32Array, sampleRate: number): number {
  let best = { hertz: 0, power: 0 };
  for (let hertz = 20; hertz <= 1000; hertz++) {
    let [re, im] = [0, 0];
    samples.forEach((sample, i) => {
      const weight = sample * Math.sin((Math.PI * i) / samples.length) ** 2;
      re += weight * Math.cos((2 * Math.PI * hertz * i) / sampleRate);
      im += weight * Math.sin((2 * Math.PI * hertz * i) / sampleRate);
    });
    const power = re * re + im * im;
    if (power > best.power) best = { hertz, power };
  }
  return best.hertz;
}

function assertTone(samples: Float32Array, sampleRate: number): void {
  const hertz = loudest(samples, sampleRate);
  assert(Math.abs(hertz - HERTZ) <= 2, `the tone is heard at ${hertz} Hz, not at ${HERTZ}`);
}

pageTest("a stream is heard in chunks at its rate, and a reader who leaves closes it", async (context) => {
  const media = await tone(context);
  const { contexts } = watchPlatform(context);
  const stream = await captureStream(media, { signal: context.signal });
  assertEqual(stream.sampleRate, contexts[0]!.sampleRate, "rate");
  assertTone(await take(stream, 8192), stream.sampleRate);
  assertEqual([contexts.length, contexts[0]!.state], [1, "closed"]);
  assertEqual(
    media.getTracks().map(({ readyState }) => readyState),
    ["live"],
    "tracks of the caller",
  );
});

pageTest("a stream whose tracks end is read to its end", async (context) => {
  const media = await tone(context);
  const { contexts } = watchPlatform(context);
  const stream = await captureStream(media, { signal: context.signal });
  let samples = 0;
  for await (const chunk of stream.chunks) {
    samples += chunk.length;
    const [track] = media.getAudioTracks();
    track!.stop();
    track!.dispatchEvent(new Event("ended")); // comes by itself where a device is unplugged
  }
  assert(samples >= 2048, `${samples} samples`);
  assertEqual(contexts[0]!.state, "closed");
});

pageTest("the microphone is heard, and let go when its reader leaves", async (context) => {
  await mustHear(context);
  const { contexts, granted } = watchPlatform(context);
  const stream = await openMicrophone({ signal: context.signal });
  const samples = await take(stream, 4096);
  assert(
    samples.some((sample) => Math.abs(sample) > 1e-3),
    "silence",
  );
  assertEqual(
    granted[0]!.getTracks().map(({ readyState }) => readyState),
    ["ended"],
  );
  assertEqual(contexts[0]!.state, "closed");
});

for (const isRead of [true, false]) {
  pageTest(
    `an abort lets the microphone go${isRead ? "" : ", also when nobody reads it"}`,
    async (context) => {
      const { contexts, granted } = watchPlatform(context);
      const stop = new AbortController();
      const reason = new Error("enough");
      const stream = await openMicrophone({ signal: stop.signal });
      const reading = isRead ? errorOf(() => take(stream, Infinity)) : undefined;
      stop.abort(reason);
      assertEqual(
        granted[0]!.getTracks().map(({ readyState }) => readyState),
        ["ended"],
      );
      await stream.close();
      assertEqual(contexts[0]!.state, "closed");
      assert((await (reading ?? errorOf(() => take(stream, 1)))) === reason, "another reason");
    },
  );
}

pageTest(
  "an abort does not wait for the user's answer, and what is granted after it is let go",
  async (context) => {
    const { granted, contexts } = watchPlatform(context);
    const stop = new AbortController();
    const reason = new Error("enough");
    const asked = errorOf(() => openMicrophone({ signal: stop.signal }));
    stop.abort(reason);
    assert((await asked) === reason, "another reason");
    assertEqual([granted.length, contexts.length], [0, 0]);
    while (granted[0]?.getTracks()[0]?.readyState !== "ended") await turnOfEventLoop(context.signal);
  },
);

function turnOfEventLoop(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve) => setTimeout(resolve));
}

pageTest("a microphone that is forbidden or not there is a typed error", async (context) => {
  const frame = document.createElement("iframe");
  frame.allow = "microphone 'none'";
  document.body.append(frame);
  const forbidden = frame.contentWindow!.navigator.mediaDevices;
  context.cleanup(() => {
    Reflect.deleteProperty(navigator, "mediaDevices");
    frame.remove();
  });
  Object.defineProperty(navigator, "mediaDevices", { value: forbidden, configurable: true });
  const refused = await errorOf(() => openMicrophone());
  assert(refused instanceof AccelerateError && refused.code === "device_unavailable", String(refused));
  assert(refused.message.includes("NotAllowedError"), refused.message);
  Reflect.deleteProperty(navigator, "mediaDevices");
  const constraints = { deviceId: { exact: "nowhere" } };
  const absent = await errorOf(() => openMicrophone({ constraints }));
  assert(absent instanceof AccelerateError && absent.code === "device_unavailable", String(absent));
});

pageTest("what has no sound is refused", async () => {
  const error = await errorOf(() => captureStream(new MediaStream()));
  assert(error instanceof AccelerateError && error.code === "input", String(error));
});

/** Two channels of 16 bits: a tone, and the same at half the height. */
function wavFile(sampleRate: number, frames: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(44 + 4 * frames));
  const header = new TextEncoder().encode("RIFF....WAVEfmt ....................data");
  new Uint8Array(view.buffer).set(header);
  const words = [[4, 36 + 4 * frames], [16, 16], [24, sampleRate], [28, 4 * sampleRate], [40, 4 * frames]]; // prettier-ignore
  for (const [at, value] of words) view.setUint32(at!, value!, true);
  const halves = [[20, 1], [22, 2], [32, 4], [34, 16]]; // prettier-ignore
  for (const [at, value] of halves) view.setUint16(at!, value!, true);
  for (let i = 0; i < frames; i++) {
    const sample = Math.round(30_000 * Math.sin((2 * Math.PI * HERTZ * i) / sampleRate));
    view.setInt16(44 + 4 * i, sample, true);
    view.setInt16(46 + 4 * i, Math.round(sample / 2), true);
  }
  return new Uint8Array(view.buffer);
}

pageTest("a WAV file is decoded as the browser decodes it", async () => {
  const file = wavFile(22_050, 5000);
  const blob = new Blob([file], { type: "audio/wav" });
  const ours = await decodeAudio(new Uint8Array(await blob.arrayBuffer()));
  assertEqual([ours.sampleRate, ours.channels.length], [22_050, 2]);
  const theirs = await new OfflineAudioContext(2, 1, 22_050).decodeAudioData(file.slice().buffer);
  ours.channels.forEach((channel, i) => {
    assertClose(channel, theirs.getChannelData(i), { absolute: 1e-4, relative: 0 });
    assertClose(channel, decodeWav(file).channels[i]!, { absolute: 0, relative: 0 });
  });
});

/** What the browser's own recorder makes of so many pieces of 100 ms. */
function record(media: MediaStream, pieces: number): Promise<Blob> {
  const recorder = new MediaRecorder(media);
  const parts: Blob[] = [];
  return new Promise((resolve) => {
    recorder.ondataavailable = ({ data }): void => {
      parts.push(data);
      if (parts.length === pieces) recorder.stop();
    };
    recorder.onstop = (): void => {
      resolve(new Blob(parts));
    };
    recorder.start(100);
  });
}

pageTest("compressed sound is decoded by the browser, and bytes of no kind are refused", async (context) => {
  const recorded = await record(await tone(context), 12);
  const file = new Uint8Array(await recorded.arrayBuffer());
  const clip = await decodeAudio(file);
  const samples = samplesAt(clip, 16_000);
  assert(samples.length > 8000, `${samples.length} samples of ${file.length} bytes`);
  assertTone(samples.slice(2000, 6096), 16_000);
  const error = await errorOf(() => decodeAudio(new Uint8Array(500).fill(7)));
  assert(error instanceof AccelerateError && error.code === "input", String(error));
});

const read: ReadFile = async (path) => {
  const answer = await fetch(`/references/${path}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
};

pageTest("speech is transcribed while it comes, until an abort", async (context) => {
  const reference = await openReference("whisper", read).catch(() => undefined);
  if (!reference) return context.skip("no Python with torch; name one in PYTHON");
  const { contexts } = watchPlatform(context);
  const backend = await openWasm({ threads: 1 });
  const model = await Whisper.load(reference.checkpoint, { ops: new OpSet(backend) });
  const loaded = backend.memory.storages;
  const stop = new AbortController();
  const reason = new Error("enough");
  const stream = await captureStream(await tone(context));
  const segments: TranscriptSegment[] = [];
  const error = await errorOf(async () => {
    const live = {
      language: "en",
      stepSeconds: 0.3,
      maxNewTokens: 5,
      detokenize: String,
      signal: stop.signal,
    };
    for await (const segment of model.transcribeStream(stream, live)) {
      segments.push(segment);
      if (segment.isFinal) stop.abort(reason);
    }
  });
  assert(error === reason, String(error));
  const last = segments.at(-1)!;
  assert(segments.length > 1 && !segments[0]!.isFinal, "nothing was said before the window was full");
  assertEqual([last.startSeconds, last.endSeconds, last.isFinal], [0, model.features.seconds, true]);
  assert(
    segments.every(({ ids }) => ids.length > 0),
    "a segment without ids",
  );
  assertEqual(contexts.map(({ state }) => state).sort(), ["closed", "running"]);
  assertEqual(backend.memory.storages, loaded, "storages");
  model.dispose();
  backend.dispose();
});
