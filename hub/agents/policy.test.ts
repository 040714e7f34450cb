import { describe, expect, it } from "vitest";
import { TOOL_EFFECTS } from "@gantry/shared/contract/agents.ts";
import { HAZARD_CLASSES, mayAct, PERSON_ROLES } from "@gantry/shared/contract/roles.ts";
import { HOUSE_TOOLS } from "./catalogue.ts";
import { judge, type Matter } from "./policy.ts";

const matter = (facts: Partial<Matter> = {}): Matter => ({
  hazardClass: "none",
  effect: "replayed",
  role: "admin",
  needed: "viewer",
  presence: "present",
  isTainted: false,
  isEmergencyStop: false,
  ...facts,
});

/** class, presence: the verdict for viewer, operator, maker, safety, admin. C: one person, D: two. */
const TABLE = [
  ["none", "present", "a a a a a"],
  ["none", "away", "a a a a a"],
  ["low", "present", "- a a a a"],
  ["low", "away", "- a a a a"],
  ["medium", "present", "C C C C C"],
  ["medium", "away", "C C C C C"],
  ["high", "present", "C C C C C"],
  ["high", "away", "D D D D D"],
] as const;

const letter = (verdict: ReturnType<typeof judge>): string => {
  if (verdict.kind === "allowed") return "a";
  if (verdict.kind === "refused") return "-";
  return verdict.people === 2 ? "D" : "C";
};

describe("the policy of tools", () => {
  it.each(TABLE)("[K116] %s while people are %s: %s", (hazardClass, presence, expected) => {
    const verdicts = PERSON_ROLES.map((role) =>
      letter(judge(matter({ hazardClass, presence, role }))),
    );
    expect(verdicts.join(" ")).toBe(expected);
  });

  it("always confirms a high hazard, whoever asks and whatever else is so (PO2)", () => {
    for (const role of PERSON_ROLES)
      for (const presence of ["present", "away"] as const)
        for (const isTainted of [true, false])
          for (const effect of ["replayed", "once"] as const) {
            const verdict = judge(
              matter({ hazardClass: "high", role, presence, isTainted, effect }),
            );
            expect(verdict).toMatchObject({ kind: "confirm", role: "safety" });
          }
  });

  it("asks a person for every effect once something suspicious was read (PO4)", () => {
    for (const hazardClass of HAZARD_CLASSES)
      for (const effect of TOOL_EFFECTS) {
        const { kind } = judge(matter({ hazardClass, effect, isTainted: true }));
        expect([hazardClass, effect, kind]).toEqual([
          hazardClass,
          effect,
          effect === "read" ? "allowed" : "confirm",
        ]);
      }
  });

  it("lets nothing delay an emergency stop (PO5), and refuses what the role may not do", () => {
    expect(judge(matter({ isTainted: true, isEmergencyStop: true })).kind).toBe("allowed");
    expect(judge(matter({ role: "operator", needed: "maker" })).kind).toBe("refused");
  });
});

describe("the tools of the house", () => {
  it("hold none that gives a word, makes a token or answers for a person", () => {
    const routes = new Set<string>(HOUSE_TOOLS.map(({ route }) => route));
    for (const taken of [
      "confirm",
      "confirmationCancelled",
      "approvalGiven",
      "approvalDenied",
      "query",
      "tokenMade",
      "tokenRevoked",
      "flagSet",
      "mcpToolApproved",
      "agentStarted",
      "toolCalled",
    ])
      expect(routes.has(taken)).toBe(false);
  });

  it("have names of their own, schemas of objects, and roles that their routes ask for", () => {
    expect(new Set(HOUSE_TOOLS.map(({ name }) => name)).size).toBe(HOUSE_TOOLS.length);
    for (const { inputSchema, role, name } of HOUSE_TOOLS) {
      expect([name, inputSchema["type"]]).toEqual([name, "object"]);
      expect(mayAct("admin", role)).toBe(true);
    }
  });

  it("put arguments where the route has them", () => {
    const tool = HOUSE_TOOLS.find(({ name }) => name === "print_again");
    expect(tool?.request({ print: "prt_1", printer: "sim" })).toEqual({
      route: "printAgain",
      params: { id: "prt_1" },
      query: {},
      body: { printer: "sim" },
    });
    expect(() => tool?.request({ print: "../x" })).toThrow(/print/);
    expect(() => tool?.request({ print: "prt_1", phrase: "confirm" })).toThrow(/phrase|key/i);
  });
});
