import { useEffect, useState, type ReactNode } from "react";

import type { HardwareReport } from "./hardware-worker.ts";

/** What this browser can compute with, and what it would take. */
export function Hardware(): ReactNode {
  const [report, setReport] = useState<HardwareReport | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  useEffect(() => {
    const worker = new Worker(new URL("hardware-worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<HardwareReport>) => {
      setReport(data);
      worker.terminate();
    };
    worker.onerror = ({ message }) => {
      setFailure(message);
    };
    return () => {
      worker.terminate();
    };
  }, []);
  if (failure !== null) return <p className="failure">The backends could not be measured: {failure}</p>;
  if (!report) return <p role="status">Trying and measuring the backends…</p>;
  const { attempts, chosen } = report;
  return (
    <details className="hardware">
      <summary>
        Hardware: <b>{chosen.name}</b>, {chosen.reason}
      </summary>
      <p>Runs on: {chosen.adapter}</p>
      <table>
        <tbody>
          {attempts.map(({ backend, state, reason }) => (
            <tr key={backend}>
              <th scope="row">{backend}</th>
              <td className={`state ${state}`}>{state}</td>
              <td>{reason ?? "computed every known answer"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
