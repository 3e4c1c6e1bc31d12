export function MapPage() {
  return <main class="page" id="main" tabindex={-1}><h1>Map</h1></main>;
}
