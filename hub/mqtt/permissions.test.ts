import { expect, it } from "vitest";
import { ROLES } from "@gantry/shared/contract/roles.ts";
import { mayReceive } from "./permissions.ts";

it("a token of a screen on the wall hears nothing over MQTT; every person's hears what is nobody's (P4)", () => {
  const payload = new TextEncoder().encode("{}");
  const heard = ROLES.filter((role) =>
    mayReceive({ person: "hall", role, token: "tok_1" }, "gantry/devices/sim/state", payload),
  );
  expect(heard).toEqual(["viewer", "operator", "maker", "safety", "admin"]);
});
