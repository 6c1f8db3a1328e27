import { exactly, floats, caseOf, type ConformanceCase } from "../case.ts";

const draw = { temperature: 1, topK: 0, topP: 1, seed: 11, step: 0 } as const;

export const choice: readonly ConformanceCase[] = [
  caseOf("top 5", "topK", [floats([3, 40])], { k: 5 }),
  caseOf("top of equals keeps their order", "topK", [exactly([2, 5, 5, 1, 5], [1, 5])], { k: 4 }),
  caseOf("sample at temperature 0", "sample", [floats([3, 50])], { ...draw, temperature: 0 }),
  caseOf("sample", "sample", [floats([8, 50])], draw),
  caseOf("sample, a later step", "sample", [floats([8, 50])], { ...draw, step: 3 }),
  caseOf("sample of the largest 4", "sample", [floats([8, 50])], { ...draw, topK: 4, temperature: 0.7 }),
  caseOf("sample of the likely half", "sample", [floats([8, 50])], { ...draw, topP: 0.5, temperature: 1.3 }),
];
