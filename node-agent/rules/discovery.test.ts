import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foundSchema } from "@gantry/shared/contract/workshop.ts";
import {
  type DnsRecord,
  foundInBambu,
  foundInHttp,
  foundInMdns,
  foundInSsdp,
  foundOnSerial,
  HTTP_LOOKS,
} from "./discovery.ts";

const BAMBU = [
  "NOTIFY * HTTP/1.1",
  "Host: 239.255.255.250:1990",
  "Server: UPnP/1.0",
  "Location: 10.0.0.9",
  "NT: urn:bambulab-com:device:3dprinter:1",
  "USN: 01S00A123400001",
  "DevModel.bambu.com: C11",
  "DevName.bambu.com: Left one",
  "",
  "",
].join("\r\n");

const answer = (body: string) => ({ status: 200, body, server: "" });

describe("what devices say of themselves", () => {
  it("is found in an answer to mDNS, with host, port and name", () => {
    const records: DnsRecord[] = [
      { name: "_moonraker._tcp.local", type: "PTR", data: "Voron 2.4._moonraker._tcp.local" },
      {
        name: "Voron 2.4._moonraker._tcp.local",
        type: "SRV",
        data: { port: 7125, target: "voron.local" },
      },
      { name: "voron.local", type: "A", data: "10.0.0.5" },
      { name: "_airplay._tcp.local", type: "PTR", data: "TV._airplay._tcp.local" },
    ];
    expect(foundInMdns(records, "10.0.0.99")).toEqual([
      {
        key: "moonraker:10.0.0.5:7125",
        kind: "moonraker",
        name: "Voron 2.4",
        address: "10.0.0.5:7125",
        by: "mdns",
      },
    ]);
    expect(foundInMdns(records.slice(0, 1), "10.0.0.99")).toMatchObject([{ address: "10.0.0.99" }]);
  });

  it("is found in Bambu's notice, by its serial number", () => {
    expect(foundInBambu(BAMBU, "10.0.0.9")).toEqual({
      key: "bambu:01S00A123400001",
      kind: "bambu",
      name: "Left one",
      address: "10.0.0.9",
      by: "bambu",
      serial: "01S00A123400001",
      model: "C11",
    });
    expect(foundInBambu(BAMBU.replace("3dprinter", "toaster"), "10.0.0.9")).toBeUndefined();
    expect(foundInBambu(BAMBU.replace("10.0.0.9", "http://10.0.0.9:80/x"), "::")).toMatchObject({
      address: "10.0.0.9",
    });
  });

  it("is found in SSDP, on serial ports and by its answer to HTTP", () => {
    const octo =
      "HTTP/1.1 200 OK\r\nSERVER: OctoPrint/1.11\r\nLOCATION: http://o.lan:5000/d.xml\r\n\r\n";
    expect(foundInSsdp(octo, "10.0.0.7")).toMatchObject({
      kind: "octoprint",
      address: "10.0.0.7:5000",
    });
    expect(foundOnSerial(["usb-1a86_USB2.0-Ser_-if00", "../../etc/passwd"])).toMatchObject([
      { kind: "serial", address: "/dev/serial/by-id/usb-1a86_USB2.0-Ser_-if00" },
    ]);
    const [moonraker, octoprint] = HTTP_LOOKS;
    if (moonraker === undefined || octoprint === undefined) throw new Error("no looks");
    expect(foundInHttp("h", moonraker, answer('{"result":{"klippy_state":"ready"}}'))?.kind).toBe(
      "moonraker",
    );
    expect(foundInHttp("h", octoprint, answer('{"api":"0.1","text":"OctoPrint 1.11"}'))?.kind).toBe(
      "octoprint",
    );
    expect(foundInHttp("h", octoprint, answer("<html>a router</html>"))).toBeUndefined();
  });

  it("whatever it is, comes out fit for the wire, or not at all (fuzz)", () => {
    const header = fc.tuple(
      fc.constantFrom(
        "NT",
        "USN",
        "Location",
        "DevName.bambu.com",
        "DevModel.bambu.com",
        "SERVER",
        "ST",
      ),
      fc.oneof(
        fc.string(),
        fc.constant("urn:bambulab-com:device:3dprinter:1"),
        fc.constant("OctoPrint"),
      ),
    );
    const notice = fc
      .tuple(fc.constantFrom("NOTIFY * HTTP/1.1", "HTTP/1.1 200 OK", "GET /"), fc.array(header))
      .map(([first, lines]) => [first, ...lines.map((line) => line.join(": ")), ""].join("\r\n"));
    const data = fc.oneof(
      fc.string(),
      fc.record({ port: fc.anything(), target: fc.anything() }),
      fc.anything(),
    );
    const records = fc.array(
      fc.record({
        name: fc.oneof(fc.constantFrom("_moonraker._tcp.local", "_bambu._tcp.local."), fc.string()),
        type: fc.constantFrom("PTR", "SRV", "A", "TXT"),
        data,
      }),
    );
    fc.assert(
      fc.property(
        notice,
        records,
        fc.string(),
        fc.array(fc.string()),
        (text, answers, from, names) => {
          const all = [
            foundInBambu(text, from),
            foundInSsdp(text, from),
            ...foundInMdns(answers, from),
            ...foundOnSerial(names),
            ...HTTP_LOOKS.map((look) =>
              foundInHttp(from, look, { status: 200, body: text, server: text }),
            ),
          ];
          const found = all.filter((one) => one !== undefined);
          expect(found.map((one) => foundSchema.safeParse(one).error)).toEqual(
            found.map(() => undefined),
          );
        },
      ),
      { numRuns: 500 },
    );
  });
});
