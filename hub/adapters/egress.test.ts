import { describe, expect, it } from "vitest";
import { GantryError } from "@gantry/shared/base/errors.ts";
import { makeEgress } from "./egress.ts";

const codeOf = (act: () => void): string => {
  try {
    act();
    return "allowed";
  } catch (error) {
    if (error instanceof GantryError) return error.code;
    throw error;
  }
};
const open = (entries: readonly string[], url: string, address?: string): string =>
  codeOf(() => {
    const egress = makeEgress(entries);
    egress.checkUrl(new URL(url));
    if (address !== undefined) egress.checkAddress(new URL(url), address);
  });

const HOST = ["api.example.org", "*.example.net", "erp.lan:8443"];

describe("where workflows may call", () => {
  it.each([
    ["https://api.example.org/x"],
    ["http://api.example.org/"],
    ["http://API.example.org./"],
    ["https://a.b.example.net/"],
    ["https://erp.lan:8443/"],
  ])("lets a listed host out: %s", (url) => {
    expect(open(HOST, url, "93.184.216.34")).toBe("allowed");
  });

  it.each([
    ["https://other.org/"],
    ["https://api.example.org:8443/"],
    ["https://api.example.org.evil.test/"],
    ["https://evilexample.net/"],
    ["https://example.net/"],
    ["https://erp.lan/"],
    ["ftp://api.example.org/"],
    ["file:///etc/passwd"],
    ["https://user:pass@api.example.org/"],
    ["http://127.0.0.1/"],
    ["http://localhost/"],
    ["http://[::1]/"],
    ["http://169.254.169.254/latest/meta-data/"],
    ["http://2130706433/"],
    ["http://0x7f.1/"],
    ["http://017700000001/"],
    ["http://[::ffff:127.0.0.1]/"],
    ["http://0.0.0.0/"],
  ])("refuses what is not listed, however it is written (EG1): %s", (url) => {
    expect(open(HOST, url)).toBe("egress_denied");
    expect(open([], url)).toBe("egress_denied");
  });

  it.each([
    "127.0.0.1",
    "127.8.9.1",
    "10.0.0.1",
    "100.64.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
    "not an address",
  ])("a listed name does not lead to %s (EG2)", (address) => {
    expect(open(HOST, "https://api.example.org/", address)).toBe("egress_denied");
  });

  it("opens an address that is not public only where it is listed itself, with its port (EG2, EG3)", () => {
    const entries = ["127.0.0.1:9000", "10.1.0.0/16", "[fd00::1]:8080", "box.lan"];
    expect(open(entries, "http://127.0.0.1:9000/", "127.0.0.1")).toBe("allowed");
    expect(open(entries, "http://127.0.0.1:9001/", "127.0.0.1")).toBe("egress_denied");
    expect(open(entries, "http://127.0.0.2:9000/", "127.0.0.2")).toBe("egress_denied");
    expect(open(entries, "http://10.1.2.3:5000/", "10.1.2.3")).toBe("allowed");
    expect(open(entries, "http://10.2.2.3/", "10.2.2.3")).toBe("egress_denied");
    expect(open(entries, "http://[fd00::1]:8080/", "fd00::1")).toBe("allowed");
    expect(open(entries, "http://box.lan/", "10.1.2.3")).toBe("allowed");
    expect(open(entries, "http://box.lan/", "127.0.0.1")).toBe("egress_denied");
    expect(open(entries, "http://box.lan/", "192.168.1.5")).toBe("egress_denied");
  });

  it.each([
    "",
    "a b",
    "https://x.org",
    "x.org/path",
    "1.2.3.4/0",
    "1.2.3.4/33",
    "x.org:0",
    "x.org:99999",
    "*",
  ])("refuses the entry %j", (entry) => {
    expect(codeOf(() => void makeEgress([entry]))).toBe("bad_config");
  });
});
