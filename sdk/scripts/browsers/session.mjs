import { BROWSERS, findExecutable } from "./browsers.mjs";
import { serve } from "./server.mjs";

export const REALMS = ["page", "worker"];
/** Beyond a test's own limit: a page that cannot even say that time is up hangs. */
const GRACE_MS = 15_000;
const LOAD_LIMIT_MS = 60_000;

/** The results of one realm, built from what it reports. */
class Recorder {
  results = [];
  environment = null;
  #current = null;
  #timer = null;
  #finish;
  done = new Promise((resolve) => {
    this.#finish = resolve;
  });

  #graceMs;

  constructor(graceMs) {
    this.#graceMs = graceMs;
    this.#expectWithin(LOAD_LIMIT_MS, "the tests did not load");
  }

  receive(event) {
    if (event.type === "start") {
      this.#current = event;
      this.#expectWithin(event.timeoutMs + this.#graceMs, "the realm hangs");
    } else if (event.type === "end") {
      this.#current = null;
      this.results.push(event.result);
      this.#expectWithin(LOAD_LIMIT_MS, "no further test started");
    } else {
      this.environment = event.environment;
      this.#stop();
    }
  }

  /** An error that no test reported itself: of the browser, or between tests. */
  fail(reason) {
    const { suite, name } = this.#current ?? { suite: "harness", name: "outside of tests" };
    this.results.push({ suite, name, outcome: "failed", reason, elapsedMs: 0 });
  }

  #expectWithin(ms, reason) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.fail(`${reason} within ${ms} ms`);
      this.#stop();
    }, ms);
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#finish();
  }
}

/**
 * @typedef {{ suite: string, name: string, outcome: string, reason: string | null, elapsedMs: number }} Result
 * @typedef {{ browser: string, realm: string, version?: string, environment?: object, results?: Result[],
 *   mark?: string, skipped?: string }} RunRecord `mark` finds the browser's processes.
 */

/**
 * Runs the bundled tests in a browser, one realm after another, each in a browser of its own.
 *
 * @param {string} name
 * @param {Map<string, unknown>} files
 * @param {{ realms?: string[], filter?: string, graceMs?: number, browsers?: object }} options
 * @returns {Promise<RunRecord[]>} one per realm
 */
export async function runInBrowser(name, files, options = {}) {
  const { realms = REALMS, filter = "", graceMs = GRACE_MS, browsers = BROWSERS } = options;
  const executable = findExecutable(name, browsers);
  if (executable === null) {
    const skipped = `no ${name} at ${browsers[name].executables.join(", ")}`;
    return realms.map((realm) => ({ browser: name, realm, skipped }));
  }
  const records = [];
  for (const realm of realms) {
    const recorder = new Recorder(graceMs);
    let browser;
    const server = await serve(files, (event) => {
      if (event.type === "crash-gpu") browser.crashGpu().catch((error) => recorder.fail(error.message));
      else recorder.receive(event);
    });
    try {
      browser = await browsers[name].start(executable, (text) => recorder.fail(text));
      try {
        await browser.open(`${server.origin}/${realm}.html?filter=${encodeURIComponent(filter)}`);
        await recorder.done;
      } finally {
        await browser.close();
      }
      const { environment, results } = recorder;
      const { version, mark } = browser;
      records.push({ browser: name, version, realm, environment, results, mark });
    } finally {
      await server.close();
    }
  }
  return records;
}
