import { describe, expect, it } from "vitest";
import type { CommandOf } from "@gantry/shared/contract/commands.ts";
import { type LedgerRig, makeLedgerRig, START_MS } from "../testing/rig.ts";

type Token = Omit<CommandOf<"tokenMade">, "atMs" | "actor" | "requestId">;
const make = (rig: LedgerRig, facts: Partial<Token> = {}): unknown =>
  rig.act({
    type: "tokenMade",
    token: "tok_1",
    person: "ada",
    role: "admin",
    secretSha256: "hash",
    ...facts,
  });

describe("tokens", () => {
  it("are made once, and keep only the hash of their secret", () => {
    const rig = makeLedgerRig();
    make(rig);
    expect(rig.rows.get("token", "tok_1")).toEqual({
      id: "tok_1",
      person: "ada",
      role: "admin",
      secretSha256: "hash",
      createdAtMs: START_MS,
    });
    const again = { token: "tok_1", person: "eve", role: "admin", secretSha256: "x" } as const;
    expect(rig.refuse({ type: "tokenMade", ...again })).toBe("conflict");
    expect(rig.rows.get("token", "tok_1")?.person).toBe("ada");
  });

  it("keep the last admin token that still works", () => {
    const rig = makeLedgerRig();
    make(rig);
    make(rig, { token: "tok_2", role: "maker" });
    make(rig, { token: "tok_3", expiresAtMs: START_MS });
    expect(rig.refuse({ type: "tokenRevoked", token: "tok_1" })).toBe("conflict");
    make(rig, { token: "tok_4" });
    rig.act({ type: "tokenRevoked", token: "tok_1" });
    expect(rig.rows.get("token", "tok_1")?.revokedAtMs).toBe(START_MS);
    expect(rig.refuse({ type: "tokenRevoked", token: "tok_4" })).toBe("conflict");
  });

  it("are revoked once: a second time changes nothing and is no error", () => {
    const rig = makeLedgerRig();
    make(rig, { role: "viewer" });
    rig.act({ type: "tokenRevoked", token: "tok_1" });
    rig.at(5_000);
    rig.act({ type: "tokenRevoked", token: "tok_1" });
    expect(rig.rows.get("token", "tok_1")?.revokedAtMs).toBe(START_MS);
    expect(rig.refuse({ type: "tokenRevoked", token: "tok_9" })).toBe("not_found");
  });
});
