// Read what the page carries: JSON, and arrays that are compressed with gzip and written in base64.

export function readJson(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

export async function unpack(text) {
  const packed = Uint8Array.from(atob(text.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

// Every array of the page by its name, which stands in data-array.
export async function readArrays() {
  const found = [...document.querySelectorAll("script[data-array]")];
  const buffers = await Promise.all(found.map((script) => unpack(script.textContent)));
  return Object.fromEntries(found.map((script, place) => [script.dataset.array, buffers[place]]));
}
