import { useId, type ReactNode } from "react";

import type { AccelerateResult, ScoredLabel } from "ipfs-accelerate/accelerator";
import { AccelerateError } from "ipfs-accelerate/errors";

import { useSession, type Task } from "./session.tsx";

export function Failure({ error }: { readonly error: unknown }): ReactNode {
  if (error === null || error === undefined) return null;
  const [code, hint] = error instanceof AccelerateError ? [error.code, error.hint] : [null, null];
  return (
    <p className="failure" role="alert">
      {code !== null && <code>{code}</code>} {error instanceof Error ? error.message : JSON.stringify(error)}
      {hint !== null && <span className="hint">{hint}</span>}
    </p>
  );
}

const STAGES = { download: "Downloading", load: "Loading", compile: "Compiling", run: "Running" } as const;

/** How far a task is, or why it ended. */
export function TaskStatus({ task }: { readonly task: Task }): ReactNode {
  const { loadedBytes, totalBytes, stage, name } = task.progress ?? {};
  const isMeasured = loadedBytes !== undefined && totalBytes !== undefined && totalBytes > 0;
  return (
    <div role="status">
      {task.isRunning && (
        <p className="progress">
          <progress {...(isMeasured && { value: loadedBytes, max: totalBytes })} aria-label="Progress" />
          {stage ? STAGES[stage] : "Starting"} {name}
          {isMeasured && ` ${megabytes(loadedBytes)} of ${megabytes(totalBytes)}`}
        </p>
      )}
      <Failure error={task.error} />
    </div>
  );
}

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const duration = (ms: number): string => (ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`);

/** What computed an answer, and how long it took. */
export function Provenance({ result }: { readonly result: AccelerateResult }): ReactNode {
  const { backend, adapter, precision, timings, modelId } = result;
  const load = timings.loadMs > 0 ? `, loaded in ${duration(timings.loadMs)}` : "";
  return (
    <p className="provenance">
      {modelId}, {precision}, on <b>{backend}</b>: {adapter.description}
      {adapter.isSoftware && backend === "webgpu" && <em> (software adapter: a CPU computes)</em>}; ran in{" "}
      <b>{duration(timings.runMs)}</b>
      {load}
    </p>
  );
}

interface FieldProps<T> {
  readonly label: string;
  readonly value: T;
  readonly onChange: (value: T) => void;
}

interface TextProps extends FieldProps<string> {
  readonly hint?: string;
  /** Offered, but not the only ones. */
  readonly offers?: readonly string[];
  readonly rows?: number;
}

export function Text({ label, value, onChange, hint, offers, rows }: TextProps): ReactNode {
  const id = useId();
  const change = ({ target }: { readonly target: { readonly value: string } }): void => {
    onChange(target.value);
  };
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {rows === undefined ? (
        <input id={id} list={`${id}-offers`} value={value} onChange={change} />
      ) : (
        <textarea id={id} rows={rows} value={value} onChange={change} />
      )}
      <datalist id={`${id}-offers`}>
        {offers?.map((offer) => (
          <option key={offer} value={offer} />
        ))}
      </datalist>
      <small>{hint}</small>
    </div>
  );
}

interface ChoiceProps<T> extends FieldProps<T> {
  /** Values with what they are called. */
  readonly options: Readonly<Record<string, string>>;
}

export function Choice<T extends string>({ label, value, onChange, options }: ChoiceProps<T>): ReactNode {
  return (
    <label>
      {label}{" "}
      <select
        value={value}
        onChange={({ target }) => {
          onChange(target.value as T);
        }}
      >
        {Object.entries(options).map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

interface AmountProps extends FieldProps<number> {
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

export function Amount({ label, value, onChange, ...range }: AmountProps): ReactNode {
  return (
    <label>
      {label}{" "}
      <input
        type="number"
        {...range}
        value={value}
        onChange={({ target }) => {
          onChange(Math.max(range.min, target.valueAsNumber || 0));
        }}
      />
    </label>
  );
}

interface FileProps {
  readonly label: string;
  /** Media types, as `image/*`. */
  readonly accept: string;
  readonly onFile: (file: Blob) => void;
}

export function FileField({ label, accept, onFile }: FileProps): ReactNode {
  return (
    <label>
      {label}{" "}
      <input
        type="file"
        accept={accept}
        onChange={({ target }) => {
          const file = target.files?.[0];
          if (file) onFile(file);
        }}
      />
    </label>
  );
}

interface ModelBoxProps {
  /** Values of `model_type` that fit the page. */
  readonly types: readonly string[];
  readonly value: string;
  readonly onChange: (modelId: string) => void;
  readonly hint: string;
}

/** Which model: one that the server offers, or any other folder or address. */
export function ModelBox({ types, value, onChange, hint }: ModelBoxProps): ReactNode {
  const { models } = useSession();
  const offers = models.filter(({ modelType }) => types.includes(modelType)).map(({ id }) => id);
  const isRandom = models.find(({ id }) => id === value)?.seeded === true;
  return (
    <>
      <Text
        label="Model"
        {...{ value, onChange, offers }}
        hint={`${hint} A folder below /models/, or an address.`}
      />
      {isRandom && <p className="warning">Random weights: what this model answers means nothing.</p>}
    </>
  );
}

/** Names with shares of one, the greatest first. */
export function Scores({ items }: { readonly items: readonly ScoredLabel[] }): ReactNode {
  return (
    <ol className="scores">
      {items.map(({ label, score }, i) => (
        <li key={`${i} ${label}`}>
          <span>{label}</span>
          <meter min={0} max={1} value={Math.max(0, score)} aria-hidden />
          <output>{score.toFixed(3)}</output>
        </li>
      ))}
    </ol>
  );
}
