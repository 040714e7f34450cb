import { describe, expect, it } from "vitest";
import { destinationOf, isListed } from "./hosts.ts";

const kindOf = (url: string): string => {
  const to = destinationOf(url);
  if (to.kind === "fault") return to.code;
  return to.kind === "unknown"
    ? "unknown"
    : `${to.host}:${to.port} ${to.isPublic ? "public" : "inner"}`;
};

describe("where an address leads", () => {
  it.each([
    ["https://api.example.org/x", "api.example.org:443 public"],
    ["http://API.Example.org.:8080/x", "api.example.org:8080 public"],
    ["https://api.example.org/x/${nodes.a.output}?q=${inputs.q}", "api.example.org:443 public"],
    ["https://api.example.org?${inputs.q}", "api.example.org:443 public"],
    ["https://${inputs.host}/", "unknown"],
    ["https://api.example.org${inputs.rest}", "unknown"],
    ["https://api.example.org:${inputs.port}/", "unknown"],
    ["${inputs.url}", "unknown"],
    ["http:${inputs.url}", "unknown"],
    ["file://${inputs.path}", "url_scheme"],
    ["http://8.8.8.8/", "8.8.8.8:80 public"],
    ["http://[2606:4700::1111]/", "2606:4700::1111:80 public"],
    ["http://127.0.0.1/", "127.0.0.1:80 inner"],
    ["http://2130706433/", "127.0.0.1:80 inner"],
    ["http://0x7f.1/", "127.0.0.1:80 inner"],
    ["http://017700000001/", "127.0.0.1:80 inner"],
    ["http://127.1/${inputs.x}", "127.0.0.1:80 inner"],
    ["http://%31%32%37.0.0.1/", "127.0.0.1:80 inner"],
    ["http://１２７.0.0.1/", "127.0.0.1:80 inner"],
    ["http://[::1]/", "::1:80 inner"],
    ["http://[::ffff:127.0.0.1]/", "::ffff:7f00:1:80 inner"],
    ["http://[::ffff:8.8.8.8]/", "::ffff:808:808:80 public"],
    ["http://[64:ff9b::7f00:1]/", "64:ff9b::7f00:1:80 inner"],
    ["http://[2002:7f00:1::]/", "2002:7f00:1:::80 inner"],
    ["http://[2001:db8::1]/", "2001:db8::1:80 inner"],
    ["http://[fd00:ec2::254]/", "fd00:ec2::254:80 inner"],
    ["http://[fe80::1]/", "fe80::1:80 inner"],
    ["http://169.254.169.254/latest/meta-data/", "169.254.169.254:80 inner"],
    ["http://metadata.google.internal/", "metadata.google.internal:80 inner"],
    ["http://localhost:8080/", "localhost:8080 inner"],
    ["http://a.localhost./", "a.localhost:80 inner"],
    ["http://10.0.0.1/", "10.0.0.1:80 inner"],
    ["http://100.64.0.1/", "100.64.0.1:80 inner"],
    ["http://172.31.255.255/", "172.31.255.255:80 inner"],
    ["http://172.32.0.1/", "172.32.0.1:80 public"],
    ["http://192.168.1.1/", "192.168.1.1:80 inner"],
    ["http://0.0.0.0/", "0.0.0.0:80 inner"],
    ["http://224.0.0.1/", "224.0.0.1:80 inner"],
    ["http://255.255.255.255/", "255.255.255.255:80 inner"],
    ["http://user:pass@api.example.org/", "url_credentials"],
    ["http://api.example.org@127.0.0.1/", "url_credentials"],
    ["http://@127.0.0.1/", "url_credentials"],
    ["http://api.example.org\\@127.0.0.1/", "api.example.org:80 public"],
    ["http://api.example.org#@127.0.0.1/", "api.example.org:80 public"],
    ["ftp://api.example.org/", "url_scheme"],
    ["file:///etc/passwd", "url_scheme"],
    ["gopher://127.0.0.1:6379/_x", "url_scheme"],
    ["javascript:alert(1)", "url_scheme"],
    ["data:text/plain,x", "url_scheme"],
    ["api.example.org/x", "bad_url"],
    ["//api.example.org/x", "bad_url"],
    ["http://", "bad_url"],
    ["http://1.2.3.4.5/", "bad_url"],
    ["http://999.1.1.1/", "bad_url"],
  ])("%s", (url, expected) => {
    expect(kindOf(url)).toBe(expected);
  });

  it("a host is listed by name, below a name, and by port", () => {
    const entries = [
      "api.example.org",
      "*.example.net",
      "erp.lan:8443",
      "10.1.2.3:9000",
      "[fd00::1]:80",
    ];
    expect(isListed(entries, "api.example.org", 443)).toBe(true);
    expect(isListed(entries, "api.example.org", 8443)).toBe(false);
    expect(isListed(entries, "a.b.example.net", 80)).toBe(true);
    expect(isListed(entries, "example.net", 80)).toBe(false);
    expect(isListed(entries, "evilexample.net", 80)).toBe(false);
    expect(isListed(entries, "erp.lan", 8443)).toBe(true);
    expect(isListed(entries, "erp.lan", 443)).toBe(false);
    expect(isListed(entries, "10.1.2.3", 9000)).toBe(true);
    expect(isListed(entries, "fd00::1", 80)).toBe(true);
    expect(isListed([], "api.example.org", 443)).toBe(false);
  });
});
