import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { present } from "@gantry/shared/base/assert.ts";
import { LIFE, LIMIT } from "@gantry/shared/base/policy.ts";
import type { CommandBody, Envelope, Reply } from "@gantry/shared/contract/commands.ts";
import { formatSessionStamp, parseSessionStamp } from "@gantry/shared/contract/sessions.ts";
import { command, type LedgerRig, makeLedgerRig, START_MS } from "../testing/rig.ts";

const flag = (value: unknown): CommandBody => ({ type: "flagSet", key: "light", value });
const opened = (clientSession = "ses_1"): CommandBody => ({ type: "sessionOpened", clientSession });

function makeSession(): LedgerRig {
  const rig = makeLedgerRig();
  rig.act(opened());
  return rig;
}

function send(rig: LedgerRig, seq: number, body: CommandBody, more: Partial<Envelope> = {}): Reply {
  const stamped = command(body, { session: { id: "ses_1", seq }, ...more });
  return present(rig.apply(stamped)[0], "a reply");
}
const codeOf = (reply: Reply): string => (reply.ok ? "ok" : reply.error.code);

describe("a client session", () => {
  it("gives a retry the first answer, whatever has happened since (S1)", () => {
    const rig = makeSession();
    const first = send(rig, 1, flag("on"));
    rig.act(flag("off"));
    expect(send(rig, 1, flag("on"))).toEqual(first);
    expect(rig.rows.get("flag", "light")?.value).toBe("off");
  });

  it("keeps a refusal as an answer, too", () => {
    const rig = makeSession();
    const stale: CommandBody = { type: "flagDeleted", key: "light" };
    const first = send(rig, 1, stale);
    expect(codeOf(first)).toBe("not_found");
    rig.act(flag("on"));
    expect(send(rig, 1, stale)).toEqual(first);
    expect(codeOf(send(rig, 2, stale))).toBe("ok");
  });

  it("refuses a smaller number, a gap, another request and another person (S2)", () => {
    const rig = makeSession();
    send(rig, 1, flag(1), { session: { id: "ses_1", seq: 1, requestSha256: "a" } });
    expect(codeOf(send(rig, 3, flag(3)))).toBe("sequence_gap");
    expect(codeOf(send(rig, 2, flag(2)))).toBe("ok");
    expect(codeOf(send(rig, 1, flag(1)))).toBe("stale_sequence");
    const other = { session: { id: "ses_1", seq: 2, requestSha256: "b" } };
    expect(codeOf(send(rig, 2, flag(9), other))).toBe("idempotency_mismatch");
    expect(codeOf(send(rig, 3, flag(3), { actor: "bob" }))).toBe("forbidden");
    expect(rig.rows.get("flag", "light")?.value).toBe(2);
  });

  it("is over after its time without a request, and a hub whose clock is behind cannot revive it (S3, L5)", () => {
    const rig = makeSession();
    rig.at(LIFE.clientSessionMs);
    expect(codeOf(send(rig, 1, flag(1), { atMs: START_MS + LIFE.clientSessionMs }))).toBe("ok");
    const late = START_MS + 2 * LIFE.clientSessionMs + 1;
    expect(codeOf(send(rig, 2, flag(2), { atMs: late }))).toBe("session_expired");
    expect(codeOf(send(rig, 2, flag(2), { atMs: START_MS }))).toBe("session_expired");
    expect(codeOf(send(rig, 1, flag(1), { atMs: START_MS }))).toBe("session_expired");
  });

  it("survives a restart with its kept answer", () => {
    const rig = makeSession();
    const first = send(rig, 1, flag(1));
    rig.restart();
    expect(send(rig, 1, flag(1))).toEqual(first);
  });

  it("drops sessions that are over when the table is full, and refuses when none is (S4)", () => {
    const rig = makeLedgerRig();
    for (let n = 0; n < LIMIT.clientSessions.max; n += 1) rig.act(opened(`ses_${n}`));
    expect(rig.refuse(opened("ses_more"))).toBe("busy");
    rig.at(LIFE.clientSessionMs + 1);
    rig.act(opened("ses_more"));
    expect(rig.rows.hot("session").size).toBe(1);
  });

  it("has each effect once, in order, whatever is sent again and in whichever order", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 40 }), (sent) => {
        const rig = makeSession();
        const answers = new Map<number, Reply>();
        let last = 0;
        for (const seq of sent) {
          const reply = send(rig, seq, flag(seq));
          const answered = seq < last ? "stale_sequence" : "sequence_gap";
          const isTurn = seq === last + 1;
          expect(codeOf(reply)).toBe(isTurn || seq === last ? "ok" : answered);
          if (isTurn) {
            answers.set(seq, reply);
            last = seq;
          }
          expect([reply, undefined]).toContainEqual(answers.get(seq === last ? seq : -1));
          expect(rig.rows.get("flag", "light")?.value).toBe(last === 0 ? undefined : last);
        }
      }),
    );
  });
});

describe("the session header", () => {
  it("reads what it writes and nothing else", () => {
    expect(parseSessionStamp(formatSessionStamp({ id: "ses_1", seq: 7 }))).toEqual({
      id: "ses_1",
      seq: 7,
    });
    for (const text of ["", "a", "a/", "/1", "a/0", "a/-1", "a/1.5", "a b/1", "a/1/2", "a/1e3"])
      expect(parseSessionStamp(text)).toBeUndefined();
  });
});
