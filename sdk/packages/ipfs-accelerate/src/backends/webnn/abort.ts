/** The work, or the reason of the signal when that aborts first; the work goes on. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  work.catch(() => undefined);
  signal.throwIfAborted();
  const end = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const stop = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", stop, { signal: end.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    end.abort();
  }
}
