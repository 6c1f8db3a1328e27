import { useEffect, useState, type ReactNode } from "react";

import type { WebGPUBackend, TuningResult } from "ipfs-accelerate/backends/webgpu";
import { openWebGPU, tune } from "ipfs-accelerate/backends/webgpu";

import { Amount, Choice, Failure, TaskStatus } from "../parts.tsx";
import { useTask } from "../session.tsx";
import { inspect, PRESETS, type Inspection } from "../workbench.ts";

const NAMES = Object.fromEntries(Object.keys(PRESETS).map((name) => [name, name]));

export function KernelsPage(): ReactNode {
  const task = useTask();
  const [backend, setBackend] = useState<WebGPUBackend | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [name, setName] = useState(Object.keys(PRESETS)[0]!);
  const preset = PRESETS[name]!;
  const [extents, setExtents] = useState(Object.values(preset.extents));
  const [tuned, setTuned] = useState<Readonly<Record<string, TuningResult>>>({});
  useEffect(() => {
    const opening = openWebGPU();
    opening.then(setBackend, setFailure);
    return () => {
      void opening.then(
        (opened) => {
          opened.dispose();
        },
        () => undefined,
      );
    };
  }, []);
  if (failure !== null) return <Failure error={failure} />;
  if (!backend) return <p role="status">Opening and proving WebGPU…</p>;

  const { description, isSoftware } = backend.adapter;
  const inspection = tried(() => inspect(backend, preset, extents));
  const run = (): Promise<void> =>
    task.run(async (signal) => {
      if (inspection instanceof Error) return;
      const results = await tune(backend, inspection.calls, { signal, rounds: 5 });
      setTuned((before) => ({ ...before, ...Object.fromEntries(results.map((one) => [one.key, one])) }));
    });

  return (
    <div>
      <p>
        {description}
        {isSoftware && <em> (software adapter: a CPU computes)</em>}; features:{" "}
        {backend.features.join(", ") || "none"}
      </p>
      <div className="settings">
        <Choice
          label="Operations"
          value={name}
          options={NAMES}
          onChange={(chosen) => {
            setName(chosen);
            setExtents(Object.values(PRESETS[chosen]!.extents));
          }}
        />
        {Object.keys(preset.extents).map((extent, i) => (
          <Amount
            key={extent}
            label={extent}
            min={1}
            max={4096}
            step={1}
            value={extents[i]!}
            onChange={(amount) => {
              setExtents(extents.map((old, at) => (at === i ? Math.trunc(amount) : old)));
            }}
          />
        ))}
      </div>
      <pre>{preset.code}</pre>
      {inspection instanceof Error ? <Failure error={inspection} /> : <Plan inspection={inspection} />}
      <h3>Tuning</h3>
      <button disabled={task.isRunning || inspection instanceof Error} onClick={() => void run()}>
        Tune
      </button>{" "}
      <TaskStatus task={task} />
      <div aria-live="polite">
        {Object.values(tuned).map((result) => (
          <Candidates key={result.key} result={result} />
        ))}
      </div>
    </div>
  );
}

function tried<T>(body: () => T): T | Error {
  try {
    return body();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function Plan({ inspection: { recorded, explanation } }: { readonly inspection: Inspection }): ReactNode {
  const { steps, savedBytes, unfused, hash } = explanation;
  return (
    <>
      <h3>Plan {hash}</h3>
      <div className="plans">
        <div>
          <h4>Recorded: {recorded.length}</h4>
          <ol>
            {recorded.map((text, i) => (
              <li key={i}>{text}</li>
            ))}
          </ol>
        </div>
        <div>
          <h4>
            Run: {steps.length}, {(savedBytes / 1024).toFixed(0)} KiB never written
          </h4>
          <ol>
            {steps.map(({ label, inputs, outputs }, i) => (
              <li key={i}>
                <b>{label}</b> {inputs.join(" ")} → {outputs.join(" ")}
              </li>
            ))}
          </ol>
        </div>
      </div>
      {unfused.map(({ producer, consumer, reason }, i) => (
        <p key={i}>
          Not fused: {producer} → {consumer}: {reason}
        </p>
      ))}
      {steps.map(({ label, source }, i) => (
        <details key={i} className="wgsl">
          <summary>WGSL of {label}</summary>
          <pre>{source}</pre>
        </details>
      ))}
    </>
  );
}

function Candidates({ result: { key, choice, elapsedMs } }: { readonly result: TuningResult }): ReactNode {
  const ranked = Object.entries(elapsedMs).sort(([, a], [, b]) => a - b);
  const slowest = ranked.at(-1)![1];
  return (
    <table className="candidates">
      <caption>{key}: the least of five rounds</caption>
      <tbody>
        {ranked.map(([name, ms]) => (
          <tr key={name}>
            <th scope="row">{name === choice ? <b>{name} ✓</b> : name}</th>
            <td>
              <meter min={0} max={slowest} value={ms} aria-hidden />
            </td>
            <td>{ms.toFixed(3)} ms</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
