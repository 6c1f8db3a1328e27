import { useEffect, useState, type ReactNode } from "react";
import { createRoot } from "react-dom/client";

import type { Accelerator, BackendName } from "ipfs-accelerate/accelerator";
import { PRECISIONS, type Precision } from "ipfs-accelerate/weights";
import { createWorkerAccelerator } from "ipfs-accelerate/worker";

import { Hardware } from "./hardware.tsx";
import { ChatPage } from "./pages/chat.tsx";
import { ImagesPage } from "./pages/images.tsx";
import { KernelsPage } from "./pages/kernels.tsx";
import { SearchPage } from "./pages/search.tsx";
import { SpeechPage } from "./pages/speech.tsx";
import { WebNNPage } from "./pages/webnn.tsx";
import { Choice, Failure } from "./parts.tsx";
import { Session, type OfferedModel } from "./session.tsx";

const PAGES = [
  { id: "search", title: "Semantic search", Page: SearchPage },
  { id: "images", title: "Images", Page: ImagesPage },
  { id: "speech", title: "Speech", Page: SpeechPage },
  { id: "chat", title: "Chat", Page: ChatPage },
  { id: "webnn", title: "WebNN", Page: WebNNPage },
  { id: "kernels", title: "Kernels and tuning", Page: KernelsPage },
] as const;

type BackendWish = BackendName | "measured";

const WISHES: Readonly<Record<BackendWish, string>> = {
  measured: "the fastest, measured",
  webgpu: "webgpu",
  webnn: "webnn",
  wasm: "wasm",
  cpu: "cpu",
};

const WEIGHTS = Object.fromEntries(PRECISIONS.map((name) => [name, name]));

const pageOf = (): string => PAGES.find(({ id }) => `#${id}` === location.hash)?.id ?? PAGES[0].id;

/** The page of the address; those left behind stay as they are. */
function usePages(): readonly [active: string, visited: readonly string[]] {
  const [pages, setPages] = useState({ active: pageOf(), visited: [pageOf()] });
  useEffect(() => {
    const follow = (): void => {
      const active = pageOf();
      setPages(({ visited }) => ({ active, visited: [...new Set([...visited, active])] }));
    };
    addEventListener("hashchange", follow);
    return () => {
      removeEventListener("hashchange", follow);
    };
  }, []);
  return [pages.active, pages.visited];
}

function useOfferedModels(): readonly OfferedModel[] {
  const [models, setModels] = useState<readonly OfferedModel[]>([]);
  useEffect(() => {
    void fetch("/models/index.json")
      .then((answer) => (answer.ok ? (answer.json() as Promise<OfferedModel[]>) : []))
      .then(setModels, () => undefined);
  }, []);
  return models;
}

/** One accelerator for all pages, in a worker so that the tab answers while models compute; made anew when another backend is wished for. */
function useAccelerator(wish: BackendWish): readonly [Accelerator | null, unknown] {
  const [made, setMade] = useState<readonly [Accelerator | null, unknown]>([null, null]);
  useEffect(() => {
    const making = createWorkerAccelerator({
      worker: () => new Worker(new URL("models-worker.ts", import.meta.url), { type: "module" }),
      ...(wish !== "measured" && { autoDetectHardware: false, preferredBackends: [wish] }),
    });
    making.then(
      (accelerator) => {
        setMade([accelerator, null]);
      },
      (error: unknown) => {
        setMade([null, error]);
      },
    );
    return () => {
      making.then(
        (accelerator) => {
          accelerator.dispose();
        },
        () => undefined,
      );
    };
  }, [wish]);
  return made;
}

function App(): ReactNode {
  const [active, visited] = usePages();
  const [wish, setWish] = useState<BackendWish>("measured");
  const [precision, setPrecision] = useState<Precision>("fp32");
  const [accelerator, error] = useAccelerator(wish);
  const models = useOfferedModels();
  return (
    <>
      <header>
        <h1>IPFS Accelerate</h1>
        <p>Models on this device, in this tab: nothing that you enter leaves it.</p>
        <Hardware />
        <div className="settings">
          <Choice label="Backend" value={wish} options={WISHES} onChange={setWish} />
          <Choice label="Weights" value={precision} options={WEIGHTS} onChange={setPrecision} />
        </div>
        <nav aria-label="Pages">
          {PAGES.map(({ id, title }) => (
            <a key={id} href={`#${id}`} aria-current={id === active ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
      </header>
      <Failure error={error} />
      {accelerator && (
        <Session value={{ accelerator, precision, models }}>
          {PAGES.filter(({ id }) => visited.includes(id)).map(({ id, title, Page }) => (
            <main key={id} id={`page-${id}`} hidden={id !== active}>
              <h2>{title}</h2>
              <Page />
            </main>
          ))}
        </Session>
      )}
    </>
  );
}

createRoot(document.getElementById("root")!).render(<App />);
