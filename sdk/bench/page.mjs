import { BROWSERS } from "../scripts/browsers/browsers.mjs";
import { serve } from "../scripts/browsers/server.mjs";

const SILENCE_MS = 200_000;

/** Runs the page to its end; the browser's own errors, silence and the signal end it too, and are its `failure`. */
export async function runPage(executable, browserName, files, interrupted, onEvent) {
  let finish;
  let timer;
  const done = new Promise((resolve) => (finish = resolve));
  const stop = () => finish(`stopped by ${interrupted.reason}`);
  if (interrupted.aborted) stop();
  interrupted.addEventListener("abort", stop, { once: true });
  const expectSoon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => finish(`nothing was heard for ${SILENCE_MS} ms`), SILENCE_MS);
  };
  expectSoon();
  const errors = [];
  const server = await serve(files, (event) => {
    expectSoon();
    onEvent(event);
    if (event.type === "done") finish(null);
    if (event.type === "failed") finish(event.reason);
  });
  let browser;
  try {
    browser = await BROWSERS[browserName].start(executable, (text) => {
      errors.push(text);
      if (text.includes("crashed")) finish(text);
    });
    await browser.open(`${server.origin}/page.html`);
    const failure = await done;
    return { version: browser.version, failure, errors };
  } finally {
    clearTimeout(timer);
    interrupted.removeEventListener("abort", stop);
    await browser?.close();
    await server.close();
  }
}
