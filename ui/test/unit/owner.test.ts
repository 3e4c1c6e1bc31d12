import { effect } from "@preact/signals";
import { afterEach, describe, expect, it } from "vitest";
import { hearOwner, squadOf, useConfig } from "../../src/widgets/service_name.tsx";

describe("who owns a service", () => {
  afterEach(() => useConfig({ version: "0" }));

  it("is what the configuration says, else the resource, else what was heard", () => {
    hearOwner("mail", "Post");
    expect(squadOf("mail", "")).toBe("Post");
    expect(squadOf("mail", "Letters")).toBe("Letters");
    expect(squadOf("nobody")).toBeNull();
    useConfig({ version: "0", squads: [{ name: "Office", services: ["mail"] }] });
    expect(squadOf("mail", "Letters")).toBe("Office");
  });

  it("knows beginnings of names; the longest wins, a whole name before all", () => {
    useConfig({
      version: "0",
      squads: [
        { name: "Payments", services: ["pay-*"] },
        { name: "Cards", services: ["pay-card-*"] },
        { name: "Ledger", services: ["pay-card-ledger"] },
      ],
    });
    expect(squadOf("pay-invoice")).toBe("Payments");
    expect(squadOf("pay-card-issuer")).toBe("Cards");
    expect(squadOf("pay-card-ledger")).toBe("Ledger");
  });

  it("is told again when the configuration comes after the trace", () => {
    const seen: (string | null)[] = [];
    const stop = effect(() => void seen.push(squadOf("late")));
    useConfig({ version: "0", squads: [{ name: "Evening", services: ["late"] }] });
    stop();
    expect(seen).toEqual([null, "Evening"]);
  });
});
