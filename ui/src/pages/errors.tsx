export function ErrorsPage() {
  return <main class="page" id="main" tabindex={-1}><h1>Errors</h1></main>;
}
