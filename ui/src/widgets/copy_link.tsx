// "Copy link": the address as it is, absolute and complete; or a short link that the server keeps,
// with the traces that are its evidence.

import { signal } from "@preact/signals";
import { makeLink } from "../api/endpoints.ts";
import { shown } from "../base/text.ts";
import { copyText, toast } from "./announce.tsx";
import { Icon } from "./icons.tsx";

// What the present page shows as evidence; pages set it.
export const evidence = signal<readonly string[]>([]);
const kMaxEvidence = 50;

async function copyLong(): Promise<void> {
  const copied = await copyText(location.href);
  toast(copied ? "Link copied. It shows this view with these times to everybody." : <>Copy it by hand: {location.href}</>);
}

async function copyShort(): Promise<void> {
  const ids = evidence.peek().slice(0, kMaxEvidence);
  try {
    const link = await makeLink(location.pathname + location.search, ids);
    const url = new URL(link.url, location.origin).href;
    const copied = await copyText(url);
    toast(
      <>
        {copied ? "Short link copied: " : "Short link: "}
        <a href={url} data-reload>{url}</a>
        {ids.length > 0 && `. ${ids.length === 1 ? "Its trace is" : `Its ${ids.length} traces are`} kept past retention.`}
      </>,
    );
  } catch (error) {
    toast(`No short link was made: ${shown((error as Error).message)}`);
  }
}

export function CopyLink() {
  return (
    <div class="segments" role="group" aria-label="Share">
      <button type="button" class="button" onClick={copyLong} aria-label="Copy link" title="Copies this address: the view, its filters and absolute times">
        <Icon.link /> <span class="share-word">Copy link</span>
      </button>
      <button type="button" class="button" onClick={copyShort} aria-label="Pin" title="Makes a short link and keeps its traces past retention">
        <Icon.pin /> <span class="share-word">Pin</span>
      </button>
    </div>
  );
}
