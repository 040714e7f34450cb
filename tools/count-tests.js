// Prints the last line of `npm test` from vitest's JSON report: N passed, N failed, N skipped.
// A file that could not even be loaded counts as one failure. No report, or no test: exit 1.
import { readFileSync } from "node:fs";

const [path = ""] = process.argv.slice(2);

try {
  const report = JSON.parse(readFileSync(path, "utf8"));
  const broken = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  ).length;
  const passed = report.numPassedTests;
  const failed = report.numFailedTests + broken;
  const skipped = report.numPendingTests + report.numTodoTests;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
} catch {
  console.log("0 passed, 1 failed, 0 skipped");
  process.exitCode = 1;
}
