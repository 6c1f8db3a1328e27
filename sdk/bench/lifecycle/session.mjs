// A browser with the page of the lifecycle benchmarks in it.
import { readFileSync } from "node:fs";
import path from "node:path";

import { rolldown } from "rolldown";

import { BROWSERS } from "../../scripts/browsers/browsers.mjs";
import { markedProcesses } from "../../scripts/browsers/processes.mjs";

const STEP_LIMIT_MS = 180_000;

/** The files of the page, by their path on the server. */
export async function bundlePage() {
  const input = { page: path.join(import.meta.dirname, "page.ts") };
  const bundle = await rolldown({ input, platform: "browser", logLevel: "warn" });
  const { output } = await bundle.generate({ format: "esm" });
  await bundle.close();
  const files = new Map(output.map((file) => [`/${file.fileName}`, file.code ?? file.source]));
  const html = '<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>';
  files.set("/page.html", html);
  return files;
}

/** Of every process of the browser; what the kernel shares between them is counted once for each. */
function residentBytes(mark) {
  return markedProcesses(mark).reduce((sum, pid) => {
    const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0;
    return sum + Number(kib) * 1024;
  }, 0);
}

/** Opens a browser with a fresh profile. */
export async function openSession({ browser: name, executable, server }) {
  const errors = [];
  const browser = await BROWSERS[name].start(executable, (text) => errors.push(text));
  server.onCrash = () => browser.crashGpu();

  /** Calls a function of the page. */
  async function step(called, ...args) {
    const list = args.map((value) => JSON.stringify(value)).join(", ");
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`it did not end in ${STEP_LIMIT_MS} ms`)), STEP_LIMIT_MS);
    });
    try {
      return await Promise.race([browser.evaluate(`steps.${called}(${list})`), late]);
    } catch (cause) {
      throw new Error([`${called}: ${cause.message}`, ...errors].join("\n"), { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    version: browser.version,
    residentBytes: () => residentBytes(browser.mark),
    heapBytes: browser.heapBytes,
    step,
    /** Opens the page anew: nothing is left of what ran before but what it stored. */
    async openPage() {
      const loaded = server.nextPage();
      await browser.open(`${server.origin}/page.html`);
      await loaded;
    },
    close: browser.close,
  };
}
