// A real pseudo terminal from libc, without a native package: the far end of a serial cable.
//
// PT1. The near end (`path`) is an ordinary serial port for whoever opens it; `isOpen` says whether
//      somebody has, which is when a real board's DTR line resets it.

import { closeSync, constants, openSync, writeSync } from "node:fs";
import ffi from "node:ffi";
import { ReadStream } from "node:tty";
import { GantryError } from "@gantry/shared/base/errors.ts";

export interface Pty {
  /** Such as `/dev/pts/3`. */
  readonly path: string;
  isOpen(): boolean;
  /** Bits a second that the near end has set. */
  rate(): number;
  /** Starts reading; `onBytes` is called until the near end is closed, then `onClosed` once. */
  read(onBytes: (bytes: Uint8Array) => void, onClosed: () => void): void;
  /** What the kernel does not take now waits here; over 64 KiB, or with nobody there, it is lost. */
  write(bytes: Uint8Array): void;
  close(): void;
}

const WAITING_BYTES_MAX = 65_536;
const POLLIN = 1;
const POLLHUP = 16;
/** struct termios is 60 bytes on Linux. */
const TERMIOS_BYTES = 64;
/** struct termios2, which knows speeds as numbers: 4 flags, the line, 19 characters, two speeds. */
const TCGETS2 = 0x80_2c_54_2an;
const OSPEED_AT = 40;

/** Throws io_error. Linux only. */
export function openPty(): Pty {
  const { functions: libc } = ffi.dlopen("libc.so.6", {
    posix_openpt: { arguments: ["int32"], return: "int32" },
    grantpt: { arguments: ["int32"], return: "int32" },
    unlockpt: { arguments: ["int32"], return: "int32" },
    ptsname: { arguments: ["int32"], return: "pointer" },
    dup: { arguments: ["int32"], return: "int32" },
    poll: { arguments: ["pointer", "uint64", "int32"], return: "int32" },
    tcgetattr: { arguments: ["int32", "pointer"], return: "int32" },
    tcsetattr: { arguments: ["int32", "int32", "pointer"], return: "int32" },
    ioctl: { arguments: ["int32", "uint64", "pointer"], return: "int32" },
    cfmakeraw: { arguments: ["pointer"], return: "void" },
  });
  const master = libc.posix_openpt(constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  if (master < 0 || libc.grantpt(master) !== 0 || libc.unlockpt(master) !== 0) {
    throw new GantryError("io_error", "No pseudo terminal could be opened");
  }
  const path = ffi.toString(libc.ptsname(master)) ?? "";

  // No echo before the first owner sets the port up. Opening it once also makes POLLHUP work.
  const slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  const termios = Buffer.alloc(TERMIOS_BYTES);
  libc.tcgetattr(slave, termios);
  libc.cfmakeraw(termios);
  libc.tcsetattr(slave, 0, termios);
  closeSync(slave);

  const pollfd = Buffer.alloc(8);
  let reader: ReadStream | undefined;
  let waiting = Buffer.alloc(0);

  function isOpen(): boolean {
    pollfd.writeInt32LE(master, 0);
    pollfd.writeInt16LE(POLLIN, 4);
    pollfd.writeInt16LE(0, 6);
    libc.poll(pollfd, 1n, 0);
    return (pollfd.readInt16LE(6) & POLLHUP) === 0;
  }

  function rate(): number {
    const settings = Buffer.alloc(TERMIOS_BYTES);
    libc.ioctl(master, TCGETS2, settings);
    return settings.readUInt32LE(OSPEED_AT);
  }

  function flush(): void {
    try {
      while (waiting.length > 0) waiting = waiting.subarray(writeSync(master, waiting));
    } catch (error) {
      if (!isBusy(error)) waiting = Buffer.alloc(0); // EIO: nobody is there
    }
  }

  return {
    path,
    isOpen,
    rate,
    read(onBytes, onClosed) {
      // A stream closes its descriptor; the master must outlive it.
      const stream = new ReadStream(libc.dup(master));
      reader = stream;
      stream.on("data", onBytes);
      stream.on("error", () => stream.destroy()); // EIO when the near end is closed
      stream.on("close", () => {
        reader = undefined;
        onClosed();
      });
    },
    write(bytes) {
      if (waiting.length + bytes.length <= WAITING_BYTES_MAX)
        waiting = Buffer.concat([waiting, bytes]);
      if (waiting.length > 0) flush();
    },
    close() {
      reader?.destroy();
      closeSync(master);
    },
  };
}

const isBusy = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "EAGAIN";
