// The ids of the story's named traces, typed.
// @ts-expect-error plain JavaScript without types
import * as story from "./story.mjs";

export const kLedgerTraceId: string = story.kLedgerTraceId;
export const kBigTraceId: string = story.kBigTraceId;
export const kHostileTraceId: string = story.kHostileTraceId;
export const kLostTraceId: string = story.kLostTraceId;
export const kDnsTraceId: string = story.kDnsTraceId;
export const kTimeoutTraceId: string = story.kTimeoutTraceId;
export const kSuspendedTraceId: string = story.kSuspendedTraceId;
export const kHealthyTraceId: string = story.kHealthyTraceId;
