import { useState, type ReactNode } from "react";

import type { AccelerateResult, RunOptions } from "ipfs-accelerate/accelerator";

import { Amount, Choice, ModelBox, Provenance, TaskStatus, Text } from "../parts.tsx";
import { useSession, useTask } from "../session.tsx";

interface Turn {
  readonly prompt: string;
  readonly answer: string;
}

const SETTINGS = [
  { name: "maxNewTokens", label: "New tokens", min: 1, max: 4096, step: 1, value: 64 },
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.1, value: 0.8 },
  { name: "topK", label: "Top k", min: 1, max: 200, step: 1, value: 40 },
  { name: "topP", label: "Top p", min: 0.05, max: 1, step: 0.05, value: 0.95 },
  { name: "seed", label: "Seed", min: 0, max: 1e9, step: 1, value: 0 },
] as const;

const TEMPLATES = {
  "plain text": "{prompt}\n",
  ChatML: "<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n",
  "LLaMA 2": "[INST] {prompt} [/INST]",
} as const;

const FORMS = Object.fromEntries(Object.keys(TEMPLATES).map((name) => [name, name]));

export function ChatPage(): ReactNode {
  const { accelerator, precision } = useSession();
  const task = useTask();
  const [modelId, setModelId] = useState("seeded-llama");
  const [prompt, setPrompt] = useState("The quick brown fox");
  const [template, setTemplate] = useState<keyof typeof TEMPLATES>("plain text");
  const [options, setOptions] = useState<RunOptions>(
    Object.fromEntries(SETTINGS.map(({ name, value }) => [name, value])),
  );
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const [result, setResult] = useState<AccelerateResult | null>(null);

  const send = (): Promise<void> =>
    task.run(async (signal, onProgress) => {
      setResult(null);
      setPrompt("");
      setTurns([...turns, { prompt, answer: "" }]);
      const asText = (turn: Turn): string =>
        TEMPLATES[template].replace("{prompt}", () => turn.prompt) + turn.answer;
      const input = [...turns, { prompt, answer: "" }].map(asText).join("");
      const onText = (piece: string): void => {
        setTurns((all) => [...all.slice(0, -1), { prompt, answer: all.at(-1)!.answer + piece }]);
      };
      setResult(
        await accelerator.accelerate({ modelId, precision, input, options, signal, onProgress, onText }),
      );
    });

  return (
    <div>
      <ModelBox
        types={["llama", "mistral", "qwen2", "qwen3", "t5"]}
        value={modelId}
        onChange={setModelId}
        hint="LLaMA, Mistral, Qwen or T5."
      />
      <fieldset className="settings">
        <legend>Sampling (temperature 0 takes the likeliest token)</legend>
        {SETTINGS.map(({ name, label, min, max, step }) => (
          <Amount
            key={name}
            {...{ label, min, max, step }}
            value={options[name] ?? 0}
            onChange={(amount) => {
              setOptions({ ...options, [name]: amount });
            }}
          />
        ))}
        <Choice label="Prompt form" value={template} onChange={setTemplate} options={FORMS} />
      </fieldset>
      <div className="turns" role="log" aria-live="polite">
        {turns.map((turn, i) => (
          <div key={i}>
            <p className="prompt">{turn.prompt}</p>
            <p className="answer">{turn.answer}</p>
          </div>
        ))}
      </div>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <Text label="Message" rows={2} value={prompt} onChange={setPrompt} />
        <button disabled={task.isRunning || prompt === ""}>Send</button>{" "}
        <button type="button" disabled={!task.isRunning} onClick={task.stop}>
          Stop
        </button>{" "}
        <button
          type="button"
          disabled={task.isRunning || turns.length === 0}
          onClick={() => {
            setTurns([]);
            setResult(null);
          }}
        >
          New conversation
        </button>
      </form>
      <TaskStatus task={task} />
      {result && <Rate result={result} />}
      {result && <Provenance result={result} />}
    </div>
  );
}

function Rate({ result: { output, timings } }: { readonly result: AccelerateResult }): ReactNode {
  if (output.kind !== "text") return <p>This model answers with {output.kind}, not with text.</p>;
  const { promptTokens, generatedTokens, finish } = output.usage;
  return (
    <p className="provenance">
      {generatedTokens} tokens after {promptTokens}:{" "}
      <b>{((1000 * generatedTokens) / timings.runMs).toFixed(1)} tokens/s</b>, the prompt included; ended by{" "}
      {finish === "stop" ? "the model" : "the limit"}
    </p>
  );
}
