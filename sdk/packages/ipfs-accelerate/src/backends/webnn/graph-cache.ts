import type { BuiltGraph } from "./partition.ts";

/** Built graphs by the structure of what they compute; the one unused for longest goes first. */
export class GraphCache {
  readonly #graphs = new Map<string, BuiltGraph>();
  readonly #limit: number;
  built = 0;
  reused = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#graphs.size;
  }

  /** A failed build is not kept. */
  async get(key: string, build: () => Promise<BuiltGraph>): Promise<BuiltGraph> {
    const known = this.#graphs.get(key);
    const graph = known ?? (await build());
    if (known) this.reused += 1;
    else this.built += 1;
    this.#graphs.delete(key);
    this.#graphs.set(key, graph);
    const [oldest] = this.#graphs;
    if (oldest && this.#graphs.size > this.#limit) {
      this.#graphs.delete(oldest[0]);
      oldest[1].graph.destroy();
    }
    return graph;
  }
}
