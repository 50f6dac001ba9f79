// A block that scrolls sideways can be reached and scrolled by the keyboard.
function mark() {
  for (const block of document.querySelectorAll("pre, .table-wrapper"))
    if (block.scrollWidth > block.clientWidth) {
      block.tabIndex = 0;
      block.setAttribute("role", "group");
      block.setAttribute("aria-label", block.tagName === "PRE" ? "code" : "table");
    }
}
addEventListener("DOMContentLoaded", mark);
addEventListener("resize", mark);
