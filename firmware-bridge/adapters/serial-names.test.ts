import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { serialNames } from "./serial-names.ts";

let root = "";
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "gantry-ports-")));
  for (const folder of ["dev/serial/by-id", "dev/serial/by-path", "sys/class/tty"]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A board in a socket, as udev and sysfs show it. */
function plug(tty: string, socket: string, id: string | undefined, serial: string): void {
  const device = join(root, "dev", tty);
  writeFileSync(device, "");
  symlinkSync(device, join(root, "dev/serial/by-path", socket));
  if (id !== undefined) symlinkSync(device, join(root, "dev/serial/by-id", id));
  const usb = join(root, "sys/devices", socket);
  mkdirSync(join(usb, "1.0", tty), { recursive: true });
  writeFileSync(join(usb, "idVendor"), "1a86\n");
  writeFileSync(join(usb, "idProduct"), "7523\n");
  writeFileSync(join(usb, "serial"), `${serial}\n`);
  mkdirSync(join(root, "sys/class/tty", tty), { recursive: true });
  symlinkSync(join(usb, "1.0", tty), join(root, "sys/class/tty", tty, "device"));
}

it("calls a board by its id, and twins by their sockets (SN1)", () => {
  plug("ttyUSB0", "pci-1", "usb-CH340-if00", "");
  plug("ttyUSB1", "pci-2", undefined, ""); // the link belongs to the other one
  plug("ttyACM0", "pci-3", "usb-Prusa_42-if00", "42");
  expect(serialNames(root).map(({ name }) => name)).toEqual([
    join(root, "dev/serial/by-id/usb-Prusa_42-if00"),
    join(root, "dev/serial/by-path/pci-1"),
    join(root, "dev/serial/by-path/pci-2"),
  ]);
});

it("keeps the kernel's name where there is no other, and a dead link is no port", () => {
  writeFileSync(join(root, "dev/ttyUSB7"), "");
  symlinkSync(join(root, "dev/ttyUSB9"), join(root, "dev/serial/by-id/gone"));
  expect(serialNames(root)).toEqual([
    { device: join(root, "dev/ttyUSB7"), name: join(root, "dev/ttyUSB7") },
  ]);
  expect(serialNames(join(root, "nowhere"))).toEqual([]);
});
