import type { Contestant, Place } from "./contestant.ts";
import { Unable } from "./contestant.ts";
import { disagreement, warmUp } from "./measure.ts";
import type { Peer } from "./peer.ts";
import type { Values } from "./values.ts";

/** Theirs, and which of its forms that is. */
export interface Chosen {
  readonly contestant: Contestant;
  readonly form: string;
  /** What became of every form: its time, or why it has none. */
  readonly forms: Readonly<Record<string, string>>;
}

async function fetchBytes(path: string): Promise<Uint8Array> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The best of the forms in which the peer is given a model: the one that is right and soonest done. */
export async function bestForm(
  peer: Peer,
  files: readonly string[],
  values: Values,
  place: Place,
  tolerance: number,
): Promise<Chosen> {
  const forms: Record<string, string> = {};
  let best:
    { readonly contestant: Contestant; readonly form: string; readonly elapsedMs: number } | undefined;
  for (const file of files) {
    const form = file.split(".")[1] ?? "standard";
    let contestant: Contestant | undefined;
    try {
      contestant = await peer.contestant(
        await peer.open(await fetchBytes(`/models/${file}.onnx`), place),
        values,
        place,
      );
      const wrong = disagreement(await contestant.result(), values.expected, tolerance);
      if (wrong !== null) throw new Unable(`theirs: ${wrong}`);
      const elapsedMs = files.length === 1 ? 0 : await warmUp(contestant);
      forms[form] = `${elapsedMs.toFixed(2)} ms`;
      if (best && best.elapsedMs <= elapsedMs) {
        await contestant.dispose();
        continue;
      }
      await best?.contestant.dispose();
      best = { contestant, form, elapsedMs };
    } catch (error) {
      await contestant?.dispose();
      forms[form] = error instanceof Error ? error.message : String(error);
    }
  }
  if (!best) throw new Unable(Object.values(forms).join("; "));
  return { contestant: best.contestant, form: best.form, forms };
}
