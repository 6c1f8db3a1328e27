import { useEffect, useState, type ReactNode } from "react";

import { createHardwareAbstraction, type BackendAttempt } from "ipfs-accelerate/accelerator";

import { Failure } from "../parts.tsx";

interface Limits {
  readonly dataTypes?: readonly string[];
  readonly rankRange?: { readonly min: number; readonly max: number };
}

type SupportLimits = Readonly<Record<string, Readonly<Record<string, Limits>>>>;

interface Context {
  opSupportLimits(): SupportLimits;
  destroy?(): void;
}

const DEVICES = ["cpu", "gpu", "npu"] as const;

/** What this browser says of one kind of device. */
interface Found {
  readonly device: string;
  readonly reason: string | null;
  readonly limits: SupportLimits | null;
}

export function WebNNPage(): ReactNode {
  const [attempt, setAttempt] = useState<BackendAttempt | null>(null);
  const [found, setFound] = useState<readonly Found[]>([]);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    Promise.all(DEVICES.map(ask)).then(setFound, setError);
    prove().then(setAttempt, setError);
  }, []);
  const limits = found.find((one) => one.limits)?.limits;
  return (
    <div aria-live="polite">
      <p>
        WebNN hands whole graphs to the operating system: to its neural processor, GPU or CPU. The SDK uses it
        only after a known-answer test.
      </p>
      <Failure error={error} />
      <h3>Known-answer test</h3>
      {attempt ? (
        <p>
          <span className={`state ${attempt.state}`}>{attempt.state}</span>{" "}
          {attempt.reason ?? "every known answer was computed"}
        </p>
      ) : (
        <p role="status">Running…</p>
      )}
      <h3>What the browser says</h3>
      <table>
        <tbody>
          {found.map(({ device, reason }) => (
            <tr key={device}>
              <th scope="row">{device}</th>
              <td>{reason ?? "a context was made"}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {limits && <LimitsTable limits={limits} />}
    </div>
  );
}

/** The test that the SDK itself runs before it takes the backend. */
async function prove(): Promise<BackendAttempt> {
  const hardware = createHardwareAbstraction({ preferredBackends: ["webnn"] });
  try {
    const attempts = await hardware.detect();
    return attempts.find(({ backend }) => backend === "webnn")!;
  } finally {
    hardware.dispose();
  }
}

async function ask(device: string): Promise<Found> {
  const { ml } = navigator as { ml?: { createContext(options: object): Promise<Context> } };
  if (!ml) return { device, reason: "navigator.ml is not there: this browser has no WebNN", limits: null };
  try {
    const context = await ml.createContext({ deviceType: device });
    const limits = context.opSupportLimits();
    context.destroy?.();
    return { device, reason: null, limits };
  } catch (error) {
    return { device, reason: String(error), limits: null };
  }
}

function LimitsTable({ limits }: { readonly limits: SupportLimits }): ReactNode {
  return (
    <>
      <h3>opSupportLimits</h3>
      <table>
        <tbody>
          {Object.entries(limits).map(([name, operands]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{typeof operands === "object" ? operandsText(operands) : String(operands)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function operandsText(operands: Readonly<Record<string, Limits>> | Limits): string {
  const named = "dataTypes" in operands ? { "": operands as Limits } : (operands as Record<string, Limits>);
  return Object.entries(named)
    .map(([name, { dataTypes = [], rankRange }]) => {
      const ranks = rankRange ? ` rank ${rankRange.min}–${rankRange.max}` : "";
      return `${name} ${dataTypes.join(" ")}${ranks}`.trim();
    })
    .join("; ");
}
