// Home Assistant's MQTT discovery: one retained configuration per entity of a printer. Nothing in it
// changes while the printer lives, so it is published again only when the broker may have lost it.
// Source: home-assistant.io/integrations/mqtt, "MQTT discovery", abbreviations not used.

import type { DeviceView } from "@gantry/shared/contract/schemas/devices.ts";
import { DISCOVERY_PREFIX, TOPICS } from "@gantry/shared/contract/topics.ts";

export interface DiscoveryConfig {
  readonly topic: string;
  readonly payload: string;
}

interface Sensor {
  readonly key: string;
  readonly name: string;
  readonly template: string;
  readonly more: Readonly<Record<string, string>>;
}

const temperature = (key: string, name: string, field: string): Sensor => ({
  key,
  name,
  template: `{{ value_json.temperatures.${field} if value_json.temperatures is defined else None }}`,
  more: { device_class: "temperature", unit_of_measurement: "°C", state_class: "measurement" },
});

const SENSORS: readonly Sensor[] = [
  temperature("nozzle", "Nozzle", "nozzleC"),
  temperature("bed", "Bed", "bedC"),
  {
    key: "progress",
    name: "Progress",
    template: "{{ (value_json.progress | default(0) * 100) | round(1) }}",
    more: { unit_of_measurement: "%", icon: "mdi:progress-clock" },
  },
  {
    key: "state",
    name: "State",
    template: "{{ value_json.phase }}",
    more: { icon: "mdi:printer-3d" },
  },
];

/** All configurations of one printer: four sensors and the stop button. */
export function discoveryOf(device: DeviceView): readonly DiscoveryConfig[] {
  const state = TOPICS.deviceState(device.id);
  const common = {
    availability: [
      { topic: state, value_template: "{{ 'online' if value_json.online else 'offline' }}" },
    ],
    device: {
      identifiers: [`gantry_${device.id}`],
      name: device.id,
      manufacturer: "Gantry",
      model: device.simulated ? `${device.type} (simulated)` : device.type,
    },
    origin: { name: "gantry" },
  };
  const sensors = SENSORS.map(({ key, name, template, more }) => ({
    topic: `${DISCOVERY_PREFIX}/sensor/gantry_${device.id}/${key}/config`,
    payload: JSON.stringify({
      name,
      unique_id: `gantry_${device.id}_${key}`,
      state_topic: state,
      value_template: template,
      ...more,
      ...common,
    }),
  }));
  const stop = {
    topic: `${DISCOVERY_PREFIX}/button/gantry_${device.id}/stop/config`,
    payload: JSON.stringify({
      name: "Emergency stop",
      unique_id: `gantry_${device.id}_stop`,
      command_topic: TOPICS.deviceCommand(device.id),
      payload_press: JSON.stringify({ command: "stop" }),
      qos: 1,
      icon: "mdi:alert-octagon",
      ...common,
      availability: [], // a stop is always worth trying
    }),
  };
  return [...sensors, stop];
}
