// A short link that the page itself was asked to follow, and addresses that lead nowhere.

import { useEffect } from "preact/hooks";
import { readLink } from "../api/endpoints.ts";
import { address, linkTo, navigate } from "../base/router.ts";
import { useLoad } from "../widgets/hooks.ts";
import { Empty, Failed, LoadingBar } from "../widgets/states.tsx";

export function LinkPage() {
  const { id } = address.value;
  const link = useLoad((abort) => readLink(id, abort), [id]);
  useEffect(() => {
    // Only a path of this page: a stored link must not lead elsewhere.
    const path = link.data?.path;
    if (path?.startsWith("/") && !path.startsWith("//") && !path.startsWith("/s/")) navigate(path, true);
  }, [link.data]);
  return (
    <main class="page" id="main" tabindex={-1}>
      <h1 class="sr">Short link</h1>
      <LoadingBar on={link.loading} />
      {link.error != null && (
        <Failed error={link.error}>
          <p>Ask whoever sent it for the long link, or <a href={linkTo("search")}>search</a>.</p>
        </Failed>
      )}
    </main>
  );
}

export function NotFoundPage() {
  return (
    <main class="page" id="main" tabindex={-1}>
      <h1 class="sr">Not found</h1>
      <Empty title="There is no such page">
        <p>The address may have been cut when it was copied. <a href={linkTo("search")}>Go to search</a>.</p>
      </Empty>
    </main>
  );
}
