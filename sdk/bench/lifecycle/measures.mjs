// What is measured of a model's life, and what it must reach.
import { openSession } from "./session.mjs";

/** Runs the two sides in turns: `ours` and `theirs` give milliseconds. */
async function interleaved(samples, ours, theirs) {
  const pairs = { ours: [], theirs: [] };
  for (let i = 0; i < samples; i++) {
    pairs.ours.push(await ours(i));
    pairs.theirs.push(await theirs(i));
  }
  return pairs;
}

async function inSession(context, body) {
  const session = await openSession(context);
  try {
    await session.openPage();
    return await body(session);
  } finally {
    await session.close();
  }
}

const place = ({ backend, rate }, storage) => ({
  models: rate === undefined ? "/models/" : `/limited/${rate}/models/`,
  storage,
  backend,
});

/** A sharded model on the device: six connections at once beside one after another. */
export function shards(context) {
  const { samples, rate } = context;
  return inSession(context, (session) => {
    const load = (parallel) => (i) =>
      session.step("loadShards", place({ backend: "webgpu", rate }, `shards-${parallel}-${i}`), parallel);
    return interleaved(samples, load(6), load(1));
  });
}

/** The first answer of the MiniLM: kept in OPFS beside fetched; the page is new each time. */
export function warmStart(context) {
  const { samples } = context;
  return inSession(context, async (session) => {
    const start = async (storage) => {
      await session.openPage();
      return session.step("firstResult", place(context, storage), "minilm");
    };
    await start("kept");
    return interleaved(
      samples,
      () => start("kept"),
      (i) => start(`fresh-${i}`),
    );
  });
}

/** The first inference of the MiniLM: kernels of an earlier run compiled before it, or not; the browser is new each time. */
export async function warmUp(context) {
  const { samples } = context;
  const run = (sources) =>
    inSession(context, (session) => session.step("firstRun", place(context, "none"), "minilm", sources));
  const { sources } = await run([]);
  const warmUps = [];
  const warm = async () => {
    const { firstMs, warmUpMs } = await run(sources);
    warmUps.push(warmUpMs);
    return firstMs;
  };
  const pairs = await interleaved(samples, warm, async () => (await run([])).firstMs);
  const most = Math.max(...warmUps);
  return { ...pairs, note: `compiling ${sources.length} kernels before took at most ${most.toFixed(0)} ms` };
}

/** From the end of the GPU process until the MiniLM is back from OPFS; the browser is new each time. */
export async function restore(context) {
  const times = [];
  for (let i = 0; i < context.samples; i++) {
    const found = await inSession(context, (session) =>
      session.step("restore", place(context, "kept"), "minilm"),
    );
    const isRight = found.isAnswerEqual && found.restores === 1 && found.states.join() === "restoring,ready";
    if (!isRight) throw new Error(`it was not restored as it should be: ${JSON.stringify(found)}`);
    times.push(found.sinceCrashMs);
  }
  return { times };
}

const SETTLE_CYCLES = 20;
const READINGS = 10;

/** Loads, runs and lets go of a small model again and again, and reads what is held in between. */
export function growth(context) {
  const { cycles } = context;
  return inSession(context, async (session) => {
    const run = async (times) => {
      const held = await session.step("cycle", place(context, "kept"), "small", times);
      const heapBytes = await session.heapBytes();
      return { ...held, heapBytes, residentBytes: session.residentBytes() };
    };
    await run(SETTLE_CYCLES);
    const readings = [await run(1)];
    for (let i = 0; i < READINGS; i++) readings.push(await run(cycles / READINGS));
    return { readings };
  });
}
