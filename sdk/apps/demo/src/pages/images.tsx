import { useEffect, useRef, useState, type ReactNode } from "react";

import type { AccelerateResult, ImageInput } from "ipfs-accelerate/accelerator";
import { readImage } from "ipfs-accelerate/images";

import { FileField, ModelBox, Provenance, Scores, TaskStatus, Text } from "../parts.tsx";
import { useSession, useTask } from "../session.tsx";

export function ImagesPage(): ReactNode {
  const { accelerator, precision, models } = useSession();
  const task = useTask();
  const [modelId, setModelId] = useState("seeded-vit");
  const [labels, setLabels] = useState("a photo of a cat, a drawing of a house, a city at night");
  const [image, setImage] = useState<ImageInput | null>(null);
  const [result, setResult] = useState<AccelerateResult | null>(null);
  const isZeroShot = models.find(({ id }) => id === modelId)?.modelType === "clip" || /clip/i.test(modelId);

  const look = (read: (signal: AbortSignal) => Promise<ImageInput>): Promise<void> =>
    task.run(async (signal, onProgress) => {
      const picture = await read(signal);
      setResult(null);
      setImage(picture);
      const text = labels.split(",").map((label) => label.trim());
      const input = isZeroShot ? { text: text.filter((label) => label !== ""), image: picture } : picture;
      setResult(await accelerator.accelerate({ modelId, precision, input, signal, onProgress }));
    });
  const lookAt = (file: Blob): void => {
    void look((signal) => readImage(file, { signal }));
  };

  return (
    <div>
      <ModelBox
        types={["vit", "deit", "detr", "clip"]}
        value={modelId}
        onChange={setModelId}
        hint="ViT or DeiT classify, DETR detects, CLIP compares with your own labels."
      />
      {isZeroShot && <Text label="Labels, between commas" value={labels} onChange={setLabels} />}
      <div
        className="drop"
        onDragOver={(event) => {
          event.preventDefault();
        }}
        onDrop={(event) => {
          event.preventDefault();
          const file = event.dataTransfer.files[0];
          if (file) lookAt(file);
        }}
      >
        <FileField label="Drop a picture here, or choose one" accept="image/*" onFile={lookAt} />
        <button onClick={() => void look(photograph)}>Use the camera</button>
        {image && <button onClick={() => void look(() => Promise.resolve(image))}>Again</button>}
      </div>
      <TaskStatus task={task} />
      {image && <Picture image={image} result={result} />}
      <div aria-live="polite">
        {result && <Answer result={result} />}
        {result && <Provenance result={result} />}
      </div>
    </div>
  );
}

/** One picture of the camera, which is then let go. */
async function photograph(signal: AbortSignal): Promise<ImageInput> {
  const media = await navigator.mediaDevices.getUserMedia({ video: true });
  try {
    const video = document.createElement("video");
    video.srcObject = media;
    await video.play();
    return await readImage(await createImageBitmap(video), { signal });
  } finally {
    for (const track of media.getTracks()) track.stop();
  }
}

function Answer({ result: { output } }: { readonly result: AccelerateResult }): ReactNode {
  if (output.kind === "classes") return <Scores items={output.classes[0]!.slice(0, 10)} />;
  if (output.kind === "embeddings")
    return <p>The model has no labels: a vector of {output.shape[1]} numbers.</p>;
  if (output.kind === "text") return <p>{output.text}</p>;
  if (output.objects.length === 0) return <p>No object was found.</p>;
  return <Scores items={output.objects} />;
}

/** The picture with a frame around each object. */
function Picture({
  image,
  result,
}: {
  readonly image: ImageInput;
  readonly result: AccelerateResult | null;
}): ReactNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const objects = result?.output.kind === "objects" ? result.output.objects : [];
  useEffect(() => {
    const context = canvas.current!.getContext("2d")!;
    const pixels = new Uint8ClampedArray(image.data);
    context.putImageData(new ImageData(pixels, image.width, image.height), 0, 0);
    const unit = Math.max(image.width, image.height) / 100;
    context.lineWidth = unit / 2;
    context.font = `${4 * unit}px sans-serif`;
    objects.forEach(({ label, score, box: [left, top, right, bottom] }, i) => {
      context.fillStyle = context.strokeStyle = `hsl(${(i * 67) % 360} 90% 45%)`;
      context.strokeRect(left, top, right - left, bottom - top);
      context.fillText(`${label} ${score.toFixed(2)}`, left + unit, top + 4 * unit);
    });
  }, [image, objects]);
  return (
    <canvas ref={canvas} width={image.width} height={image.height} role="img" aria-label="The picture" />
  );
}
