const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

export function countOutcomes(record) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { outcome } of record.results ?? []) counts[outcome] += 1;
  return counts;
}

/** For people: a line per realm, every failure, and every reason for skipping with its count. */
export function describe(records) {
  const lines = [];
  for (const record of records) {
    const where = `${record.browser} ${record.realm}`;
    if (record.skipped !== undefined) {
      lines.push(`${where}: skipped, ${record.skipped}`);
      continue;
    }
    const { passed, failed, skipped } = countOutcomes(record);
    lines.push(`${where} (${record.version}): ${passed} passed, ${failed} failed, ${skipped} skipped`);
    const reasons = new Map();
    for (const result of record.results) {
      if (result.outcome === "failed")
        lines.push(
          `  FAILED ${result.suite} › ${result.name}\n    ${result.reason.replaceAll("\n", "\n    ")}`,
        );
      if (result.outcome === "skipped") reasons.set(result.reason, (reasons.get(result.reason) ?? 0) + 1);
    }
    for (const [reason, count] of reasons) lines.push(`  ${count} skipped: ${reason}`);
  }
  return lines.join("\n");
}

export function toJUnit(records) {
  const suites = records.map((record) => {
    const { failed, skipped } = countOutcomes(record);
    const results = record.results ?? [
      { suite: "harness", name: "browser", outcome: "skipped", reason: record.skipped, elapsedMs: 0 },
    ];
    const cases = results.map(({ suite, name, outcome, reason, elapsedMs }) => {
      const detail = {
        passed: "",
        failed: `<failure message="${escape(reason ?? "")}"/>`,
        skipped: `<skipped message="${escape(reason ?? "")}"/>`,
      };
      return `<testcase classname="${escape(suite)}" name="${escape(name)}" time="${elapsedMs / 1000}">${detail[outcome]}</testcase>`;
    });
    return `<testsuite name="${record.browser} ${record.realm}" tests="${results.length}" failures="${failed}" skipped="${skipped}">\n${cases.join("\n")}\n</testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join("\n")}\n</testsuites>\n`;
}
