/** What a `*.browser.ts` file uses: it registers tests, and they run in a page and in a worker of each browser. */

export interface BrowserTest {
  readonly name: string;
  readonly timeoutMs: number;
  readonly run: (context: TestContext) => Promise<void> | void;
}

interface TestContext {
  /** Aborted when the time of the test is up. */
  readonly signal: AbortSignal;
  /** Ends the test as skipped; the reason is counted and printed. */
  readonly skip: (reason: string) => never;
  /** Called after the test, in reverse order, whatever became of it. */
  readonly cleanup: (action: () => Promise<void> | void) => void;
}

export class Skipped extends Error {}

const registered: BrowserTest[] = [];

export function test(name: string, run: BrowserTest["run"], timeoutMs = 30_000): void {
  registered.push({ name, run, timeoutMs });
}

/** The tests registered since the last call. */
export function takeTests(): BrowserTest[] {
  return registered.splice(0);
}

export function assert(claim: unknown, message: string): asserts claim {
  if (!Boolean(claim)) throw new Error(message);
}

/** Equal as JSON says it: for plain data. */
export function assertEqual(actual: unknown, expected: unknown, what = "value"): void {
  const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (left !== right) throw new Error(`${what}: ${left} is not ${right}`);
}

/** Every element within `absolute + relative · |expected|`; NaN and infinities must be equal. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute = 1e-6, relative = 1e-5 }: { absolute?: number; relative?: number } = {},
): void {
  if (actual.length !== expected.length)
    throw new Error(`${actual.length} elements are not ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    const [got, want] = [actual[i]!, expected[i]!];
    const isClose = Object.is(got, want) || Math.abs(got - want) <= absolute + relative * Math.abs(want);
    if (!isClose) throw new Error(`element ${i} of ${expected.length} is ${got}, not ${want}`);
  }
}

/** WebDriver BiDi has no word for it. */
export function canCrashGpuProcess(): boolean {
  return navigator.userAgent.includes("Chrome");
}

/** Ends the GPU process of the browser, as a fault of a driver does. */
export async function crashGpuProcess(): Promise<void> {
  await fetch("/report", { method: "POST", body: JSON.stringify({ type: "crash-gpu" }) });
}

/** The error of something that must fail. */
export async function errorOf(action: () => unknown): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}
