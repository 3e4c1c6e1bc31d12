export function ComparePage() {
  return <main class="page" id="main" tabindex={-1}><h1>Compare</h1></main>;
}
