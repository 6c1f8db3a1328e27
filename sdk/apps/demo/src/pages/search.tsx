import { useRef, useState, type ReactNode } from "react";

import type { AccelerateResult, ModelOutput, ScoredLabel } from "ipfs-accelerate/accelerator";

import { ModelBox, Provenance, Scores, TaskStatus, Text } from "../parts.tsx";
import { useSession, useTask } from "../session.tsx";

const SENTENCES = `A cat sleeps on the warm windowsill.
The stock market fell sharply after the announcement.
She plays the violin in a symphony orchestra.
Graphics processors multiply matrices in parallel.
Bake the bread for forty minutes until it is golden.
The spacecraft entered the orbit of Mars this morning.
Heavy rain flooded the streets of the old town.
The team scored twice in the last five minutes.
Vaccines teach the immune system to recognise a virus.
He repaired the engine of his old motorcycle.`;

type Embeddings = Extract<ModelOutput, { kind: "embeddings" }>;

interface Found {
  readonly ranking: readonly ScoredLabel[];
  readonly result: AccelerateResult;
}

export function SearchPage(): ReactNode {
  const { accelerator, precision } = useSession();
  const task = useTask();
  const [modelId, setModelId] = useState("all-MiniLM-L6-v2");
  const [sentences, setSentences] = useState(SENTENCES);
  const [query, setQuery] = useState("computing on a graphics card");
  const [found, setFound] = useState<Found | null>(null);
  const known = useRef({ key: "", vectors: null as Embeddings | null });

  const search = (): Promise<void> =>
    task.run(async (signal, onProgress) => {
      const texts = sentences.split("\n").filter((line) => line.trim() !== "");
      const request = { modelId, precision, signal, onProgress };
      const key = JSON.stringify([modelId, precision, texts]);
      if (known.current.key !== key) {
        const { output } = await accelerator.accelerate({ ...request, input: texts });
        known.current = { key, vectors: embeddingsOf(output) };
      }
      const result = await accelerator.accelerate({ ...request, input: query });
      const wanted = embeddingsOf(result.output).values;
      const ranking = texts.map((label, i) => ({
        label,
        score: cosine(row(known.current.vectors!, i), wanted),
      }));
      setFound({ ranking: ranking.sort((a, b) => b.score - a.score), result });
    });

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void search();
      }}
    >
      <ModelBox
        types={["bert", "roberta", "xlm-roberta", "distilbert", "mpnet"]}
        value={modelId}
        onChange={setModelId}
        hint="An embedding model of the BERT family."
      />
      <Text label="Sentences, one a line" rows={10} value={sentences} onChange={setSentences} />
      <Text label="Query" value={query} onChange={setQuery} />
      <button disabled={task.isRunning || query.trim() === ""}>Search</button>
      <TaskStatus task={task} />
      <div aria-live="polite">
        {found && (
          <>
            <Scores items={found.ranking} />
            <Provenance result={found.result} />
            <p className="provenance">Scores are cosines; the time is that of the query alone.</p>
          </>
        )}
      </div>
    </form>
  );
}

function embeddingsOf(output: ModelOutput): Embeddings {
  if (output.kind === "embeddings") return output;
  throw new Error(`This model answers with ${output.kind}, not with embeddings: choose an embedding model.`);
}

const row = ({ values, shape }: Embeddings, i: number): Float32Array =>
  values.subarray(i * shape[1], (i + 1) * shape[1]);

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

const cosine = (a: Float32Array, b: Float32Array): number => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
