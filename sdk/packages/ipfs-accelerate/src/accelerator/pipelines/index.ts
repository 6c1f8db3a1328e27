import type { PipelineDefinition } from "../pipeline.ts";

/** Which code runs which `model_type`; it is fetched with the first model of its kind. */
export const PIPELINES: readonly PipelineDefinition[] = [
  {
    modelTypes: ["bert", "roberta", "xlm-roberta", "distilbert", "mpnet"],
    family: "text_embedding",
    load: async (...args) => (await import("./bert.ts")).load(...args),
  },
  {
    modelTypes: ["llama", "mistral", "qwen2", "qwen3"],
    family: "text_generation",
    load: async (...args) => (await import("./llama.ts")).load(...args),
  },
  {
    modelTypes: ["t5"],
    family: "text_generation",
    load: async (...args) => (await import("./t5.ts")).load(...args),
  },
  {
    modelTypes: ["vit", "deit"],
    family: "vision",
    load: async (...args) => (await import("./vit.ts")).load(...args),
  },
  {
    modelTypes: ["detr"],
    family: "vision",
    load: async (...args) => (await import("./detr.ts")).load(...args),
  },
  {
    modelTypes: ["clip"],
    family: "multimodal",
    load: async (...args) => (await import("./clip.ts")).load(...args),
  },
  {
    modelTypes: ["whisper"],
    family: "audio",
    load: async (...args) => (await import("./whisper.ts")).load(...args),
  },
  {
    modelTypes: ["wav2vec2"],
    family: "audio",
    load: async (...args) => (await import("./wav2vec2.ts")).load(...args),
  },
  {
    modelTypes: ["clap"],
    family: "audio",
    load: async (...args) => (await import("./clap.ts")).load(...args),
  },
  {
    modelTypes: ["llava"],
    family: "multimodal",
    load: async (...args) => (await import("./llava.ts")).load(...args),
  },
];
