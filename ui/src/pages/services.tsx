export function ServicesPage() {
  return <main class="page" id="main" tabindex={-1}><h1>Services</h1></main>;
}
