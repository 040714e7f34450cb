import { expect, it } from "vitest";
import { readConfig } from "./config.ts";

it("has one simulated printer by default", () => {
  const config = readConfig({ GANTRY_DATA_DIR: "/data" });
  expect(config.socketPath).toBe("/data/bridge/bridge.sock");
  expect(config.printers).toMatchObject([{ id: "sim", cable: { kind: "sim" }, baud: 115_200 }]);
});

it("reads serial printers and leaves other kinds to others", () => {
  const GANTRY_PRINTERS =
    "ender=serial:/dev/serial/by-id/usb-1?baud=250000&size=235x235x250&nozzle=280,b=bambu:10.0.0.9?serial=1,s=sim:?speed=20";
  expect(readConfig({ GANTRY_PRINTERS }).printers).toMatchObject([
    {
      id: "ender",
      cable: { kind: "serial", path: "/dev/serial/by-id/usb-1" },
      baud: 250_000,
      nozzleMaxC: 280,
      sizeMm: { x: 235 },
    },
    { id: "s", cable: { kind: "sim", query: "speed=20" } },
  ]);
});

it("reports all faults at once", () => {
  const environment = {
    GANTRY_BRIDGE_SOCKET: `/${"x".repeat(120)}`,
    GANTRY_LOG_LEVEL: "loud",
    GANTRY_PRINTERS: "a=sim:,a=sim:,b=serial:,c=sim:?speed=-1,d=serial:/dev/x?color=red,e",
  };
  for (const part of [
    "GANTRY_BRIDGE_SOCKET",
    "GANTRY_LOG_LEVEL",
    '"a" is there twice',
    "b: serial: needs",
    "speed",
    '"color"',
    '"e"',
  ]) {
    expect(() => readConfig(environment)).toThrow(part);
  }
});
