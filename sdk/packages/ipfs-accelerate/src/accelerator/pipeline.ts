import type { Checkpoint, ModelOptions } from "../layers/index.ts";
import type { ModelInput, ModelOutput, ModelType, RunOptions } from "./types.ts";

export interface RunContext {
  readonly signal?: AbortSignal | undefined;
  /** Text as it comes, of models that generate. */
  readonly onText?: ((piece: string) => void) | undefined;
}

/** A loaded model from what a user gives to what a user wants: tokens, pixels and samples stay inside. */
export interface Pipeline {
  run(input: ModelInput, options: RunOptions, context: RunContext): Promise<ModelOutput>;
  dispose(): void;
}

/** How the checkpoints of one or more architectures become a pipeline. */
export interface PipelineDefinition {
  /** Values of `model_type` in `config.json`. */
  readonly modelTypes: readonly string[];
  /** What its backend is chosen for. */
  readonly family: ModelType;
  /** Fetches the code of the models when it is called. */
  readonly load: (checkpoint: Checkpoint, options: ModelOptions) => Promise<Pipeline>;
}
