/**
 * The first key that an object of a JSON text has twice, which `JSON.parse` passes over in silence.
 *
 * @param text - valid JSON
 */
export function duplicateKey(text: string): string | undefined {
  const open: (Set<string> | null)[] = [];
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g;
  for (let found = token.exec(text); found; found = token.exec(text)) {
    const [part, colon] = found;
    if (part === "{" || part === "[") open.push(part === "{" ? new Set() : null);
    else if (part === "}" || part === "]") open.pop();
    else if (colon !== undefined) {
      const key = JSON.parse(part.slice(0, -colon.length)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return key;
      keys?.add(key);
    }
  }
  return undefined;
}
