// MQTT topics: one place for their names.

export const TOPICS = {
  /** Retained, QoS 1: the last state of a conversation, of bounded size. */
  context: (conversation: string): string => `gantry/ctx/${conversation}`,
  /** Retained: the device's live state. */
  deviceState: (device: string): string => `gantry/devices/${device}/state`,
  /** A command to a device, JSON {id, command: pause|resume|cancel|stop|bed-cleared, token}. */
  deviceCommand: (device: string): string => `gantry/devices/${device}/cmd`,
  /** Retained: the state of a print job. */
  job: (job: string): string => `gantry/jobs/${job}`,
  autonomyStatus: "gantry/autonomy/status",
  /** Queue an allow-listed command, JSON {id, command, args, class, token}. */
  autonomyCommand: "gantry/autonomy/cmd",
  /** What was refused on any topic that names no device, with the reason. */
  autonomyRejected: "gantry/autonomy/rejected",
  /** Each ledger event; not retained. */
  event: (type: string): string => `gantry/events/${type.replaceAll(".", "/")}`,
  /** What was refused, with the reason. */
  rejected: (device: string): string => `gantry/devices/${device}/rejected`,
} as const;

/** Home Assistant's MQTT discovery prefix. */
export const DISCOVERY_PREFIX = "homeassistant";
