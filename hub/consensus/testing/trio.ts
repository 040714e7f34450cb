// Three hubs, the usual cluster of a script.

import { makeNet, type Net } from "./net.ts";

export const trio = { hubs: ["a", "b", "c"] };

/** Hub a leads, and what its election needed is off the record. */
export function ledTrio(config = {}): Net {
  const net = makeNet({ ...trio, config });
  net.elect("a");
  net.clearLog();
  return net;
}

/** How far the leader, a, knows this hub to be. */
export const fieldsOf = (net: Net, id: string) => {
  const { match, next, state, inflight } = net.status("a").progress.get(id) ?? {};
  return { match, next, state, inflight };
};
