// The model alive in a page: this script stands only on pages that have a place for it (class llmbook-live), and the
// model is fetched only when a reader asks for it. Without it the page shows what is stored.
(() => {
  const { dataset, src } = document.currentScript;
  const say = (text) => document.querySelectorAll(".llmbook-live-note").forEach((note) => { note.textContent = text; });
  const start = async () => {
    if (location.protocol === "file:") {
      say("The model answers here when the book is read from a web server. This page was opened as a file, and browsers do not let a file load a model: run `make serve`, then open the address that it prints.");
      return;
    }
    if (typeof WebAssembly !== "object") {
      say("The model answers here in browsers that have WebAssembly. This one has none, or it is switched off.");
      return;
    }
    try {
      const { mount } = await import(new URL("live/app.js", src).href);
      const config = { model: dataset.model, size: Number(dataset.size), program: Number(dataset.program), version: dataset.version };
      await mount(document.querySelectorAll(".llmbook-live"), config);
    } catch {
      say("The part of this site that lets the model answer here did not arrive, or this browser is too old for it.");
    }
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start();
})();
