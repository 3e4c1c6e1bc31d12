import { effect } from "@preact/signals";
import { afterEach, describe, expect, it } from "vitest";
import type { AttributeValue } from "../../src/api/types.ts";
import { squadChoices } from "../../src/widgets/facets.tsx";
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

  it("is a quick filter by names and beginnings of names, with the spans of both", () => {
    useConfig({ version: "0", squads: [{ name: "Payments", services: ["pay-*", "bill.er"] }] });
    const value = (name: string, spans: number) => ({ value: name, type: "string", spans }) as AttributeValue;
    const [payments] = squadChoices([value("pay-invoice", 3), value("bill.er", 4), value("mail", 5)], [], []);
    expect(payments).toMatchObject({ label: "Payments", include: 'resource.service.name =~ "pay-.*|bill\\\\.er"', count: 7 });
  });

  it("is told again when the configuration comes after the trace", () => {
    const seen: (string | null)[] = [];
    const stop = effect(() => void seen.push(squadOf("late")));
    useConfig({ version: "0", squads: [{ name: "Evening", services: ["late"] }] });
    stop();
    expect(seen).toEqual([null, "Evening"]);
  });
});
