// What kind of board is simulated, and how it introduces itself. Pure.

export interface MarlinOptions {
  /** 0: not paced. */
  readonly baud: number;
  readonly isAdvancedOk: boolean;
  readonly hasEmergencyParser: boolean;
  /** Times faster than real heaters. */
  readonly heatFactor: number;
  readonly seed: number;
  readonly sizeMm: { readonly x: number; readonly y: number; readonly z: number };
}

export const MARLIN_OPTIONS: MarlinOptions = {
  baud: 115_200,
  isAdvancedOk: true,
  hasEmergencyParser: true,
  heatFactor: 1,
  seed: 1,
  sizeMm: { x: 220, y: 220, z: 250 },
};

/** The answer to M115. MACHINE_TYPE is what the bridge knows test equipment by. */
export function bannerLines({
  sizeMm,
  isAdvancedOk,
  hasEmergencyParser,
}: MarlinOptions): readonly string[] {
  const area = `min:{x:0.0000,y:0.0000,z:0.0000},max:{x:${sizeMm.x},y:${sizeMm.y},z:${sizeMm.z}}`;
  return [
    "FIRMWARE_NAME:Marlin 2.1 (simulated) SOURCE_CODE_URL:none PROTOCOL_VERSION:1.0 " +
      "MACHINE_TYPE:Gantry simulated printer EXTRUDER_COUNT:1 UUID:00000000-0000-0000-0000-000000000000",
    "Cap:SERIAL_XON_XOFF:0",
    "Cap:EEPROM:0",
    "Cap:AUTOREPORT_TEMP:1",
    "Cap:PROGRESS:0",
    `Cap:EMERGENCY_PARSER:${hasEmergencyParser ? 1 : 0}`,
    `Cap:ADVANCED_OK:${isAdvancedOk ? 1 : 0}`,
    "Cap:BUSY_PROTOCOL:1",
    `area:{full:{${area}},work:{${area}}}`,
  ];
}
