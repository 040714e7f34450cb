import { expect, it } from "vitest";
import { readConfig } from "./config.ts";

it("has one simulated printer by default", () => {
  const config = readConfig({ GANTRY_DATA_DIR: "/data" });
  expect(config.socketPath).toBe("/data/bridge/bridge.sock");
  expect(config.printers).toMatchObject([{ id: "sim", cable: { kind: "sim" }, baud: 115_200 }]);
});

it("reads printers on cables", () => {
  const GANTRY_PRINTERS =
    "ender=serial:/dev/serial/by-id/usb-1?baud=250000&size=235x235x250&nozzle=280,s=sim:?speed=20";
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

const files: Readonly<Record<string, string>> = {
  "/run/cred/voron.key": "k-voron\n",
  "/etc/mk4": "pw-mk4",
  "/etc/empty": " ",
};
const readText = (path: string): string | undefined => files[path];

it("reads printers on the network, with secrets from files (NP1)", () => {
  const GANTRY_PRINTERS = [
    "voron=moonraker:10.0.0.5?keyFile=voron.key&size=300x300x280",
    "plain=moonraker:printer.lan:80",
    "octo=octoprint:[fe80::1]:5000?key=k-octo&nozzle=300",
    "mk4=prusalink:10.0.0.7?passwordFile=/etc/mk4",
    "mini=prusalink:mini.lan?tls=1&key=k-mini",
    "x1=bambu:10.0.0.9?serial=01S00A123456789&code=12345678&ams=1",
  ].join(",");
  const environment = { GANTRY_PRINTERS, CREDENTIALS_DIRECTORY: "/run/cred" };
  const { printers, networkPrinters } = readConfig(environment, readText);
  expect(printers).toEqual([]);
  expect(networkPrinters.map(({ network }) => network)).toEqual([
    { kind: "moonraker", base: "http://10.0.0.5:7125", key: "k-voron" },
    { kind: "moonraker", base: "http://printer.lan:80", key: undefined },
    { kind: "octoprint", base: "http://[fe80::1]:5000", key: "k-octo" },
    {
      kind: "prusalink",
      base: "http://10.0.0.7:80",
      auth: { kind: "digest", user: "maker", password: "pw-mk4" },
    },
    { kind: "prusalink", base: "https://mini.lan:443", auth: { kind: "key", key: "k-mini" } },
    {
      kind: "bambu",
      host: "10.0.0.9",
      serial: "01S00A123456789",
      code: "12345678",
      fingerprint: undefined,
      hasAms: true,
    },
  ]);
  expect(networkPrinters[0]).toMatchObject({ id: "voron", sizeMm: { x: 300, y: 300, z: 280 } });
});

it.each([
  ["octoprint:10.0.0.1", "needs key"],
  ["octoprint:10.0.0.1?keyFile=/etc/empty", "/etc/empty cannot be read or is empty"],
  ["octoprint:10.0.0.1?key=hunter2&keyFile=/etc/mk4", "both given"],
  ["prusalink:10.0.0.1", "needs key or password"],
  ["prusalink:10.0.0.1?key=hunter2&password=hunter2", "only one of them"],
  ["prusalink:10.0.0.1?password=hunter2&user=a:b", "user is a name"],
  ["bambu:10.0.0.1?code=hunter2", "needs serial"],
  ["bambu:10.0.0.1?serial=01S00A123456789", "needs code"],
  ["bambu:10.0.0.1:99?serial=01S00A123456789&code=hunter2", "ports are fixed"],
  ["bambu:10.0.0.1?serial=01S00A123456789&code=hunter2&fingerprint=12", "64 hex digits"],
  ["moonraker:user@host", "no host"],
  ["moonraker:10.0.0.1:70000?key=hunter2", "no host"],
  ["moonraker:10.0.0.1?key=hunter2%0d%0aX", "no word"],
  ["moonraker:10.0.0.1?key=hunter2&speed=9", '"speed"'],
  ["Moonraker:10.0.0.1?key=hunter2", "NAME=KIND"],
])("refuses p=%s, and says no secret", (text, why) => {
  const read = () => readConfig({ GANTRY_PRINTERS: `p=${text}` }, readText);
  expect(read).toThrow(why);
  expect(read).not.toThrow("hunter2");
});
