import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GantryError } from "../base/errors.ts";
import {
  type ConfigFault,
  describeConfig,
  type Environment,
  isLoopback,
  readAgentConfig,
  readBridgeConfig,
  readClientConfig,
  readHubConfig,
  type ReadText,
} from "./config.ts";
import { VARIABLES } from "./variables.ts";

const noFiles = (): undefined => undefined;
const filesOf = (files: Readonly<Record<string, string>>) => (path: string) => files[path];

function faultsOf(
  env: Environment,
  read: (env: Environment, readText: ReadText) => unknown = readHubConfig,
  files = {},
): readonly ConfigFault[] {
  try {
    read(env, filesOf(files));
  } catch (error) {
    if (error instanceof GantryError && error.code === "bad_config") {
      return error.details["faults"] as ConfigFault[];
    }
    throw error;
  }
  return [];
}

describe("readConfig", () => {
  it("gives each program its defaults from an empty environment", () => {
    expect(readHubConfig({}, noFiles)).toMatchObject({
      dataDir: "./data",
      httpHost: "127.0.0.1",
      httpPort: 8080,
      httpNames: [],
      egressAllow: [],
      allowPlainHttp: false,
      mqttPort: 1883,
      peers: {},
      token: undefined,
      checkpointMs: 2000,
    });
    expect(readAgentConfig({ GANTRY_DATA_DIR: "/srv/g" }, noFiles).bridgeSocket).toBe(
      "/srv/g/bridge/bridge.sock",
    );
    expect(readBridgeConfig({}, noFiles).printers).toEqual({ sim: "sim:" });
    expect(readClientConfig({}, noFiles).hfEndpoint).toBe("https://huggingface.co");
  });

  it("reads every kind", () => {
    const hub = readHubConfig(
      {
        GANTRY_HTTP_NAMES: "gantry.lan, printer-pc",
        GANTRY_ALLOW_PLAIN_HTTP: "Yes",
        GANTRY_HTTP_HOST: "0.0.0.0",
        GANTRY_PEERS: "hub-2=tcp://10.77.0.2:7700,hub-3=tcp://10.77.0.3:7700",
        GANTRY_MQTT_PORT: "off",
        GANTRY_MQTT_URL: "mqtt://broker.lan/",
        GANTRY_LOG_LEVEL: "debug",
      },
      noFiles,
    );
    expect(hub.httpNames).toEqual(["gantry.lan", "printer-pc"]);
    expect(hub.peers).toEqual({
      "hub-2": "tcp://10.77.0.2:7700",
      "hub-3": "tcp://10.77.0.3:7700",
    });
    expect(hub).toMatchObject({ mqttPort: "off", mqttUrl: "mqtt://broker.lan", logLevel: "debug" });
    const bridge = readBridgeConfig(
      { GANTRY_PRINTERS: "ender=serial:/dev/ttyUSB0?baud=250000" },
      noFiles,
    );
    expect(bridge.printers).toEqual({ ender: "serial:/dev/ttyUSB0?baud=250000" });
    expect(readBridgeConfig({ GANTRY_PRINTERS: "none" }, noFiles).printers).toEqual({});
  });

  it.each([
    ["GANTRY_HTTP_PORT", "80a"],
    ["GANTRY_HTTP_PORT", "65536"],
    ["GANTRY_HTTP_PORT", "-1"],
    ["GANTRY_HTTP_WORKERS", "0"],
    ["GANTRY_MQTT_PORT", "Off"],
    ["GANTRY_ALLOW_PLAIN_HTTP", "maybe"],
    ["GANTRY_AGENT_BIND", "http://127.0.0.1:1"],
    ["GANTRY_AGENT_BIND", "tcp://"],
    ["GANTRY_PEERS", "hub-2"],
    ["GANTRY_PEERS", "a=tcp://x,a=tcp://y"],
    ["GANTRY_HTTP_NAMES", "a,,b"],
    ["GANTRY_LOG_LEVEL", "loud"],
    ["GANTRY_HUB_ID", "hub\u001b[31m"],
  ])("refuses %s=%j", (name, text) => {
    expect(faultsOf({ [name]: text }).map((fault) => fault.variable)).toEqual([name]);
  });

  it("reports all faults at once (CF1) and suggests the nearest name (CF3)", () => {
    const faults = faultsOf({
      GANTRY_HTTP_PORT: "x",
      GANTRY_LOG_LEVEL: "y",
      GANTRY_HTPP_HOST: "127.0.0.1",
      GANTRY_ZZZZZZZZZZZZZZZZZZ: "1",
    });
    expect(faults).toHaveLength(4);
    expect(faults[2]?.message).toBe("is not known; did you mean GANTRY_HTTP_HOST?");
    expect(faults[3]?.message).toBe("is not known");
  });

  it("takes a secret from one place only (CF2)", () => {
    const files = { "/run/t": "gt_file\n", "/creds/GANTRY_TOKEN": "gt_credential\n" };
    const read = (env: Environment) => readHubConfig(env, filesOf(files)).token;
    expect(read({ GANTRY_TOKEN: "gt_env" })).toBe("gt_env");
    expect(read({ GANTRY_TOKEN_FILE: "/run/t" })).toBe("gt_file");
    expect(read({ CREDENTIALS_DIRECTORY: "/creds" })).toBe("gt_credential");
    const twice = faultsOf(
      { GANTRY_TOKEN: "gt_env", GANTRY_TOKEN_FILE: "/run/t" },
      readHubConfig,
      files,
    );
    expect(twice[0]?.message).toContain("given twice, by GANTRY_TOKEN and GANTRY_TOKEN_FILE");
    const missing = faultsOf({ GANTRY_TOKEN_FILE: "/nowhere" }, readHubConfig, files);
    expect(missing[0]?.message).toBe("GANTRY_TOKEN_FILE cannot be read or is empty");
  });

  it("refuses a _FILE variant of what is not a secret", () => {
    expect(faultsOf({ GANTRY_HTTP_PORT_FILE: "/x" })).toHaveLength(1);
  });

  it("wants TLS or a plain word for a host that others reach", () => {
    expect(faultsOf({ GANTRY_HTTP_HOST: "0.0.0.0" })[0]?.variable).toBe("GANTRY_HTTP_HOST");
    const tls = { GANTRY_TLS_CERT: "c.pem", GANTRY_TLS_KEY: "k.pem" };
    expect(faultsOf({ GANTRY_HTTP_HOST: "0.0.0.0", ...tls })).toEqual([]);
    expect(faultsOf({ GANTRY_TLS_CERT: "c.pem" })[0]?.variable).toBe("GANTRY_TLS_CERT");
    expect(faultsOf({ GANTRY_HTTP_HOST: "10.0.0.7" }, readClientConfig)).toEqual([]);
    expect(["127.0.0.2", "::1", "localhost"].every(isLoopback)).toBe(true);
    expect(["127.evil.test", "0.0.0.0", "10.0.0.1"].some(isLoopback)).toBe(false);
  });

  it("refuses two brokers", () => {
    const both = { GANTRY_MQTT_URL: "mqtt://b", GANTRY_MQTT_PORT: "1884" };
    expect(faultsOf(both)[0]?.variable).toBe("GANTRY_MQTT_URL");
    expect(faultsOf({ GANTRY_MQTT_URL: "mqtt://b" })).toEqual([]);
  });

  it("never says a secret, neither in faults nor in the description (CF4)", () => {
    const secret = fc.string({
      minLength: 8,
      maxLength: 40,
      unit: fc.constantFrom("x", "y", "\u0001"),
    });
    fc.assert(
      fc.property(secret, (text) => {
        const env = { GANTRY_TOKEN: text, GANTRY_OPENAI_API_KEY: text, GANTRY_HTTP_PORT: "no" };
        const shown = JSON.stringify(describeConfig(["hub"], env, noFiles));
        return !shown.includes(JSON.stringify(text).slice(1, -1));
      }),
    );
  });

  it("hides what an address carries", () => {
    const env = {
      GANTRY_MQTT_URL: "mqtt://me:hunter2@broker.lan",
      GANTRY_PRINTERS: "bambu=bambu:10.0.0.9?serial=1&code=hunter2,b=sim:",
    };
    const { rows, faults } = describeConfig(["hub", "bridge"], env, noFiles);
    expect(faults).toEqual([]);
    expect(JSON.stringify(rows)).not.toContain("hunter2");
    expect(rows.find((row) => row.name === "GANTRY_PRINTERS")?.value).toBe(
      "bambu=bambu:10.0.0.9?serial=1&code=***,b=sim:",
    );
  });
});

describe("the table", () => {
  it("has defaults that its own reader accepts and fields that differ", () => {
    expect(faultsOf({}, readHubConfig)).toEqual([]);
    const fields = Object.values(VARIABLES).map((variable) => variable.field);
    expect(new Set(fields).size).toBe(fields.length);
  });
});
