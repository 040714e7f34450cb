import { describe, expect, it } from "vitest";
import { makeNet } from "./testing/net.ts";
import { trio } from "./testing/trio.ts";

describe("the core, in short", () => {
  it("one voter alone elects itself, commits and reads without a message", () => {
    const net = makeNet({ hubs: ["a"] });
    net.elect("a");
    expect(net.status("a")).toMatchObject({ role: "leader", term: 1, commitIndex: 1 });
    net.propose("a", "one");
    net.read("a", 7);
    net.settle();
    expect(net.words("a")).toEqual(["one"]);
    expect(net.get("a").reads).toMatchObject([{ id: 7 }]);
    expect(net.log).toEqual([]);
  });

  it("[C36] three voters elect one leader, replicate, commit, and read on every hub", () => {
    const net = makeNet(trio);
    net.elect("a");
    expect(net.leaders()).toEqual(["a"]);
    net.propose("a", "one");
    net.propose("a", "two");
    net.settle();
    for (const id of trio.hubs) expect(net.words(id)).toEqual(["one", "two"]);
    net.read("a", 1);
    net.read("b", 2);
    net.settle();
    expect(net.get("a").reads).toEqual([{ id: 1, index: 3 }]);
    expect(net.get("b").reads).toEqual([{ id: 2, index: 3 }]);
  });

  it("counts its own vote and its own entries only once they are stored (A2)", () => {
    const net = makeNet({ hubs: ["a"] });
    net.get("a").isStalled = true;
    net.elect("a");
    expect(net.status("a").role).toBe("candidate");
    net.get("a").isStalled = false;
    net.settle();
    expect(net.status("a").role).toBe("leader");
    net.get("a").isStalled = true;
    net.propose("a", "one");
    net.settle();
    expect(net.status("a")).toMatchObject({ commitIndex: 1, lastIndex: 2, storedIndex: 1 });
  });

  it("[D3] goes on with another leader when the first is gone, and loses nothing", () => {
    const net = makeNet(trio);
    net.elect("a");
    net.propose("a", "one");
    net.settle();
    net.isolate("a");
    net.propose("a", "never committed");
    net.settle();
    net.beat(25);
    const [leader] = net.leaders().filter((id) => id !== "a");
    expect(leader).toBeDefined();
    net.propose(leader ?? "", "two");
    net.settle();
    expect(net.words("b")).toEqual(["one", "two"]);
    net.heal();
    net.beat(15);
    expect(net.leaders()).toEqual([leader]);
    expect(net.words("a")).toEqual(["one", "two"]);
  });
});
