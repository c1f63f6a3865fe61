// What the theme leaves undone: scrolling with the keyboard, and searching a site opened from a folder.
(() => {
  // A page opened as a file may not fetch other files, so search results come without their excerpt.
  if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  }
  // Whatever scrolls sideways can be reached with Tab and moved with the arrow keys.
  const scrollers =
    "pre, div.math, .cell_output .output, .llmbook-table, .llmbook-panel, .bd-article [style*='overflow-x:auto']";
  const reach = () => document.querySelectorAll(scrollers).forEach((box) => {
    if (box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
  });
  addEventListener("load", reach);
  addEventListener("resize", reach);
  addEventListener("input", () => requestAnimationFrame(reach)); // a slider shows another frame
})();
