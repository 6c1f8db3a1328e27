import { useRef, useState, type ReactNode } from "react";

import type { AccelerateResult, AudioInput } from "ipfs-accelerate/accelerator";
import { decodeAudio, join, mono, openMicrophone, type SampleStream } from "ipfs-accelerate/audio";

import { FileField, ModelBox, Provenance, TaskStatus, Text } from "../parts.tsx";
import { useSession, useTask } from "../session.tsx";

export function SpeechPage(): ReactNode {
  const { accelerator, precision } = useSession();
  const task = useTask();
  const [modelId, setModelId] = useState("seeded-whisper");
  const [language, setLanguage] = useState("en");
  const [level, setLevel] = useState<number | null>(null);
  const [text, setText] = useState("");
  const [heard, setHeard] = useState<string | null>(null);
  const [result, setResult] = useState<AccelerateResult | null>(null);
  const microphone = useRef<SampleStream | null>(null);

  const transcribe = (listen: (signal: AbortSignal) => Promise<AudioInput>): Promise<void> =>
    task.run(async (signal, onProgress) => {
      setText("");
      setResult(null);
      const input = await listen(signal);
      setHeard(`${(input.samples.length / input.sampleRate).toFixed(1)} s at ${input.sampleRate} Hz`);
      const options = language === "" ? {} : { language };
      const onText = (piece: string): void => {
        setText((before) => before + piece);
      };
      setResult(
        await accelerator.accelerate({ modelId, precision, input, options, signal, onProgress, onText }),
      );
    });

  /** Until the button is pressed again. */
  const record = async (signal: AbortSignal): Promise<AudioInput> => {
    const stream = (microphone.current = await openMicrophone({ signal, maxWaitingSeconds: 600 }));
    let samples = new Float32Array(0);
    try {
      for await (const chunk of stream.chunks) {
        samples = join(samples, chunk) as typeof samples;
        setLevel(Math.sqrt(chunk.reduce((sum, sample) => sum + sample * sample, 0) / chunk.length));
      }
    } finally {
      microphone.current = null;
      setLevel(null);
    }
    return { samples, sampleRate: stream.sampleRate };
  };

  return (
    <div>
      <ModelBox
        types={["whisper", "wav2vec2"]}
        value={modelId}
        onChange={setModelId}
        hint="Whisper or Wav2Vec2."
      />
      <Text
        label="Language"
        value={language}
        onChange={setLanguage}
        hint="As the model names it, such as en or de; empty for a model of one language."
      />
      <div className="drop">
        <FileField
          label="A file of sound"
          accept="audio/*"
          onFile={(file) => void transcribe((signal) => readSound(file, signal))}
        />
        {level === null ? (
          <button disabled={task.isRunning} onClick={() => void transcribe(record)}>
            Record
          </button>
        ) : (
          <>
            <button onClick={() => void microphone.current?.close()}>Stop and transcribe</button>
            <meter aria-label="Level" min={0} max={0.3} value={level} />
          </>
        )}
        {task.isRunning && level === null && <button onClick={task.stop}>Cancel</button>}
      </div>
      <TaskStatus task={task} />
      {heard !== null && <p>Heard {heard}.</p>}
      <blockquote aria-live="polite" className="transcript">
        {text}
      </blockquote>
      {result && <Provenance result={result} />}
    </div>
  );
}

async function readSound(file: Blob, signal: AbortSignal): Promise<AudioInput> {
  const clip = await decodeAudio(new Uint8Array(await file.arrayBuffer()), signal);
  return { samples: mono(clip), sampleRate: clip.sampleRate };
}
