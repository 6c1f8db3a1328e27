export interface FetchProgress {
  readonly loadedBytes: number;
  /** Of the files whose size is known so far. */
  readonly totalBytes: number;
  readonly files: number;
  readonly totalFiles: number;
  /** Since the start, of what came over the network and what was found of earlier downloads. */
  readonly rateBytesPerS: number;
}

interface FileState {
  loaded: number;
  total: number;
  isDone: boolean;
}

interface FileReport {
  readonly onBytes: (bytes: number, totalBytes: number | undefined) => void;
  readonly finish: () => void;
  /** It turned out not to exist. */
  readonly forget: () => void;
}

/** Adds up what the downloads of one model report. */
export class Progress {
  readonly #files = new Map<string, FileState>();
  readonly #now: () => number;
  readonly #started: number;
  readonly #onProgress: ((progress: FetchProgress) => void) | undefined;

  constructor(now: () => number, onProgress?: (progress: FetchProgress) => void) {
    this.#now = now;
    this.#started = now();
    this.#onProgress = onProgress;
  }

  file(name: string): FileReport {
    const state: FileState = { loaded: 0, total: 0, isDone: false };
    this.#files.set(name, state);
    return {
      onBytes: (bytes, totalBytes) => {
        state.loaded += bytes;
        state.total = Math.max(totalBytes ?? 0, state.loaded);
        this.#report();
      },
      finish: () => {
        state.isDone = true;
        state.total = state.loaded;
        this.#report();
      },
      forget: () => {
        this.#files.delete(name);
      },
    };
  }

  #report(): void {
    if (!this.#onProgress) return;
    const files = [...this.#files.values()];
    const loadedBytes = files.reduce((sum, { loaded }) => sum + loaded, 0);
    this.#onProgress({
      loadedBytes,
      totalBytes: files.reduce((sum, { total }) => sum + total, 0),
      files: files.filter(({ isDone }) => isDone).length,
      totalFiles: files.length,
      rateBytesPerS: (loadedBytes / Math.max(this.#now() - this.#started, 1)) * 1000,
    });
  }
}
