import { Skipped, takeTests, type BrowserTest } from "./api.ts";

interface TestResult {
  readonly suite: string;
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  readonly reason: string | null;
  readonly elapsedMs: number;
}

type Loaders = Readonly<Record<string, () => Promise<unknown>>>;

async function report(event: Readonly<Record<string, unknown>>): Promise<void> {
  await fetch("/report", { method: "POST", body: JSON.stringify(event) });
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return `thrown: ${String(error)}`;
  // Chromium's stack begins with the message, Firefox's does not hold it.
  const stack = error.stack ?? "";
  return stack.includes(error.message) ? stack : `${error.name}: ${error.message}\n${stack}`;
}

/** Errors that reach no test on their own: the console, the event loop, promises nobody awaits. */
function watchStrayErrors(): { take(): string[] } {
  const stray: string[] = [];
  console.error = (...parts: unknown[]) => {
    stray.push(`console.error: ${parts.map((part) => describeError(part)).join(" ")}`);
  };
  self.addEventListener("error", (event) => {
    stray.push(`uncaught: ${describeError(event.error ?? event.message)}`);
    event.preventDefault();
  });
  self.addEventListener("unhandledrejection", (event) => {
    stray.push(`unhandled rejection: ${describeError(event.reason)}`);
    event.preventDefault();
  });
  return { take: () => stray.splice(0) };
}

/** Lets the event loop turn, for stray errors to surface. */
function turns(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function attempt({ run, timeoutMs }: BrowserTest): Promise<Pick<TestResult, "outcome" | "reason">> {
  const cleanups: (() => Promise<void> | void)[] = [];
  const controller = new AbortController();
  const timeUp = new Promise<never>((_, reject) => {
    controller.signal.addEventListener("abort", () => {
      reject(new Error(`not done within ${timeoutMs} ms`));
    });
  });
  timeUp.catch(() => undefined);
  const timer = setTimeout(() => {
    controller.abort();
  }, timeoutMs);
  const context = {
    signal: controller.signal,
    skip(reason: string): never {
      throw new Skipped(reason);
    },
    cleanup: (action: () => Promise<void> | void) => cleanups.push(action),
  };
  try {
    await Promise.race([Promise.resolve().then(() => run(context)), timeUp]);
    return { outcome: "passed", reason: null };
  } catch (error) {
    if (error instanceof Skipped) return { outcome: "skipped", reason: error.message };
    return { outcome: "failed", reason: describeError(error) };
  } finally {
    clearTimeout(timer);
    for (const action of cleanups.reverse()) await action();
  }
}

async function load(name: string, loader: () => Promise<unknown>): Promise<BrowserTest[]> {
  try {
    await loader();
    return takeTests();
  } catch (error) {
    const run = (): never => {
      throw error;
    };
    return [{ name: `${name} loads`, timeoutMs: 1000, run }];
  }
}

/** Runs the tests of every file whose name contains the filter, and reports each to the server. */
export async function runHere(loaders: Loaders): Promise<void> {
  const stray = watchStrayErrors();
  const filter =
    typeof document === "undefined" ? self.name : (new URLSearchParams(location.search).get("filter") ?? "");
  for (const [suite, loader] of Object.entries(loaders)) {
    for (const test of await load(suite, loader)) {
      const { name, timeoutMs } = test;
      if (!`${suite} › ${name}`.includes(filter)) continue;
      await report({ type: "start", suite, name, timeoutMs });
      const started = performance.now();
      let { outcome, reason } = await attempt(test);
      const elapsedMs = performance.now() - started;
      await turns(5);
      const errors = stray.take();
      if (errors.length > 0) [outcome, reason] = ["failed", [reason, ...errors].filter(Boolean).join("\n")];
      await report({ type: "end", result: { suite, name, outcome, reason, elapsedMs } });
    }
  }
  await turns(200); // browsers tell of unhandled rejections late
  const late = stray.take();
  if (late.length > 0) {
    const result = { suite: "harness", name: "after all tests", outcome: "failed", elapsedMs: 0 };
    await report({ type: "end", result: { ...result, reason: late.join("\n") } });
  }
  const { crossOriginIsolated } = self;
  await report({ type: "done", environment: { userAgent: navigator.userAgent, crossOriginIsolated } });
}
